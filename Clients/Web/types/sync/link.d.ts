/** @returns {Link} */
export function newLink(): Link;
/**
 * This tab has the network from now on.
 * @param {Turn} turn
 */
export function begin(turn: Turn): void;
/**
 * It has it no longer.
 * @param {Turn} turn
 */
export function end(turn: Turn): void;
/**
 * Something waits to be sent.
 * @param {Turn} turn
 */
export function push(turn: Turn): void;
/**
 * The page came to the foreground, or the network did: whatever was believed about the connection is old.
 * @param {Turn} turn
 */
export function wake(turn: Turn): void;
/** @param {Turn} turn */
export function hide(turn: Turn): void;
/**
 * The browser says that there is no network.
 * @param {Turn} turn
 */
export function unplug(turn: Turn): void;
/** @param {Turn} turn @param {TimerName} name */
export function rung(turn: Turn, name: TimerName): void;
/**
 * @param {Turn} turn
 * @param {any} message
 * @param {string[]} fresh  ids that nothing has yet
 */
export function receive(turn: Turn, message: any, fresh: string[]): void;
/**
 * The socket failed, was refused or went silent: polling stands in, and another one is tried.
 * @param {Turn} turn
 */
export function lose(turn: Turn): void;
/**
 * @param {Turn} turn
 * @param {import("./types.js").Answer} answer
 * @param {string[]} fresh  ids that nothing has yet
 */
export function answered(turn: Turn, { status, pollAfter, retryAfter, serverTime, body }: import("./types.js").Answer, fresh: string[]): void;
/**
 * Nothing came, or not all of it.
 * @param {Turn} turn
 */
export function failed(turn: Turn): void;
/**
 * Who is signed in is known, and what belongs to him is loaded.
 * @param {Turn} turn
 */
export function proceed(turn: Turn): void;
export type Link = import("./types.js").Link;
export type Mutation = import("./types.js").Mutation;
export type Problem = import("./types.js").Problem;
export type TimerName = import("./types.js").TimerName;
export type Turn = import("./types.js").Turn;
