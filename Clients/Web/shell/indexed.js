// The store in IndexedDB. Browsers lose its connection while a page is away (iOS tells nobody), leave the first opening
// of a page unanswered, and let a stuck tab hold up all others: what is not answered in time is begun anew once, over
// another connection, and fails after that. Only a write finds a store full: one that cannot be opened or read for lack of
// room has failed.

import { isObject } from "../sync/values.js";
import { dismissed, renamed } from "./memory.js";

/** @typedef {import("../sync/types.js").Document} Document */
/** @typedef {import("../sync/types.js").StoredEntry} StoredEntry */
/** @typedef {import("./store.js").Stored} Stored */

/**
 * @typedef {object} Account
 * @property {string} account  the user's id
 * @property {string | null} device
 * @property {string} email  a fingerprint of it: enough to know it again
 * @property {number} seq  the last number drawn
 * @property {string | null} cursor
 * @property {number | null} skew  the server's clock minus the device's, when the replica was last saved
 * @property {boolean} forked
 * @property {string[]} [dismissed]  conflicts of which the server is to be told
 * @property {number} last  when it signed in here, in milliseconds since 1970; 0: it has signed out
 */

/**
 * What a transaction does. `fail` ends it from within an event; `again`: the same may have been written before.
 * @typedef {(stores: Record<string, IDBObjectStore>, how: {fail: (error: unknown) => void, again: boolean}) =>
 *   IDBRequest | IDBRequest[] | void} Act
 */

const STORES = { accounts: "account", documents: ["account", "collection", "id"], queue: ["account", "place"], reserve: "name" };

// Room for the largest changes, several of them.
const RESERVE_BYTES = 256 * 1024;
// The first call of a page may never be answered; a second one is.
const FIRST_OPENING_MS = 1_500;
const OPENING_MS = 4_000;
const TRANSACTION_MS = 4_000;

export class IndexedStore {
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
        const accounts = /** @type {Account[]} */ (
            await this.#run(["accounts"], "readonly", (it) => it.accounts.getAll()));
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
            entries: queue.map(({ entry }) => entry).filter(isEntry),
        };
    }

    /**
     * The cookie that others had is gone, and so is what was shown to them; what they did not send stays theirs.
     * @param {{account: string, device: string, email: string}} known
     */
    async remember({ account, device, email }) {
        await this.#run(["accounts", "documents"], "readwrite", (it, { fail }) => {
            const request = it.accounts.getAll();
            request.onsuccess = guarded(fail, () => {
                const record = request.result.find((/** @type {Account} */ other) => other.account === account);
                for (const other of request.result) {
                    if (other === record || (other.cursor === null && other.last === 0)) continue;
                    it.documents.delete(all(other.account));
                    it.accounts.put({ ...other, cursor: null, last: 0 });
                }
                const forked = record !== undefined && record.forked && record.device === device;
                it.accounts.put({
                    ...(record ?? newAccount(account)), device, forked, email: fingerprint(email), last: Date.now(),
                });
                request.transaction?.commit?.();
            });
        });
    }

    /** @param {string} email */
    async deviceOf(email) {
        const accounts = /** @type {Account[]} */ (
            await this.#run(["accounts"], "readonly", (it) => it.accounts.getAll()));
        return accounts.find((it) => it.email === fingerprint(email) && !it.forked)?.device ?? null;
    }

    /** @param {string} account @param {StoredEntry[]} entries */
    async persist(account, entries) {
        /** @type {StoredEntry[]} */
        let stored = [];
        await this.#change(account, ["accounts", "queue"], (it, record, known) => {
            const before = new Map(known.map(({ id, entry }) => [id, entry]));
            let { seq } = record;
            stored = entries.map((entry) => {
                const there = before.get(entry.mutation.id);
                if (there !== undefined) return there;
                seq += 1;
                return { ...entry, place: seq, mutation: { ...entry.mutation, ...(record.forked ? {} : { seq }) } };
            });
            it.accounts.put({ ...record, seq });
            for (const entry of stored) it.queue.put({ account, place: entry.place, id: entry.mutation.id, entry });
        });
        return stored;
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

    /** @param {string} account @param {import("./store.js").Dismissals} change */
    async dismissals(account, change) {
        /** @type {string[]} */
        let left = [];
        await this.#change(account, ["accounts"], (it, record) => {
            left = dismissed(record.dismissed ?? [], change);
            if (Object.keys(change).length > 0) it.accounts.put({ ...record, dismissed: left });
        });
        return left;
    }

    /** @returns {Promise<boolean>} */
    async reserve() {
        // Random, for what could be compressed would take no room.
        const bytes = new Uint8Array(RESERVE_BYTES);
        for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
        try {
            await this.#run(["reserve"], "readwrite", (it) => void it.reserve.put({ name: "reserve", bytes }));
            return true;
        } catch (error) {
            if (isFull(error)) return false;
            throw error;
        }
    }

    async release() {
        await this.#run(["reserve"], "readwrite", (it) => void it.reserve.clear());
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
     * @param {(stores: Record<string, IDBObjectStore>, record: Account, queue: any[]) => void} act  `queue`: what a write
     *   before this one, of which nothing was heard, may have left
     */
    async #change(account, stores, act) {
        await this.#run(stores, "readwrite", (it, { fail, again }) => {
            const queue = again && stores.includes("queue") ? it.queue.getAll(all(account)) : null;
            const request = it.accounts.get(account);
            request.onsuccess = guarded(fail, () => {
                act(it, request.result ?? newAccount(account), queue?.result ?? []);
                // From here on it stands also where the page is left before it hears that it does.
                request.transaction?.commit?.();
            });
        });
    }

    /** @param {string} account @param {(cursor: IDBCursorWithValue) => void} act */
    async #overQueue(account, act) {
        await this.#run(["queue"], "readwrite", (it, { fail }) => {
            const request = it.queue.openCursor(all(account));
            request.onsuccess = guarded(fail, () => {
                if (request.result === null) return;
                act(request.result);
                request.result.continue();
            });
        });
    }

    /**
     * @param {string[]} stores
     * @param {"readonly" | "readwrite"} mode
     * @param {Act} act
     * @returns {Promise<unknown>} what the requests that it gave back brought, once the transaction is through
     */
    async #run(stores, mode, act) {
        const database = this.#opening();
        try {
            return await this.#attempt(database, stores, mode, act, false);
        } catch (error) {
            // An opening has been tried again already.
            if (isFull(error) || error instanceof Unopened) throw error;
            void database.then((it) => it.close(), () => undefined);
            // Another use may have begun anew already.
            if (this.#database === database) this.#database = null;
            return this.#attempt(this.#opening(), stores, mode, act, true);
        }
    }

    /**
     * @param {Promise<IDBDatabase>} opening
     * @param {string[]} stores @param {"readonly" | "readwrite"} mode @param {Act} act @param {boolean} again
     * @returns {Promise<unknown>}
     */
    async #attempt(opening, stores, mode, act, again) {
        const database = await opening;
        return new Promise((resolve, reject) => {
            const transaction = database.transaction(stores, mode);
            /** @param {unknown} error */
            const fail = (error) => {
                clearTimeout(deadline);
                reject(mode === "readwrite" ? error : new Error("the store cannot be read", { cause: error }));
                try {
                    transaction.abort();
                } catch {
                    // It has ended.
                }
            };
            const deadline = setTimeout(() => fail(new DOMException("no answer", "TimeoutError")), TRANSACTION_MS);
            transaction.onabort = () => fail(transaction.error ?? new DOMException("taken away", "AbortError"));
            transaction.oncomplete = () => {
                clearTimeout(deadline);
                resolve(Array.isArray(requests) ? requests.map((it) => it.result) : requests?.result);
            };
            const requests = guarded(fail, act)(
                Object.fromEntries(stores.map((name) => [name, transaction.objectStore(name)])), { fail, again });
        });
    }

    /** The connection there is, or a new one: what failed is no connection. */
    #opening() {
        this.#database ??= this.#open().catch((error) => {
            this.#database = null;
            throw new Unopened("the store cannot be opened", { cause: error });
        });
        return this.#database;
    }

    /** @returns {Promise<IDBDatabase>} */
    #open() {
        return new Promise((resolve, reject) => {
            let open = false;
            let attempts = 0;
            const attempt = () => {
                attempts += 1;
                const request = indexedDB.open(this.#name, 1);
                request.onupgradeneeded = () => {
                    for (const [name, keyPath] of Object.entries(STORES)) {
                        request.result.createObjectStore(name, { keyPath });
                    }
                };
                request.onsuccess = () => {
                    if (open) return request.result.close();
                    done();
                    resolve(this.#opened(request.result));
                };
                request.onerror = () => failed(request.error);
            };
            /** @param {unknown} error @returns {void} */
            const failed = (error) => {
                if (open) return;
                clearTimeout(second);
                if (attempts < 2) return again();
                done();
                reject(error);
            };
            const again = () => guarded(failed, attempt)();
            const done = () => {
                open = true;
                clearTimeout(second);
                clearTimeout(deadline);
            };
            const late = () => {
                done();
                reject(new DOMException("no answer", "TimeoutError"));
            };
            const deadline = setTimeout(late, OPENING_MS);
            const second = setTimeout(again, FIRST_OPENING_MS);
            again();
        });
    }

    /** @param {IDBDatabase} database */
    #opened(database) {
        const forget = () => (this.#database = null);
        // Whoever deletes it, or brings a newer one, must not wait for this page. The next use opens it again.
        database.onversionchange = () => {
            database.close();
            forget();
        };
        database.onclose = forget;
        return database;
    }
}

class Unopened extends Error {}

/**
 * Whether a store said that it has no more room, which is no failure.
 * @param {any} error
 */
export function isFull(error) {
    return error?.name === "QuotaExceededError";
}

/**
 * What is thrown in an event of a transaction would end it without its reason, and be told to the window.
 * @template {any[]} A, R
 * @param {(error: unknown) => void} fail
 * @param {(...given: A) => R} act
 * @returns {(...given: A) => R | undefined}
 */
function guarded(fail, act) {
    return (...given) => {
        try {
            return act(...given);
        } catch (error) {
            fail(error);
            return undefined;
        }
    };
}

/**
 * @param {string} account
 * @returns {Account}
 */
function newAccount(account) {
    return { account, device: null, email: "", seq: 0, cursor: null, skew: null, forked: false, last: 0 };
}

/**
 * Every key of an account.
 * @param {string} account
 */
function all(account) {
    return IDBKeyRange.bound([account], [account, []]);
}

/**
 * Tells e-mail addresses apart without persisting them (FNV-1a, 32 bits, twice).
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

/**
 * A store may come back damaged: what is no change of ours stops nobody.
 * @param {any} entry
 */
function isEntry(entry) {
    const mutation = entry?.mutation;
    return typeof mutation?.id === "string" && typeof mutation.name === "string" && isObject(mutation.args);
}
