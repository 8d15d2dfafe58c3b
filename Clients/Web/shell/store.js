// What a device keeps: who signed in last, the replica and the queue of each account. In IndexedDB, the one place that
// a browser leaves for that; in memory where there is none.

/** @typedef {import("../sync/types.js").Document} Document */
/** @typedef {import("../sync/types.js").Kept} Kept */

/**
 * @typedef {object} Account
 * @property {string} account  the user's id
 * @property {string | null} device
 * @property {string} email  a fingerprint of it: enough to know it again
 * @property {number} seq  the last number drawn
 * @property {string | null} cursor
 * @property {number | null} skew  the server's clock minus the device's, when the replica was last saved
 * @property {boolean} forked
 */

/**
 * @typedef {object} Stored
 * @property {string} account
 * @property {string | null} device
 * @property {boolean} forked
 * @property {string | null} cursor
 * @property {number | null} skew
 * @property {Document[]} documents
 * @property {Kept[]} entries
 */

/**
 * @typedef {object} Store
 * @property {"indexeddb" | "memory"} kind
 * @property {() => Promise<string | null>} last  the account of the last sign-in here
 * @property {(account: string) => Promise<Stored>} load
 * @property {(known: {account: string, device: string, email: string}) => Promise<void>} remember  the last sign-in
 * @property {(email: string) => Promise<string | null>} deviceOf  the device that an earlier sign-in gave
 * @property {(account: string, entries: Kept[]) => Promise<Kept[]>} keep  behind all others, each with the next `seq`; all or
 *   none: rejects when they cannot be kept
 * @property {(account: string, ids: string[]) => Promise<void>} forget  entries of the queue
 * @property {(account: string, from: string, to: string) => Promise<void>} rename
 * @property {(account: string) => Promise<void>} fork  gives the device's id and its count up
 * @property {(account: string, change: {cursor: string, reset: boolean, documents: Document[], skew: number}) =>
 *   Promise<void>} save
 * @property {() => Promise<boolean>} reserve  takes room for what is kept later; false: there is none
 * @property {() => Promise<void>} release  gives that room back
 * @property {(account: string) => Promise<void>} clear  the replica, and that it was the last; the queue stays
 */

const STORES = { accounts: "account", documents: ["account", "collection", "id"], queue: ["account", "place"], reserve: "name" };

// Room for the largest changes, several of them.
const RESERVE_BYTES = 256 * 1024;

/**
 * @param {string} name  of the database
 * @returns {Promise<Store>}
 */
export async function openStore(name) {
    try {
        const store = new IndexedStore(name);
        await store.last();
        return store;
    } catch {
        // Private windows of some browsers, storage switched off by policy, a profile that cannot be written to.
        return memoryStore();
    }
}

/**
 * The database's name for a server: the page's own has the plain one.
 * @param {string} url
 */
export function storeName(url) {
    const { origin, host } = new URL(url, location.href);
    return origin === location.origin ? "lockstep" : `lockstep ${host}`;
}

class IndexedStore {
    /** @type {"indexeddb"} */
    kind = "indexeddb";
    #name;
    /** @type {Promise<IDBDatabase> | null} */
    #database = null;

    /** @param {string} name */
    constructor(name) {
        this.#name = name;
    }

    async last() {
        const accounts = /** @type {any[]} */ (await this.#run(["accounts"], "readonly", (it) => it.accounts.getAll()));
        return accounts.filter((it) => it.last > 0).sort((one, other) => other.last - one.last)[0]?.account ?? null;
    }

    /** @param {string} account @returns {Promise<Stored>} */
    async load(account) {
        const [known, documents, queue] = /** @type {[any, any[], any[]]} */ (await this.#run(
            ["accounts", "documents", "queue"], "readonly", (it) => [
                it.accounts.get(account), it.documents.getAll(all(account)), it.queue.getAll(all(account)),
            ]));
        return {
            account, device: known?.device ?? null, forked: known?.forked ?? false, cursor: known?.cursor ?? null,
            skew: known?.skew ?? null, documents: documents.map(({ account: _, ...document }) => document),
            entries: queue.map(({ entry }) => entry),
        };
    }

    /** @param {{account: string, device: string, email: string}} known */
    async remember({ account, device, email }) {
        await this.#change(account, ["accounts"], (it, record) => {
            const forked = record.forked && record.device === device;
            it.accounts.put({ ...record, device, forked, email: fingerprint(email), last: Date.now() });
        });
    }

    /** @param {string} email */
    async deviceOf(email) {
        const accounts = /** @type {any[]} */ (await this.#run(["accounts"], "readonly", (it) => it.accounts.getAll()));
        return accounts.find((it) => it.email === fingerprint(email) && !it.forked)?.device ?? null;
    }

    /** @param {string} account @param {Kept[]} entries */
    async keep(account, entries) {
        /** @type {Kept[]} */
        let kept = [];
        await this.#change(account, ["accounts", "queue"], (it, record) => {
            kept = entries.map((entry, at) => {
                const place = record.seq + 1 + at;
                return { ...entry, place, mutation: { ...entry.mutation, ...(record.forked ? {} : { seq: place }) } };
            });
            it.accounts.put({ ...record, seq: record.seq + entries.length });
            for (const entry of kept) it.queue.put({ account, place: entry.place, id: entry.mutation.id, entry });
        });
        return kept;
    }

    /** @param {string} account @param {string[]} ids */
    async forget(account, ids) {
        const gone = new Set(ids);
        await this.#overQueue(account, (cursor) => {
            if (gone.has(cursor.value.id)) cursor.delete();
        });
    }

    /** @param {string} account @param {string} from @param {string} to */
    async rename(account, from, to) {
        await this.#overQueue(account, (cursor) => {
            const { entry, ...record } = cursor.value;
            cursor.update({ ...record, id: record.id === from ? to : record.id, entry: renamed(entry, from, to) });
        });
    }

    /** @param {string} account */
    async fork(account) {
        await this.#change(account, ["accounts"], (it, record) => it.accounts.put({ ...record, forked: true }));
    }

    /** @param {string} account @param {{cursor: string, reset: boolean, documents: Document[], skew: number}} change */
    async save(account, { cursor, reset, documents, skew }) {
        await this.#change(account, ["accounts", "documents"], (it, record) => {
            if (reset) it.documents.delete(all(account));
            for (const document of documents) it.documents.put({ account, ...document });
            it.accounts.put({ ...record, cursor, skew });
        });
    }

    async reserve() {
        // Random, for what could be compressed would take no room.
        const bytes = new Uint8Array(RESERVE_BYTES);
        for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
        return this.#run(["reserve"], "readwrite", (it) => void it.reserve.put({ name: "reserve", bytes }))
            .then(() => true, () => false);
    }

    async release() {
        await this.#run(["reserve"], "readwrite", (it) => void it.reserve.clear()).catch(() => undefined);
    }

    /** @param {string} account */
    async clear(account) {
        await this.#change(account, ["accounts", "documents"], (it, record) => {
            it.documents.delete(all(account));
            it.accounts.put({ ...record, cursor: null, last: 0 });
        });
    }

    /**
     * Reads an account's record and lets `act` write, in one transaction.
     * @param {string} account
     * @param {string[]} stores
     * @param {(stores: Record<string, IDBObjectStore>, record: any) => void} act
     */
    async #change(account, stores, act) {
        await this.#run(stores, "readwrite", (it) => {
            const request = it.accounts.get(account);
            request.onsuccess = () => {
                act(it, request.result
                    ?? { account, device: null, email: "", seq: 0, cursor: null, skew: null, forked: false, last: 0 });
                // From here on it stands also where the page is left before it hears that it does.
                request.transaction?.commit?.();
            };
        });
    }

    /** @param {string} account @param {(cursor: IDBCursorWithValue) => void} act */
    async #overQueue(account, act) {
        await this.#run(["queue"], "readwrite", (it) => {
            const request = it.queue.openCursor(all(account));
            request.onsuccess = () => {
                if (request.result === null) return;
                act(request.result);
                request.result.continue();
            };
        });
    }

    /**
     * @param {string[]} stores
     * @param {"readonly" | "readwrite"} mode
     * @param {(stores: Record<string, IDBObjectStore>) => IDBRequest | IDBRequest[] | void} act
     * @returns {Promise<unknown>} what the requests that it gave back brought, once the transaction is through
     */
    async #run(stores, mode, act) {
        const database = await (this.#database ??= this.#open());
        return new Promise((resolve, reject) => {
            const transaction = database.transaction(stores, mode);
            const requests = act(Object.fromEntries(stores.map((name) => [name, transaction.objectStore(name)])));
            transaction.oncomplete = () => resolve(Array.isArray(requests) ? requests.map((it) => it.result)
                : requests?.result);
            transaction.onabort = () => reject(transaction.error);
        });
    }

    /** @returns {Promise<IDBDatabase>} */
    #open() {
        return new Promise((resolve, reject) => {
            const request = indexedDB.open(this.#name, 1);
            request.onupgradeneeded = () => {
                for (const [name, keyPath] of Object.entries(STORES)) request.result.createObjectStore(name, { keyPath });
            };
            request.onsuccess = () => {
                const database = request.result;
                // Whoever deletes it, or brings a newer one, must not wait for this page. The next use opens it again.
                database.onversionchange = () => {
                    database.close();
                    this.#database = null;
                };
                database.onclose = () => (this.#database = null);
                resolve(database);
            };
            request.onerror = () => {
                this.#database = null;
                reject(request.error);
            };
        });
    }
}

/**
 * Every key of an account.
 * @param {string} account
 */
function all(account) {
    return IDBKeyRange.bound([account], [account, []]);
}

/** @returns {Store} */
export function memoryStore() {
    /** @type {Map<string, Stored>} */
    const accounts = new Map();
    /** @type {string | null} */
    let last = null;
    /** @param {string} account */
    const of = (account) => {
        const found = accounts.get(account) ?? { account, device: null, forked: false, cursor: null, skew: null,
            documents: [], entries: [] };
        accounts.set(account, found);
        return found;
    };
    return {
        kind: "memory",
        last: async () => last,
        load: async (account) => ({ ...of(account), documents: [], cursor: null }),
        async remember({ account, device }) {
            of(account).device = device;
            last = account;
        },
        deviceOf: async () => null,
        // No `seq`: a count that begins anew with each page would be taken for another device's.
        async keep(account, entries) {
            of(account).entries.push(...entries);
            return entries;
        },
        async forget(account, ids) {
            of(account).entries = of(account).entries.filter((it) => !ids.includes(it.mutation.id));
        },
        async rename(account, from, to) {
            of(account).entries = of(account).entries.map((entry) => renamed(entry, from, to));
        },
        fork: async () => undefined,
        save: async () => undefined,
        reserve: async () => true,
        release: async () => undefined,
        clear: async () => undefined,
    };
}

/**
 * @param {Kept} entry @param {string} from @param {string} to
 * @returns {Kept}
 */
function renamed(entry, from, to) {
    const { seq, ...mutation } = entry.mutation;
    const args = Object.fromEntries(
        Object.entries(mutation.args).map(([name, value]) => [name, value === from ? to : value]));
    const own = mutation.id === from;
    return {
        ...entry,
        mutation: { ...mutation, id: own ? to : mutation.id, args, ...(own || seq === undefined ? {} : { seq }) },
    };
}

/**
 * Tells e-mail addresses apart without keeping them (FNV-1a, 32 bits, twice).
 * @param {string} email
 */
function fingerprint(email) {
    const text = email.trim().toLowerCase();
    return [0x811c9dc5, 0x01000193].map((seed) => {
        let hash = seed;
        for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
        return (hash >>> 0).toString(16).padStart(8, "0");
    }).join("");
}
