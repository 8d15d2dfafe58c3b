// The timers that the machine asks for, and which of them are set. Pure.

import { backoff } from "./backoff.js";

/** @typedef {import("./types.js").Link} Link */
/** @typedef {import("./types.js").StepContext} StepContext */
/** @typedef {import("./types.js").TimerName} TimerName */

/** @param {StepContext} context @param {TimerName} name @param {number} milliseconds */
export function after(context, name, milliseconds) {
    const { link } = context.state;
    link.timers = { ...link.timers, [name]: true };
    if (name === "poll") link.pollDue = context.now + milliseconds;
    context.emit({ type: "timer", name, milliseconds });
}

/** @param {StepContext} context @param {TimerName} name */
export function clear(context, name) {
    if (!context.state.link.timers[name]) return;
    unset(context.state.link, name);
    context.emit({ type: "untimer", name });
}

/** @param {Link} link @param {TimerName} name */
export function unset(link, name) {
    const { [name]: _, ...rest } = link.timers;
    link.timers = rest;
}

/** @param {StepContext} context @returns {number} milliseconds until the next attempt */
export function pause({ state: { link }, random }) {
    const next = backoff(link.pollCeiling, random, link.visible);
    link.pollCeiling = next.ceiling;
    return next.pause;
}
