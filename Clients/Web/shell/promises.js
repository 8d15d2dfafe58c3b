// Who made a change and waits: first to hear whether it is persisted, and then, maybe days later, what became of it.

/** @typedef {import("../sync/types.js").Result} Result */

export class Promises {
    /** @type {Map<string, (result: Result) => void>} */
    #results = new Map();
    /** @type {Map<string, (persisted: boolean) => void>} */
    #persisted = new Map();

    /**
     * @param {string} id  of a mutation
     * @returns {{result: Promise<Result>, persisted: Promise<boolean>}} persisted: it waits to be sent; false: it was refused here
     */
    of(id) {
        const result = new Promise((/** @type {(result: Result) => void} */ resolve) => this.#results.set(id, resolve));
        const persisted = new Promise((/** @type {(persisted: boolean) => void} */ resolve) => {
            this.#persisted.set(id, resolve);
        });
        return { result, persisted };
    }

    /** @param {string} id @param {boolean} [is] */
    persisted(id, is = true) {
        this.#persisted.get(id)?.(is);
        this.#persisted.delete(id);
    }

    /** @param {Result} result */
    answer(result) {
        this.persisted(result.id, result.problem?.status !== 0);
        this.#results.get(result.id)?.(result);
        this.#results.delete(result.id);
    }

    /** @param {string} from @param {string} to */
    rename(from, to) {
        const waiting = this.#results.get(from);
        if (waiting !== undefined) this.#results.set(to, waiting);
        this.#results.delete(from);
    }
}
