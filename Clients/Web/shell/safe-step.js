// One step of the machine, with what it may not ask for itself: the time, chance, new ids. What comes from outside may make
// no sense to it: another version's tab, or whoever answers in the server's place. Then what stood stands, and a connection
// that says such things has failed.

import { step } from "../sync/machine.js";
import { makeId } from "./ids.js";

/** @typedef {import("../sync/types.js").Effect} Effect */
/** @typedef {import("../sync/types.js").Event} Event */
/** @typedef {import("../sync/types.js").State} State */
/** @typedef {{state: State, effects: Effect[], next: Event[]}} Stepped  `next` happens afterwards */

/**
 * What follows where an event of the outside makes no sense; null: it is none of the outside's.
 * @param {Event} event
 * @returns {Pick<Stepped, "effects" | "next"> | null}
 */
function answerTo(event) {
    switch (event.type) {
    case "heard": return { effects: [], next: [] };
    case "message":
        return {
            effects: [{ type: "hangUp", socket: event.socket }], next: [{ type: "closed", socket: event.socket }],
        };
    case "answered": return { effects: [], next: [{ type: "failed", request: event.request, reason: "unavailable" }] };
    default: return null;
    }
}

/**
 * @param {State} state @param {Event} event
 * @returns {Stepped}
 */
export function safeStep(state, event) {
    try {
        const now = { now: performance.now(), random: Math.random(), fresh: freshFor(event) };
        return { ...step(state, { ...event, ...now }), next: [] };
    } catch (error) {
        const failed = answerTo(event);
        if (failed === null) throw error;
        console.warn("lockstep: what was heard makes no sense", error);
        return { state, ...failed };
    }
}

/**
 * As many new ids as results ask for.
 * @param {Event} event
 */
function freshFor(event) {
    const answer = event.type === "message" ? event.message : event.type === "answered" ? event.answer.body : null;
    const results = answer?.results ?? [];
    return results.filter((/** @type {any} */ it) => it?.problem?.code === "device_forked").map(makeId);
}
