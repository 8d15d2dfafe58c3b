// What the store holds of an account, as the machine hears of it. A store that takes long holds up nobody who is online: the
// machine goes on with nothing, and hears what the store brings when it comes.

import { inTime } from "./store.js";

/** @typedef {import("../sync/types.js").Event} Event */
/** @typedef {import("../sync/types.js").State} State */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Stored} Stored */

const PATIENCE_MS = 1_500;

export class Loading {
    #store;
    #state;
    #happen;
    /** Whether the store's first word is late: then it is not waited for again. */
    #late = false;

    /** @param {Store} store @param {() => State} state @param {(event: Event) => void} happen */
    constructor(store, state, happen) {
        this.#store = store;
        this.#state = state;
        this.#happen = happen;
    }

    /** Whoever signed in here last, unless somebody is identified meanwhile. */
    async begin() {
        const loading = this.#last();
        this.#late = await inTime(loading.then(() => false), PATIENCE_MS, true);
        void loading.then(() => (this.#late = false));
    }

    /**
     * @param {string} account @param {boolean} known
     * @param {() => boolean} [still]  whether that account is still the one
     */
    async load(account, known, still = () => true) {
        const loading = this.#store.load(account).catch(() => null);
        const stored = await inTime(loading, this.#late ? 0 : PATIENCE_MS, undefined);
        if (!still()) return;
        this.#loaded(stored ?? nothingOf(account), known);
        if (stored !== undefined) return;
        void loading.then((late) => {
            if (late !== null && this.#state().account === account) this.#loaded(late, false);
        });
    }

    async #last() {
        const account = await this.#store.last().catch(() => null);
        const still = () => [null, account].includes(this.#state().account);
        if (account !== null && still()) await this.load(account, false, still);
    }

    /** @param {Stored} stored @param {boolean} known */
    #loaded(stored, known) {
        const ahead = stored.skew === null ? null : Date.now() + stored.skew - performance.now();
        this.#happen({ type: "loaded", ...stored, ahead, known });
    }
}

/**
 * @param {string} account
 * @returns {Stored}
 */
function nothingOf(account) {
    return { account, device: null, forked: false, cursor: null, skew: null, documents: [], entries: [] };
}
