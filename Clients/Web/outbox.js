// The changes made here that the server has not answered yet, in the order in which they were made. In memory: what
// survives a reload will stand behind these same verbs.

/**
 * @typedef {object} Mutation
 * @property {string} id  a UUID made here; the same id is applied once, however often it is sent
 * @property {string} name  for example "settings.set"
 * @property {Record<string, unknown>} args
 * @property {number} [base_version]  the version of the document as the user saw it; 0: it was absent
 */

/**
 * @typedef {object} Result
 * @property {string} id
 * @property {"applied" | "conflict" | "rejected"} status
 * @property {number} [version]
 * @property {import("./replica.js").Document} [document]  what stands, at a conflict
 * @property {import("./account.js").Problem} [problem]  why, at a rejection
 * @property {unknown} [output]
 * @property {boolean} [replayed]
 */

const encoder = new TextEncoder();

export class Outbox {
    /** @type {Array<{mutation: Mutation, bytes: number}>} */
    #queue = [];

    get size() {
        return this.#queue.length;
    }

    /**
     * @param {Mutation} mutation
     * @throws {RangeError} when no message could carry it
     */
    add(mutation) {
        const bytes = encoder.encode(JSON.stringify(mutation)).length;
        if (bytes > Outbox.largestMutation) throw new RangeError(`a change of ${bytes} bytes cannot be sent`);
        this.#queue.push({ mutation, bytes });
    }

    /**
     * The first of the queue that fit into one message. They stay in the queue until their results are there.
     * @param {{bytes: number, count: number}} limit  bytes of the JSON of all of them, commas included
     * @returns {Mutation[]} empty only when the queue is
     */
    first(limit) {
        let bytes = 0;
        let count = 0;
        for (const entry of this.#queue) {
            bytes += entry.bytes + 1;
            if (count > 0 && (bytes > limit.bytes || count >= limit.count)) break;
            count += 1;
        }
        return this.#queue.slice(0, count).map((entry) => entry.mutation);
    }

    /**
     * Takes out what has its result.
     * @param {Iterable<string>} ids
     */
    remove(ids) {
        const done = new Set(ids);
        this.#queue = this.#queue.filter((entry) => !done.has(entry.mutation.id));
    }

    // Below the 64 KiB of a message, with room for what stands around it.
    static largestMutation = 60 * 1024;
}

/** A version 4 UUID. `crypto.randomUUID` is missing on plain-HTTP addresses other than localhost. */
export function makeId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
