// Whether the browser's store has room for a change: where it has, a change shows at once; where it may not, only once it is
// kept.

// The browser's own figures are padded, and its bookkeeping takes some.
const SPARE_BYTES = 1024 * 1024;
// Measured anew after so many bytes, or so long.
const STALE_BYTES = 128 * 1024;
const STALE_MS = 30_000;

export class Room {
    /** Where the browser does not say, the store is trusted until it refuses. */
    #left = Infinity;
    #usedSince = 0;
    #measuredAt = -Infinity;
    #measuring = false;

    get enough() {
        if (performance.now() - this.#measuredAt > STALE_MS) this.measure();
        return this.#left - this.#usedSince > SPARE_BYTES;
    }

    /** @param {number} bytes */
    used(bytes) {
        this.#usedSince += bytes;
        if (this.#usedSince > STALE_BYTES) this.measure();
    }

    /** The store has refused a write. */
    refused() {
        this.#left = 0;
        this.#measuredAt = performance.now();
    }

    async measure() {
        if (this.#measuring || navigator.storage?.estimate === undefined) return;
        this.#measuring = true;
        this.#measuredAt = performance.now();
        try {
            const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
            this.#left = quota - usage;
            this.#usedSince = 0;
        } catch {
            // Not said: what was believed stands.
        } finally {
            this.#measuring = false;
        }
    }
}
