// The server's clock, told by a stopwatch: the device's own clock may be days off.

import { features } from "../features/index.js";
import { viewOf } from "./replica.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").StepContext} StepContext */

// A stopwatch of a page runs this much too fast or too slow, at most: in a minute, 30 ms.
const DRIFT = 0.0005;
// A time may be older by the clocks of several server processes. One further back is not old: the server's clock was set.
const SET_MS = 1_000;

/**
 * Learns from a time that the server wrote. It is old by its way to here, never young: so the largest difference seen
 * is the closest, as far as the stopwatch can be trusted since. Only an answer turns the clock back: it is no older than it
 * was waited for, while what was not asked for may have waited for hours in a page that stood still.
 * @param {Pick<StepContext, "state" | "now">} context
 * @param {unknown} time  RFC 3339
 * @param {number} [waited]  milliseconds since it was asked for
 */
export function observe({ state, now }, time, waited = Infinity) {
    const { ahead, aheadAt } = state;
    const seen = Date.parse(String(time)) - now;
    if (!Number.isFinite(seen)) return;
    if (ahead !== null && aheadAt === null && seen < ahead && waited === Infinity) return;
    const trusted = ahead === null || aheadAt === null ? -Infinity : ahead - (now - aheadAt) * DRIFT;
    if (seen < trusted && seen + waited >= trusted - SET_MS) return;
    state.ahead = seen;
    state.aheadAt = now;
}

/**
 * The device's clock went on by so much more than the stopwatch. Forward it has slept, as a first guess: the server's
 * clock went on too. Back somebody set it, and the stopwatch is right. The next time from the server decides.
 * @param {StepContext} context @param {number} milliseconds
 */
export function slept(context, milliseconds) {
    const { state } = context;
    state.aheadAt = null;
    state.aheadTold = null;
    if (state.ahead === null || !(milliseconds > 0)) return;
    state.ahead += milliseconds;
    context.changed();
}

/**
 * Whether something is promised to who does not look, such as the end of a session.
 * @param {State} state @param {number} now  the stopwatch
 */
export function isPromised(state, now) {
    const { read } = viewOf(state);
    const serverNow = state.ahead === null ? null : now + state.ahead;
    return features.some(({ promises }) => promises?.(read, serverNow) === true);
}

/**
 * Whether the user asked to be told of what begins elsewhere while nobody looks here.
 * @param {State} state
 */
export function isListenedFor(state) {
    const { read } = viewOf(state);
    return features.some(({ listens }) => listens?.(read) === true);
}
