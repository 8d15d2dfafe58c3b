/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Change} Change */
/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./types.js").Turn} Turn */
/** @param {string} collection @param {string} id */
export function keyOf(collection: string, id: string): string;
/**
 * The value that the user sees; undefined where there is none.
 * @param {State} state @param {string} collection @param {string} id
 */
export function read(state: State, collection: string, id: string): any;
/**
 * The version of the server's document, a deleted one's too; 0 where there is none.
 * @param {State} state @param {string} collection @param {string} id
 */
export function versionOf(state: State, collection: string, id: string): number;
/**
 * What the server has not answered.
 * @param {State} state
 */
export function waiting(state: State): import("./types.js").Entry[];
/**
 * What may be sent: that, as far as the store has it.
 * @param {State} state
 */
export function sendable(state: State): import("./types.js").Entry[];
/**
 * Applies a change where it fits: at its `previous`, or anywhere when it holds everything.
 * @param {Turn} turn @param {Change} change
 * @returns {boolean} false: this replica stands elsewhere and has to pull from its own cursor
 */
export function apply(turn: Turn, change: Change): boolean;
/**
 * Results are final. What a mutation did is in the replica already when it is in step; otherwise what it shows stays
 * until the next change is applied. A rejected one has done nothing.
 * @param {Turn} turn
 * @param {Result[]} results
 * @param {boolean} pulled  whether the change that came with the results has been applied
 */
export function settle(turn: Turn, results: Result[], pulled: boolean): void;
/**
 * Computes anew what the entries show, each over those before it. One that the server may have keeps what it showed:
 * the documents may already hold what it did.
 * @param {Turn} turn
 */
export function show({ state }: Turn): void;
/**
 * One more entry, behind all others.
 * @param {Turn} turn @param {Entry} entry
 */
export function add({ state }: Turn, entry: Entry): void;
/**
 * Whether two JSON values say the same.
 * @param {any} one @param {any} other
 * @returns {boolean}
 */
export function alike(one: any, other: any): boolean;
export type State = import("./types.js").State;
export type Entry = import("./types.js").Entry;
export type Change = import("./types.js").Change;
export type Result = import("./types.js").Result;
export type Turn = import("./types.js").Turn;
