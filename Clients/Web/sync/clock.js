// The server's clock, told by a stopwatch: the device's own clock may be days off.

/** @typedef {import("./types.js").Turn} Turn */

// A stopwatch of a page runs this much too fast or too slow, at most: in a minute, 30 ms.
const DRIFT = 0.0005;
// No answer is waited for that long: a time that far back is not old, the server's clock was set.
const SET_MS = 15_000;

/**
 * Learns from a time that the server wrote. It is old by its way to here, never young: so the largest difference seen
 * is the closest, as far as the stopwatch can be trusted since.
 * @param {Turn} turn
 * @param {unknown} time  RFC 3339
 */
export function observe({ state, now }, time) {
    const seen = Date.parse(String(time)) - now;
    if (!Number.isFinite(seen)) return;
    const trusted = state.ahead === null || state.aheadAt === null
        ? -Infinity : state.ahead - (now - state.aheadAt) * DRIFT;
    if (seen >= trusted || seen < trusted - SET_MS) {
        state.ahead = seen;
        state.aheadAt = now;
    }
}
