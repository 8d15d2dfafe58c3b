/**
 * Full jitter: any time up to a ceiling that grows with each failure, so that many clients do not return as one.
 * @param {number} ceiling  FIRST_MS at first, then what came back the last time
 * @param {number} random  below 1
 * @param {boolean} watched  whether somebody looks
 * @returns {{pause: number, ceiling: number}}
 */
export function backoff(ceiling: number, random: number, watched: boolean): {
    pause: number;
    ceiling: number;
};
export const FIRST_MS: 500;
