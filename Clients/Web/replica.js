// What this device holds: the server's documents as of one cursor, and over them the changes made here that the server
// has not confirmed yet.

/**
 * @typedef {object} Document
 * @property {string} collection
 * @property {string} id
 * @property {unknown} value  null: deleted
 * @property {number} version
 */

/**
 * A pull's answer or a frame.
 * @typedef {object} Change
 * @property {string | null} previous  the cursor it starts from
 * @property {string} cursor  the cursor after it
 * @property {boolean} reset  it holds everything there is, and replaces everything
 * @property {Document[]} documents
 * @property {string[]} [mutation_ids]  whose effects it carries, where known
 * @property {string} [server_time]
 */

/**
 * A value as it will be once a mutation is applied.
 * @typedef {{collection: string, id: string, value: unknown}} Effect
 */

export class Replica {
    /** @type {Map<string, Document>} */
    #documents = new Map();
    /** Optimistic copies by mutation id, in the order in which they were made. @type {Map<string, Effect[]>} */
    #proposed = new Map();
    /** Mutations that have their result, while what they did has yet to be pulled. @type {Set<string>} */
    #settled = new Set();
    #inStep = true;

    /** Where it stands; null before the first pull. @type {string | null} */
    cursor = null;

    /**
     * The value that the user sees: the latest optimistic copy, else the server's. The same object while nothing
     * changed.
     * @param {string} collection
     * @param {string} id
     * @returns {unknown} undefined where there is none
     */
    read(collection, id) {
        const effects = [...this.#proposed.values()].flat();
        const proposed = effects.findLast((it) => it.collection === collection && it.id === id);
        const value = proposed === undefined ? this.#documents.get(keyOf(collection, id))?.value : proposed.value;
        return value ?? undefined;
    }

    /**
     * The version of the server's document, a deleted one's too; 0 where there is none.
     * @param {string} collection
     * @param {string} id
     */
    version(collection, id) {
        return this.#documents.get(keyOf(collection, id))?.version ?? 0;
    }

    /** @type {Map<string, ReadonlyArray<{id: string, value: any, version: number}>>} */
    #lists = new Map();

    /**
     * @param {string} collection
     * @returns {ReadonlyArray<{id: string, value: any, version: number}>} by id; the same array while nothing changed
     */
    list(collection) {
        const ids = new Set([...this.#documents.values(), ...[...this.#proposed.values()].flat()]
            .filter((it) => it.collection === collection).map((it) => it.id));
        const now = [...ids].sort().flatMap((id) => {
            const value = this.read(collection, id);
            return value === undefined ? [] : [{ id, value, version: this.version(collection, id) }];
        });
        const before = this.#lists.get(collection);
        const same = before?.length === now.length
            && before.every((it, at) => it.id === now[at].id && it.value === now[at].value
                && it.version === now[at].version);
        if (before !== undefined && same) return before;
        this.#lists.set(collection, now);
        return now;
    }

    /** The highest version among the user's own documents. */
    latest() {
        let highest = 0;
        for (const it of this.#documents.values()) {
            if (it.collection !== "items" && it.collection !== "flags") highest = Math.max(highest, it.version);
        }
        return highest;
    }

    /**
     * Applies a change where it fits: at its `previous`, or anywhere when it holds everything.
     * @param {Change} change
     * @returns {boolean} false: this replica stands elsewhere and has to pull from its own cursor
     */
    apply(change) {
        if (!change.reset && change.previous !== this.cursor) {
            this.#inStep = false;
            return false;
        }
        if (change.reset) this.#documents.clear();
        for (const document of change.documents) {
            this.#documents.set(keyOf(document.collection, document.id), document);
        }
        this.cursor = change.cursor;
        this.#inStep = true;
        // In the same stroke, so that nothing flickers between the optimistic value and the confirmed one.
        for (const id of [...(change.mutation_ids ?? []), ...this.#settled]) this.#proposed.delete(id);
        this.#settled.clear();
        return true;
    }

    /**
     * Shows a mutation's effects before the server has confirmed them.
     * @param {string} mutation  its id
     * @param {Effect[]} effects
     */
    propose(mutation, effects) {
        if (effects.length > 0) this.#proposed.set(mutation, effects);
    }

    /**
     * These mutations have their results. What they did is in the replica already when it is in step; otherwise their
     * optimistic copies stay until the next pull is applied.
     * @param {string[]} mutations  their ids
     * @param {boolean} pulled  whether the change that came with the results has been applied
     */
    settle(mutations, pulled) {
        for (const id of mutations) this.#settled.add(id);
        if (!pulled || !this.#inStep) return;
        for (const id of this.#settled) this.#proposed.delete(id);
        this.#settled.clear();
    }
}

/** @param {string} collection @param {string} id */
function keyOf(collection, id) {
    return `${collection}\n${id}`;
}
