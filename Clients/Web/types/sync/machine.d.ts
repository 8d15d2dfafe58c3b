/** @typedef {import("./types.js").Effect} Effect */
/** @typedef {import("./types.js").Event} Event */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Turn} Turn */
/** @returns {State} */
export function initial(): State;
/**
 * @param {State} before  stays as it is
 * @param {Event} event
 * @returns {{state: State, effects: Effect[]}}
 */
export function step(before: State, event: Event): {
    state: State;
    effects: Effect[];
};
export type Effect = import("./types.js").Effect;
export type Event = import("./types.js").Event;
export type State = import("./types.js").State;
export type Turn = import("./types.js").Turn;
