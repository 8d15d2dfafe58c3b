// How long to wait before the next attempt.

const FIRST_MS = 500;
const GROWTH = 1.6;
const LONGEST_MS = 20_000;
// While somebody looks at the page. A server that was away for a minute must not find its users waiting 20 s more.
const LONGEST_WATCHED_MS = 4_000;

/** Full jitter: any time up to a ceiling that grows with each failure, so that many clients do not return as one. */
export class Backoff {
    #ceiling = FIRST_MS;

    /**
     * @param {boolean} watched  whether the page is visible
     * @param {number} [atLeast]  what the server asked for, in milliseconds
     * @returns {number} milliseconds until the next attempt
     */
    next(watched, atLeast = 0) {
        const ceiling = Math.min(this.#ceiling, watched ? LONGEST_WATCHED_MS : LONGEST_MS);
        this.#ceiling = Math.min(this.#ceiling * GROWTH, LONGEST_MS);
        return atLeast + Math.random() * ceiling;
    }

    reset() {
        this.#ceiling = FIRST_MS;
    }
}
