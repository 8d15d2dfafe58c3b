// What changes of this user lost: fetched when the server is reached, and dismissed there.

/** @typedef {import("../sync/types.js").Conflict} Conflict */

// The newest of them, and no more: what is dismissed makes room for the next.
const PAGE = 100;
const MOST_PAGES = 2;
const PATIENCE_MS = 10_000;
// A value's past is worth a short wait.
const HISTORY_MS = 3_000;
// The server keeps no more of it.
const LONGEST_HISTORY = 20;

/**
 * @typedef {object} Around
 * @property {(method: string, path: string, patience: number) => Promise<{ok: boolean, status: number, body: any}>} call  asks the
 *   server; rejects where no answer came, or none in so many milliseconds
 * @property {() => ReadonlyArray<Conflict>} known
 * @property {(conflicts: Conflict[]) => void} changed  the list is another
 * @property {(change: import("./store.js").Dismissals) => Promise<string[]>} dismissals  what the store has of them, after
 *   the change
 */

export class Conflicts {
    #around;
    /**
     * Dismissed here, whether or not the server knows.
     * @type {Set<string>}
     */
    #dismissed = new Set();
    /**
     * Not shown while they are being taken back on this page.
     * @type {Set<string>}
     */
    #hidden = new Set();
    #fetching = false;
    #fetchAgain = false;
    /** @type {ReadonlyArray<Conflict>} */
    #shown = [];

    /** @param {Around} around */
    constructor(around) {
        this.#around = around;
    }

    /**
     * @param {ReadonlyArray<import("../sync/types.js").Entry>} waiting  one that takes a conflict back stands for it
     * @returns {ReadonlyArray<Conflict>} the same array while it says the same
     */
    shown(waiting) {
        const taken = new Set(waiting.map((entry) => entry.hint?.takesBack));
        const now = this.#left(this.#around.known()).filter((it) => !this.#hidden.has(it.id) && !taken.has(it.id));
        const same = now.length === this.#shown.length && now.every((it, at) => it === this.#shown[at]);
        if (!same) this.#shown = now;
        return this.#shown;
    }

    /** @param {string} id */
    async dismiss(id) {
        this.#dismissed.add(id);
        this.#around.changed(this.#left(this.#around.known()));
        // The page may be left, or the network be gone, before the server was told.
        await this.#around.dismissals({ more: [id] });
        await this.fetch();
    }

    /** @param {string} id @param {boolean} hidden */
    hide(id, hidden) {
        if (hidden) this.#hidden.add(id);
        else this.#hidden.delete(id);
        this.#around.changed([...this.#around.known()]);
    }

    /** Says what was dismissed, and asks for what is left. Offline it is left for the next time. */
    async fetch() {
        // One that is on its way may have been answered before what is asked about.
        this.#fetchAgain = true;
        if (this.#fetching) return;
        this.#fetching = true;
        try {
            while (this.#fetchAgain) {
                this.#fetchAgain = false;
                await this.#sayDismissed();
                const conflicts = await this.#list();
                if (conflicts !== null) this.#around.changed(this.#left(conflicts));
            }
        } catch {
            // The next time that the server is reached.
        } finally {
            this.#fetching = false;
        }
    }

    /**
     * The values that somebody may have seen before one of their changes lost; empty where that is not known.
     * @param {string} address  where the server says them
     * @param {string} at  when it lost
     * @returns {Promise<any[]>}
     */
    async history(address, at) {
        try {
            const { body } = await this.#around.call("GET", address, HISTORY_MS);
            /** @type {Array<{value: any, replaced_at: string}>} */
            const history = body?.history;
            if (!Array.isArray(history)) return [];
            // What they saw had been written over by then.
            const seen = history.filter((it) => Date.parse(it.replaced_at) <= Date.parse(at)).map((it) => it.value);
            return history.length < LONGEST_HISTORY ? [...seen, {}] : seen;
        } catch {
            return [];
        }
    }

    async #sayDismissed() {
        for (const id of await this.#around.dismissals({})) this.#dismissed.add(id);
        for (const id of this.#dismissed) {
            const { ok, status } = await this.#around.call(
                "DELETE", `/api/sync/conflicts/${encodeURIComponent(id)}`, PATIENCE_MS);
            if (!ok && status !== 404) continue;
            this.#dismissed.delete(id);
            await this.#around.dismissals({ told: [id] });
        }
    }

    /** @returns {Promise<Conflict[] | null>} */
    async #list() {
        /** @type {Map<string, Conflict>} */
        const found = new Map();
        /** @type {string | null} */
        let before = null;
        for (let page = 0; page < MOST_PAGES; page += 1) {
            /** @type {string} */
            const query = before === null ? "" : `&before=${encodeURIComponent(before)}`;
            const { ok, body } = await this.#around.call("GET", `/api/sync/conflicts?limit=${PAGE}${query}`, PATIENCE_MS);
            if (!ok) return null;
            /** @type {{conflicts: Conflict[], next?: string | null}} */
            const { conflicts, next } = body;
            for (const it of Array.isArray(conflicts) ? conflicts : []) found.set(it.id, it);
            // A server that knows no pages says all at once, and no `next`.
            if (typeof next !== "string" || next === before) break;
            before = next;
        }
        return [...found.values()];
    }

    /** @param {ReadonlyArray<Conflict>} conflicts */
    #left(conflicts) {
        return conflicts.filter((it) => !this.#dismissed.has(it.id));
    }
}
