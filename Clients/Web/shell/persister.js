// Brings what the user did into the store before it is sent: all that has gathered in one write, and one write after
// the other, so that the order holds. Where there is a connection the store is not waited for for long, nor obeyed when
// it is full: the change is kept in memory then, and sent.

import { isFull } from "./indexed.js";
import { inTime } from "./store.js";

/**
 * With the account whose change it is, which another may follow meanwhile.
 * @typedef {import("../sync/types.js").PersistEffect & {account: string}} Persisting
 */
/** @typedef {import("../sync/types.js").StoredEntry} StoredEntry */
/** @typedef {import("./room.js").Room} Room */
/** @typedef {import("./store.js").Store} Store */

const PATIENCE_MS = 1_500;

/**
 * @typedef {object} Around
 * @property {Store} store
 * @property {Room} room
 * @property {() => boolean} online  whether what is kept in memory alone would be sent soon
 * @property {(effect: Persisting, entry: StoredEntry) => void} persisted
 * @property {(effect: Persisting) => void} notPersisted  there is no room for it
 * @property {() => void} changed  `full` is another
 */

export class Persister {
    /** Whether the store had no room for the last change. */
    full = false;
    #around;
    /**
     * What is on its way into the store.
     * @type {Persisting[]}
     */
    #waiting = [];
    /** The place of the last entry: one without a place of its own stands behind it. */
    #place = 0;
    /**
     * What is in memory alone, for certain: the browser's store never got it.
     * @type {Set<string>}
     */
    #fleeting = new Set();

    /** @param {Around} around */
    constructor(around) {
        this.#around = around;
    }

    /** @param {Persisting} effect */
    async persist(effect) {
        this.#waiting.push(effect);
        if (this.#waiting.length > 1) return;
        while (this.#waiting.length > 0) {
            const other = this.#waiting.findIndex((it) => it.account !== this.#waiting[0]?.account);
            const batch = this.#waiting.slice(0, other < 0 ? undefined : other);
            const outcomes = await this.#persistAll(batch);
            for (const { effect, entry } of outcomes) {
                if (entry === null) this.#around.notPersisted(effect);
                else this.#around.persisted(effect, entry);
            }
            this.#waiting.splice(0, batch.length);
        }
    }

    /**
     * Whether a change is lost with the page, for certain.
     * @param {string} id
     */
    inMemoryOnly(id) {
        return this.#fleeting.has(id);
    }

    /** @param {string[]} ids  answered */
    forget(ids) {
        for (const id of ids) this.#fleeting.delete(id);
    }

    /**
     * @param {Persisting[]} batch
     * @returns {Promise<Array<{effect: Persisting, entry: StoredEntry | null}>>} null: it is not kept
     */
    async #persistAll(batch) {
        this.#around.room.used(JSON.stringify(batch).length);
        const [{ account }] = batch;
        const whole = await this.#persist(account, batch.map((effect) => effect.entry));
        if (whole !== null) {
            this.#isFull(false);
            return batch.map((effect, at) => ({ effect, entry: whole[at] }));
        }
        await this.#around.room.makeRoom();
        const outcomes = [];
        for (const effect of batch) {
            const [entry] = await this.#persist(account, [effect.entry]) ?? [null];
            this.#isFull(entry === null);
            const online = this.#around.online();
            if (entry === null && online) this.#fleeting.add(effect.entry.mutation.id);
            outcomes.push({ effect, entry: entry ?? (online ? this.#withPlace(effect.entry) : null) });
        }
        return outcomes;
    }

    /**
     * @param {string} account @param {StoredEntry[]} entries
     * @returns {Promise<StoredEntry[] | null>} null: there is no room
     */
    async #persist(account, entries) {
        const { store, online } = this.#around;
        const fleeting = () => entries.forEach((it) => this.#fleeting.add(it.mutation.id));
        if (store.kind === "memory") fleeting();
        const persisting = store.persist(account, entries).catch((error) => {
            if (isFull(error)) return null;
            fleeting();
            return undefined;
        });
        // What arrives in the store later than that is known by its id, if it is sent once more.
        const stored = await (online() ? inTime(persisting, PATIENCE_MS, undefined) : persisting);
        if (stored === undefined) return entries.map((it) => this.#withPlace(it));
        if (stored !== null) this.#place = stored.at(-1)?.place ?? this.#place;
        return stored;
    }

    /**
     * @param {StoredEntry} entry
     * @returns {StoredEntry} behind the last one of the store
     */
    #withPlace(entry) {
        return { ...entry, place: this.#place };
    }

    /** @param {boolean} now */
    #isFull(now) {
        if (this.full === now) return;
        this.full = now;
        this.#around.changed();
    }
}
