// A page in sight that has no socket lets the server hold its question until something changes, and so hears within a
// second. What stands between may cut such a question, answer it itself or not let it wait: then it is asked for less,
// and in the end not at all. Pure.

import { sendable } from "./replica.js";

/** @typedef {import("./types.js").Link} Link */
/** @typedef {import("./types.js").State} State */

/** Seconds, as the contract says. */
export const LONGEST_S = 25;
const SHORTEST_S = 2;
// So many cuts of the shortest in a row, and questions are not held.
const CUTS = 3;
// So many plain polls later it is tried again.
const RESTS = 10;
// Where changes come in a row: four questions a second are enough to hear within one.
const GAP_MS = 250;
// An empty answer may be this much too early: a clock of its own held it.
const EARLY_MS = 1_000;

/**
 * Whether the next question may be held. The first one after anything went wrong may not: its answer is to come at once.
 * @param {State} state
 */
export function mayHold(state) {
    const { link } = state;
    return link.holds && link.holdFor > 0 && link.visible && link.reachable && link.cutAfter === 0 && link.misfits === 0
        && state.fresh && state.cursor !== null && sendable(state).length === 0;
}

/**
 * A held question was cut, or answered by somebody who is not the server. Whether it was the holding, the next plain one
 * tells.
 * @param {Link} link @param {number} now
 */
export function cut(link, now) {
    link.cutAfter = Math.max(1, now - link.askedAt);
}

/**
 * A plain question was answered.
 * @param {Link} link
 */
export function answeredPlainly(link) {
    if (link.cutAfter > 0) {
        const seconds = link.cutAfter / 1000;
        // One that was not even answered in time was swallowed: how much less would pass is not known.
        const next = Math.floor(seconds > link.holdFor ? link.holdFor / 3 : Math.min(link.holdFor - 1, seconds * 0.8));
        link.cuts = next <= SHORTEST_S ? link.cuts + 1 : 0;
        link.holdFor = link.cuts >= CUTS ? 0 : Math.max(SHORTEST_S, next);
        link.cutAfter = 0;
        link.rests = 0;
    } else if (link.holdFor === 0) {
        link.rests += 1;
        if (link.rests >= RESTS) link.holdFor = SHORTEST_S;
    }
}

/**
 * A held question was answered by the server.
 * @param {Link} link @param {number} now @param {boolean} empty  nothing had changed
 * @param {number} pollAfter  what the server says to who does not let it hold questions
 * @param {number} random
 * @returns {number} milliseconds until the next one
 */
export function answeredHeld(link, now, empty, pollAfter, random) {
    const took = now - link.askedAt;
    if (empty && took < link.holdFor * 1000 - EARLY_MS) {
        // Somebody does not let it wait.
        link.early += 1;
        return Math.min(pollAfter, 1_000 * 2 ** Math.min(link.early, 10));
    }
    link.early = 0;
    link.cuts = 0;
    if (empty) link.holdFor = Math.min(LONGEST_S, link.holdFor + 1);
    return empty ? Math.round(random * GAP_MS) : Math.max(1, GAP_MS - took);
}
