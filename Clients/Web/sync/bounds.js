// Numbers from outside. Whatever they say, a timer made of them rings neither at once, again and again, nor never.

// What is waited for at most because a server asked for it. Whoever looks at the page or changes something tries sooner.
const RETRY_MOST_MS = 5 * 60_000;
const POLL_MS = 30_000;
const POLL_LEAST_MS = 1_000;
const POLL_MOST_MS = 3_600_000;
const HEARTBEAT_MS = 25_000;
const HEARTBEAT_LEAST_MS = 5_000;
// The server hangs up after a minute of silence.
const HEARTBEAT_MOST_MS = 55_000;

/**
 * A number as it was meant: no number at all is `otherwise`; what is out of bounds, 1e400 too, is the bound.
 * @param {unknown} value @param {number} least @param {number} most @param {number} otherwise
 */
export function bounded(value, least, most, otherwise) {
    if (typeof value !== "number" || Number.isNaN(value)) return otherwise;
    return Math.min(Math.max(value, least), most);
}

/** @param {unknown} milliseconds  as `poll_after_ms` */
export function pollAfterOf(milliseconds) {
    return bounded(milliseconds, POLL_LEAST_MS, POLL_MOST_MS, POLL_MS);
}

/** @param {unknown} seconds  as `Retry-After`; in milliseconds */
export function retryAfterOf(seconds) {
    return bounded(seconds, 0, RETRY_MOST_MS / 1000, 0) * 1000;
}

/** @param {unknown} seconds  as `heartbeat_seconds`; in milliseconds */
export function heartbeatOf(seconds) {
    return bounded(seconds, HEARTBEAT_LEAST_MS / 1000, HEARTBEAT_MOST_MS / 1000, HEARTBEAT_MS / 1000) * 1000;
}
