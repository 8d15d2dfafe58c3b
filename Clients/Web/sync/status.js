// What everybody is told of the connection: how it stands, who is there, and what time it is. Pure.

import { observe } from "./clock.js";

/** @typedef {import("./types.js").Connection} Connection */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").StepContext} StepContext */

// What a person sees of a clock that is set right. The other tabs are told of it.
const SEEN_MS = 250;

/**
 * Why there is no connection; null where there is one.
 * @param {State} state
 */
export function reasonOf({ connection }) {
    return connection.is === "offline" ? connection.reason : null;
}

/**
 * The connection as the tabs tell each other of it.
 * @param {Connection["is"]} is @param {import("./types.js").Reason} [reason]
 * @returns {Connection}
 */
export function connectionOf(is, reason = "unreachable") {
    return is === "offline" ? { is, reason } : { is };
}

/**
 * @param {State} state
 * @returns {{connection: Connection["is"], reason?: import("./types.js").Reason}}
 */
export function toldOf({ connection }) {
    return connection.is === "offline" ? { connection: connection.is, reason: connection.reason } : { connection: connection.is };
}

/** @param {StepContext} context @param {Connection} connection */
export function say(context, connection) {
    const { state } = context;
    const before = state.connection;
    const reason = connection.is === "offline" ? connection.reason : null;
    if (before.is === connection.is && reasonOf(state) === reason) return;
    const back = before.is === "starting" || before.is === "offline";
    if (back && connection.is !== "offline") context.emit({ type: "conflicts" });
    state.connection = connection;
    context.changed();
    context.emit({ type: "broadcast", message: { type: "connection", ...toldOf(state) } });
}

/** @param {StepContext} context @param {State["devices"]} devices */
export function sayPresence(context, devices) {
    context.state.devices = devices;
    context.changed();
    context.emit({ type: "broadcast", message: { type: "presence", devices } });
}

/** @param {StepContext} context @param {unknown} time  that the server wrote @param {number} waited  since it was asked for it */
export function learn(context, time, waited) {
    const { state } = context;
    const before = state.ahead;
    observe(context, time, waited);
    const { ahead } = state;
    if (ahead === null || state.aheadAt !== context.now) return;
    if (before !== null && Math.abs(ahead - before) >= SEEN_MS) context.changed();
    if (state.aheadTold !== null && Math.abs(ahead - state.aheadTold) < SEEN_MS) return;
    state.aheadTold = ahead;
    context.emit({ type: "broadcast", message: { type: "time", time: ahead + context.now } });
}
