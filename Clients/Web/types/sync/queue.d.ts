/**
 * The user made a change. It shows at once, and is sent when the store has it. Where the store may be full, it shows
 * only then too.
 * @param {Turn} turn
 * @param {{id: string, name: string, args: Record<string, any>, made: number, hint?: any, room?: boolean}} event
 */
export function mutate(turn: Turn, { id, name, args, made, hint, room }: {
    id: string;
    name: string;
    args: Record<string, any>;
    made: number;
    hint?: any;
    room?: boolean;
}): void;
/**
 * The store has it, with its number.
 * @param {Turn} turn
 * @param {Kept} kept
 * @param {number} at  the stopwatch when it was made
 */
export function kept(turn: Turn, kept: Kept, at: number): void;
/**
 * The store will not have it: it is undone, and said.
 * @param {Turn} turn
 * @param {string} id
 * @param {keyof typeof DETAILS} code
 */
export function notKept(turn: Turn, id: string, code: keyof typeof DETAILS): void;
/**
 * Nothing of it was shown, nothing of it is left.
 * @param {Turn} turn @param {string} id @param {keyof typeof DETAILS} code
 */
export function refuse(turn: Turn, id: string, code: keyof typeof DETAILS): void;
/**
 * An entry as it is held here.
 * @param {Kept} kept
 * @param {number | null} at  the stopwatch when it was made
 * @param {boolean} own
 * @returns {Entry}
 */
export function entryOf(kept: Kept, at: number | null, own: boolean): Entry;
/**
 * The entry is in the store; the user sees it now. An entry that is here already stays as it is.
 * @param {Turn} turn @param {Entry} entry
 */
export function enqueue(turn: Turn, entry: Entry): void;
/**
 * A change from the server, applied where it fits, kept in the store and told to the other tabs.
 * @param {Turn} turn @param {import("./types.js").Change} change
 * @returns {boolean}
 */
export function take(turn: Turn, change: import("./types.js").Change): boolean;
/**
 * The server's final words. They may be about the first few of what was sent; the rest is sent again.
 * @param {Turn} turn
 * @param {Result[]} results
 * @param {boolean} pulled
 * @param {string[]} [fresh]  ids that nothing has yet
 */
export function settled(turn: Turn, results: Result[], pulled: boolean, fresh?: string[] | undefined): void;
/**
 * @param {Turn} turn @param {string} from @param {string} to
 */
export function renew(turn: Turn, from: string, to: string): void;
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Kept} Kept */
/** @typedef {import("./types.js").Mutation} Mutation */
/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Turn} Turn */
export const LARGEST_BYTES: number;
export const MOST_ENTRIES: 5000;
export const MOST_BYTES: number;
export type Entry = import("./types.js").Entry;
export type Kept = import("./types.js").Kept;
export type Mutation = import("./types.js").Mutation;
export type Result = import("./types.js").Result;
export type State = import("./types.js").State;
export type Turn = import("./types.js").Turn;
declare namespace DETAILS {
    const payload_too_large: string;
    const queue_full: string;
    const storage_full: string;
}
export {};
