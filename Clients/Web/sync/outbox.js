// What of the queue goes into one message, and what becomes of a message that is refused as a whole or never answered. Pure.

import { acknowledgeResults } from "./queue.js";
import { sendable } from "./replica.js";
import { after } from "./timers.js";

/** @typedef {import("./types.js").Mutation} Mutation */
/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {import("./types.js").StepContext} StepContext */

// Longer than any push may take: whatever keeps the queue's head from moving, it is started anew.
const WATCHDOG_MS = 30_000;
// A message is at most 64 KiB, a body 1 MiB; the rest is for what stands around the mutations.
export const SOCKET_LIMIT = { bytes: 63 * 1024, count: 500 };
export const POST_LIMIT = { bytes: 900 * 1024, count: 500 };
const ONE = { bytes: 1, count: 1 };

/**
 * The first of the queue that fit into one message. They stay in the queue until their results are there.
 * @param {StepContext} context
 * @param {{bytes: number, count: number}} most  bytes of the JSON of all of them, commas included
 * @returns {Mutation[]} empty only when the queue is
 */
export function first({ state, now }, most) {
    const limit = state.link.oneByOne > 0 ? ONE : most;
    let bytes = 0;
    let count = 0;
    const queue = sendable(state);
    for (const entry of queue) {
        bytes += entry.bytes + 1;
        if (count > 0 && (bytes > limit.bytes || count >= limit.count)) break;
        count += 1;
    }
    const chosen = new Set(queue.slice(0, count));
    state.link.carrying = count;
    if (count === 0) return [];
    state.entries = state.entries.map((entry) => chosen.has(entry) && !entry.sent ? { ...entry, sent: true } : entry);
    return queue.slice(0, count).map(({ mutation, at }) => {
        const { seq, ...rest } = mutation;
        return {
            ...rest, ...(seq === undefined || state.forked ? {} : { seq }),
            ...(at === null ? {} : { age_ms: Math.max(0, Math.round(now - at)) }),
        };
    });
}

/**
 * The results of a push have come.
 * @param {StepContext} context @param {any} answer @param {boolean} pulled @param {string[]} fresh  ids that nothing has yet
 * @returns {boolean} whether any of them was about what waits here
 */
export function pushed(context, answer, pulled, fresh) {
    const { link } = context.state;
    link.oneByOne = Math.max(0, link.oneByOne - 1);
    const results = Array.isArray(answer.results) ? answer.results : [];
    return acknowledgeResults(context, results.filter((/** @type {any} */ it) => typeof it?.id === "string"), pulled, fresh);
}

/**
 * The server refused what was sent as a whole, for good: one by one the next time, and the one that is refused alone
 * gets that as its result, so that it holds up nothing.
 * @param {StepContext} context
 * @param {Problem} problem
 */
export function passOver(context, problem) {
    const { state } = context;
    const { link } = state;
    if (link.carrying > 1) {
        link.oneByOne = link.carrying;
        return;
    }
    link.oneByOne = Math.max(0, link.oneByOne - 1);
    const head = sendable(state).slice(0, 1).map(
        ({ mutation }) => ({ id: mutation.id, status: /** @type {const} */ ("rejected"), problem }));
    acknowledgeResults(context, head, true);
}

/**
 * Whether the same request may succeed later.
 * @param {number} status
 */
export function isPassing(status) {
    return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * Sets the watchdog on the head of the queue.
 * @param {StepContext} context
 */
export function watch(context) {
    const { state } = context;
    if (state.link.timers.watchdog) return;
    state.link.watched = sendable(state)[0]?.mutation.id ?? null;
    if (state.link.watched !== null) after(context, "watchdog", WATCHDOG_MS);
}

/**
 * Whether the head that was watched has not moved since.
 * @param {StepContext} context
 */
export function isStuck({ state }) {
    return state.link.watched !== null && sendable(state)[0]?.mutation.id === state.link.watched;
}
