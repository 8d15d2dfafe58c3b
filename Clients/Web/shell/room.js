// Whether the browser's store has room for a change: where it has, a change shows at once; where it may not, only once
// it is kept. What browsers say about it is a round figure, so a reserve is written: while it stands there is room, and
// when a write fails it makes some.

/** @typedef {import("./store.js").Store} Store */

// Written anew after so many bytes of other things, or when a change is made after so long.
const STALE_BYTES = 128 * 1024;
const STALE_MS = 60_000;

export class Room {
    #store;
    #reserved = false;
    #usedSince = 0;
    #reservedAt = -Infinity;
    #busy = false;

    /** @param {Store} store */
    constructor(store) {
        this.#store = store;
        void this.#reserve();
    }

    /** Whether the next change is sure to be kept. */
    get enough() {
        if (this.#usedSince > STALE_BYTES || performance.now() - this.#reservedAt > STALE_MS) void this.#reserve();
        return this.#reserved;
    }

    /** @param {number} bytes  written since */
    used(bytes) {
        this.#usedSince += bytes;
    }

    /** A write failed: what the reserve held is free for a second attempt. */
    async makeRoom() {
        this.#reserved = false;
        this.#reservedAt = performance.now();
        await this.#store.release().catch(() => undefined);
    }

    async #reserve() {
        if (this.#busy) return;
        this.#busy = true;
        this.#reserved = await this.#store.reserve().catch(() => false);
        this.#reservedAt = performance.now();
        this.#usedSince = 0;
        this.#busy = false;
    }
}
