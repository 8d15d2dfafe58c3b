// What a device keeps: who signed in last, the replica and the queue of each account. In IndexedDB, the one place that
// a browser leaves for that; in memory where there is none, or where it is lost: nobody who is online is stopped by it.

import { IndexedStore, isFull } from "./indexed.js";
import { memoryStore } from "./memory.js";
import { browser } from "./page.js";

/** @typedef {import("../sync/types.js").Document} Document */
/** @typedef {import("../sync/types.js").StoredEntry} StoredEntry */

/**
 * @typedef {object} Stored
 * @property {string} account
 * @property {string | null} device
 * @property {boolean} forked
 * @property {string | null} cursor
 * @property {number | null} skew
 * @property {Document[]} documents
 * @property {StoredEntry[]} entries
 */

/** @typedef {{more?: string[], told?: string[]}} Dismissals  ids of conflicts; `told`: the server knows */

/**
 * @typedef {object} Store
 * @property {"indexeddb" | "memory"} kind
 * @property {() => Promise<string | null>} last  the account of the last sign-in here
 * @property {(account: string) => Promise<Stored>} load
 * @property {(known: {account: string, device: string, email: string}) => Promise<void>} remember  the last sign-in; what
 *   any other account's replica held is gone with it
 * @property {(email: string) => Promise<string | null>} deviceOf  the device that an earlier sign-in gave
 * @property {(account: string, entries: StoredEntry[]) => Promise<StoredEntry[]>} persist  behind all others, each with the next `seq`; all or
 *   none: rejects when they cannot be kept
 * @property {(account: string, ids: string[]) => Promise<void>} forget  entries of the queue
 * @property {(account: string, from: string, to: string) => Promise<void>} rename
 * @property {(account: string) => Promise<void>} fork  gives the device's id and its count up
 * @property {(account: string, change: {cursor: string, reset: boolean, documents: Document[], skew: number}) =>
 *   Promise<void>} save
 * @property {(account: string, change: Dismissals) => Promise<string[]>} dismissals  of which the server is to be told, after
 *   the change
 * @property {() => Promise<boolean>} reserve  takes room for what is kept later; false: there is none
 * @property {() => Promise<void>} release  gives that room back
 * @property {(account: string) => Promise<void>} clear  the replica, and that it was the last; the queue stays
 */

/**
 * @param {string} name  of the database
 * @param {() => void} [lost]  called once, when the browser's store has failed for good and memory stands in
 * @returns {Store}
 */
export function openStore(name, lost = () => undefined) {
    return new SteadyStore(new IndexedStore(name), lost);
}

/**
 * The database's name for a server: the page's own has the plain one.
 * @param {string} url
 */
export function storeName(url) {
    const here = globalThis.location;
    const { origin, host } = new URL(url, here?.href);
    return origin === here?.origin ? "lockstep" : `lockstep ${host}`;
}

/**
 * Asks the browser not to make room here when a disk is full, nor after a week without a visit. It may refuse. Some ask the
 * user: so it is asked when there is something to lose, and not again once it was granted.
 */
export async function askToStay() {
    try {
        const storage = browser()?.storage;
        if (await storage?.persisted?.() !== true) await storage?.persist?.();
    } catch {
        // Then it may.
    }
}

/**
 * The browser's store for as long as it works, and memory from then on: private windows of some browsers, storage
 * switched off by policy, a profile that cannot be written to, a connection that the system took away. A store that is
 * full works: it says so.
 * @implements {Store}
 */
class SteadyStore {
    /** @type {Store} */
    #store;
    #lost;
    /**
     * What is known of the account whose store this is.
     * @type {Pick<Stored, "account" | "device" | "forked"> | null}
     */
    #known = null;

    /** @param {Store} store @param {() => void} lost */
    constructor(store, lost) {
        this.#store = store;
        this.#lost = lost;
    }

    get kind() {
        return this.#store.kind;
    }

    last = () => this.#ask((store) => store.last());

    /** @param {string} account */
    async load(account) {
        const stored = await this.#ask((store) => store.load(account));
        this.#known = { account, device: stored.device, forked: stored.forked };
        return stored;
    }

    /** @type {Store["remember"]} */
    remember = (known) => {
        this.#known = {
            account: known.account, device: known.device,
            forked: this.#known?.device === known.device && this.#known.forked,
        };
        return this.#ask((store) => store.remember(known));
    };

    /** @type {Store["deviceOf"]} */
    deviceOf = (email) => this.#ask((store) => store.deviceOf(email));
    /** @type {Store["persist"]} */
    persist = (account, entries) => this.#ask((store) => store.persist(account, entries));
    /** @type {Store["forget"]} */
    forget = (account, ids) => this.#ask((store) => store.forget(account, ids));
    /** @type {Store["rename"]} */
    rename = (account, from, to) => this.#ask((store) => store.rename(account, from, to));

    /** @type {Store["fork"]} */
    fork = (account) => {
        if (this.#known?.account === account) this.#known.forked = true;
        return this.#ask((store) => store.fork(account));
    };

    /** @type {Store["save"]} */
    save = (account, change) => this.#ask((store) => store.save(account, change));
    /** @type {Store["dismissals"]} */
    dismissals = (account, change) => this.#ask((store) => store.dismissals(account, change));
    reserve = () => this.#ask((store) => store.reserve());
    release = () => this.#ask((store) => store.release());
    /** @type {Store["clear"]} */
    clear = (account) => this.#ask((store) => store.clear(account));

    /**
     * @template T
     * @param {(store: Store) => Promise<T>} use
     * @returns {Promise<T>}
     */
    async #ask(use) {
        const store = this.#store;
        try {
            return await use(store);
        } catch (error) {
            if (store.kind === "memory" || isFull(error)) throw error;
            if (this.#store === store) {
                console.warn("lockstep: this browser's store has failed; changes are sent, but not kept here", error);
                this.#store = memoryStore(this.#known);
                this.#lost();
            }
            return use(this.#store);
        }
    }
}

/**
 * What a promise brings, or what stands in for it when it takes too long.
 * @template T, U
 * @param {Promise<T>} promise @param {number} milliseconds @param {U} instead
 * @returns {Promise<T | U>}
 */
export function inTime(promise, milliseconds, instead) {
    return new Promise((resolve, reject) => {
        const late = setTimeout(() => resolve(instead), milliseconds);
        promise.then(resolve, reject).finally(() => clearTimeout(late));
    });
}
