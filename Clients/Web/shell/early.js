// Changes that were made before it was known whose they are. They go into that user's queue once that is known;
// where nobody can be asked they are given back before long, for a reload would lose them.

/** @typedef {import("../sync/types.js").Of<import("../sync/types.js").Happening, "mutate">} Change */

// While the server cannot be reached, so long is waited to learn whose a change is.
const WAIT_MS = 5_000;

export class Early {
    /**
     * Null once it is known.
     * @type {Array<Change & {since: number}> | null}
     */
    #events = [];
    #giveBack;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #timer;

    /** @param {(id: string) => void} giveBack */
    constructor(giveBack) {
        this.#giveBack = giveBack;
    }

    get count() {
        return this.#events?.length ?? 0;
    }

    /**
     * @param {Change} event
     * @returns {boolean} false: it is known whose it is
     */
    defer(event) {
        this.#events?.push({ ...event, since: performance.now() });
        return this.#events !== null;
    }

    /** @returns {Change[]} all, and none is taken any more */
    end() {
        const events = this.#events ?? [];
        this.#events = null;
        clearTimeout(this.#timer);
        return events;
    }

    /** @param {boolean} offline  whether nobody can be asked */
    judge(offline) {
        clearTimeout(this.#timer);
        if (this.#events === null || this.#events.length === 0 || !offline) return;
        const now = performance.now();
        const late = this.#events.filter((it) => now - it.since >= WAIT_MS);
        this.#events = this.#events.filter((it) => !late.includes(it));
        for (const { id } of late) this.#giveBack(id);
        const [next] = this.#events;
        if (next !== undefined) this.#timer = setTimeout(() => this.judge(offline), next.since + WAIT_MS - now);
    }
}
