/**
 * Learns from a time that the server wrote. It is old by its way to here, never young: so the largest difference seen
 * is the closest, as far as the stopwatch can be trusted since.
 * @param {Turn} turn
 * @param {unknown} time  RFC 3339
 */
export function observe({ state, now }: Turn, time: unknown): void;
export type Turn = import("./types.js").Turn;
