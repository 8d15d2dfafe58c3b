// What a device holds where its browser keeps nothing: everything works for as long as the page is open.

// The server keeps no more conflicts than that.
const MOST_DISMISSED = 1_000;

/** @typedef {import("../sync/types.js").StoredEntry} StoredEntry */
/** @typedef {import("./store.js").Dismissals} Dismissals */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Stored} Stored */

/**
 * @param {Pick<Stored, "account" | "device" | "forked"> | null} [known]  what a store that was lost knew of its account
 * @returns {Store}
 */
export function memoryStore(known = null) {
    /** @type {Map<string, Stored>} */
    const accounts = new Map();
    /** @type {string | null} */
    let last = known?.account ?? null;
    /** @type {Map<string, string[]>} */
    const conflicts = new Map();
    /** @param {string} account */
    const of = (account) => {
        const found = accounts.get(account) ?? {
            account, device: null, forked: false, ...(known?.account === account ? known : {}), cursor: null, skew: null,
            documents: [], entries: [],
        };
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
        async persist(account, entries) {
            of(account).entries.push(...entries);
            return entries;
        },
        async forget(account, ids) {
            of(account).entries = of(account).entries.filter((it) => !ids.includes(it.mutation.id));
        },
        async rename(account, from, to) {
            of(account).entries = of(account).entries.map((entry) => renamed(entry, from, to));
        },
        async fork(account) {
            of(account).forked = true;
        },
        save: async () => undefined,
        async dismissals(account, change) {
            const left = dismissed(conflicts.get(account) ?? [], change);
            conflicts.set(account, left);
            return left;
        },
        reserve: async () => true,
        release: async () => undefined,
        async clear() {
            last = null;
        },
    };
}

/**
 * An entry after its mutation, or one that it names, was given another id.
 * @param {StoredEntry} entry @param {string} from @param {string} to
 * @returns {StoredEntry}
 */
export function renamed(entry, from, to) {
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
 * What the server is to be told of, after a change.
 * @param {ReadonlyArray<string>} before @param {Dismissals} change
 * @returns {string[]}
 */
export function dismissed(before, { more = [], told = [] }) {
    const gone = new Set(told);
    return [...new Set([...before, ...more])].filter((id) => !gone.has(id)).slice(-MOST_DISMISSED);
}
