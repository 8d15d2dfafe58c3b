// How long to wait before the next attempt.

export const FIRST_MS = 500;
const GROWTH = 1.6;
const LONGEST_MS = 20_000;
// While somebody looks at the page. A server that was away for a minute must not find its users waiting 20 s more.
const LONGEST_WATCHED_MS = 4_000;

/**
 * Full jitter: any time up to a ceiling that grows with each failure, so that many clients do not return as one.
 * @param {number} ceiling  FIRST_MS at first, then what came back the last time
 * @param {number} random  below 1
 * @param {boolean} watched  whether somebody looks
 * @returns {{pause: number, ceiling: number}}
 */
export function backoff(ceiling, random, watched) {
    const now = Math.min(ceiling, watched ? LONGEST_WATCHED_MS : LONGEST_MS);
    return { pause: Math.round(random * now), ceiling: Math.min(ceiling * GROWTH, LONGEST_MS) };
}
