// The socket: a desktop's way to the server. Pure: the shell opens, says and hangs up. What it says of a broken one is
// link.js's to hear.

import { backoff, FIRST_MS } from "./backoff.js";
import { heartbeatOf } from "./bounds.js";
import { first, isPassing, passOver, pushed, SOCKET_LIMIT } from "./outbox.js";
import { abort, asksAgain, poll } from "./polling.js";
import { receiveChange } from "./queue.js";
import { learn, say, sayPresence } from "./status.js";
import { after, clear, pause } from "./timers.js";

/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {import("./types.js").Socket} Socket */
/** @typedef {import("./types.js").StepContext} StepContext */

// What an open socket may leave unanswered, and what an opening one may take, before polling stands in for it.
const PATIENCE_MS = 1_500;
// A handshake over a slow network; polling has stood in for it long before.
const OPENING_MS = 10_000;
// A socket that lived for less has not earned a fresh start.
const PROVEN_MS = 5_000;

/** @param {StepContext} context */
export function connect(context) {
    const { link, cursor } = context.state;
    clear(context, "reconnect");
    link.sockets += 1;
    link.socket = {
        is: "opening", number: link.sockets, since: context.now, askedFrom: undefined, heartbeat: heartbeatOf(null),
    };
    context.emit({ type: "socket", socket: link.sockets, cursor });
    after(context, "answer", PATIENCE_MS);
    after(context, "opening", OPENING_MS);
}

/**
 * @param {StepContext} context
 * @param {any} message
 * @param {string[]} fresh  ids that nothing has yet
 */
export function receive(context, message, fresh) {
    clear(context, "answer");
    learn(context, message.server_time, waitedFor(context, message));
    switch (message.type) {
    case "welcome": welcome(context, message); break;
    case "changes": changes(context, message); break;
    case "pushed":
        push(context, false);
        // Nothing at all was carried out: the database is away.
        if (pushed(context, message, true, fresh)) pushOverSocket(context);
        else after(context, "pushAgain", pause(context));
        break;
    case "presence": sayPresence(context, message.devices); break;
    case "pong":
        // An older server's does not say the time; its changes do.
        if (context.state.aheadAt === null && message.server_time === undefined && context.state.cursor !== null) {
            sync(context, context.state.cursor);
        }
        break;
    case "error":
        if (isPushing(context)) pushRefused(context, message.problem);
        break;
    }
    if (isPushing(context)) expectAnswer(context);
}

/** @param {StepContext} context @param {any} message */
function welcome(context, { device_id: device, heartbeat_seconds: seconds }) {
    const { state } = context;
    if (device !== state.device) return mistake(context);
    state.known = true;
    const heartbeat = heartbeatOf(seconds);
    set(context, { heartbeat });
    after(context, "heartbeat", heartbeat);
    after(context, "answer", PATIENCE_MS);
}

/** @param {StepContext} context @param {any} message */
function changes(context, message) {
    const { state } = context;
    const { socket } = state.link;
    if (receiveChange(context, message)) {
        set(context, { askedFrom: undefined });
        becomeLive(context);
    } else if (socket.is !== "closed" && state.cursor !== socket.askedFrom) {
        sync(context, state.cursor);
    }
}

/** @param {StepContext} context @param {string | null} cursor */
function sync(context, cursor) {
    set(context, { askedFrom: cursor });
    send(context, cursor === null ? { type: "sync" } : { type: "sync", cursor });
}

/** @param {StepContext} context */
function becomeLive(context) {
    const { link } = context.state;
    if (link.socket.is !== "opening") return;
    link.socket = { ...link.socket, is: "live", liveSince: context.now, pushing: false };
    link.reachable = true;
    link.mistaken = false;
    link.pollCeiling = FIRST_MS;
    clear(context, "opening");
    clear(context, "poll");
    abort(context);
    say(context, { is: "realtime" });
    pushOverSocket(context);
}

/** @param {StepContext} context */
export function pushOverSocket(context) {
    const { link } = context.state;
    if (link.socket.is !== "live" || link.socket.pushing || link.timers.pushAgain) return;
    const mutations = first(context, SOCKET_LIMIT);
    if (mutations.length === 0) return;
    push(context, true);
    send(context, { type: "push", mutations });
}

/** @param {StepContext} context @param {Problem} problem  refuses the push as a whole */
function pushRefused(context, problem) {
    push(context, false);
    if (isPassing(problem.status)) return after(context, "pushAgain", pause(context));
    passOver(context, problem);
    pushOverSocket(context);
}

/** @param {StepContext} context */
export function ping(context) {
    const { socket } = context.state.link;
    if (socket.is === "closed") return;
    send(context, { type: "ping", t: Math.round(context.now) });
    after(context, "heartbeat", socket.heartbeat);
}

/** @param {StepContext} context @param {object} message */
function send(context, message) {
    const { socket } = context.state.link;
    if (socket.is === "closed") return;
    context.emit({ type: "send", socket: socket.number, message });
    expectAnswer(context);
}

/** @param {StepContext} context */
function expectAnswer(context) {
    if (!context.state.link.timers.answer) after(context, "answer", PATIENCE_MS);
}

/**
 * The socket failed, was refused or went silent: polling stands in, and another one is tried.
 * @param {StepContext} context
 */
export function lose(context) {
    const { link } = context.state;
    if (!link.realtime || link.parked) return;
    const { socket } = link;
    const wasLive = socket.is === "live";
    if (socket.is === "live" && context.now - socket.liveSince > PROVEN_MS) link.socketCeiling = FIRST_MS;
    hangUp(context);
    // Where polling works the socket may be refused for good: no hurry then.
    reconnect(context, link.visible && !link.reachable);
    const stoodIn = link.timers.poll || (!asksAgain(context) && link.reachable);
    if (wasLive || !stoodIn) poll(context);
}

/** @param {StepContext} context @param {boolean} hurry */
function reconnect(context, hurry) {
    const { link } = context.state;
    const next = backoff(link.socketCeiling, context.random, hurry);
    link.socketCeiling = next.ceiling;
    after(context, "reconnect", next.pause);
}

/** @param {StepContext} context */
export function hangUp(context) {
    const { link, devices } = context.state;
    const { socket } = link;
    link.socket = { is: "closed" };
    for (const name of /** @type {const} */ (["answer", "opening", "heartbeat", "pushAgain"])) clear(context, name);
    if (socket.is !== "closed") context.emit({ type: "hangUp", socket: socket.number });
    // Who is there is told to sockets alone; without one, nothing is known.
    if (devices !== null) sayPresence(context, null);
}

/**
 * The socket belongs to another device than the one whose queue this is.
 * @param {StepContext} context
 */
function mistake(context) {
    const { link } = context.state;
    context.state.known = false;
    hangUp(context);
    // A server that says one thing over the socket and another over HTTP is not asked as fast as it answers.
    if (link.mistaken) reconnect(context, false);
    link.mistaken = true;
    poll(context);
}

/** @param {StepContext} context @param {boolean} pushing */
function push({ state: { link } }, pushing) {
    if (link.socket.is === "live") link.socket = { ...link.socket, pushing };
}

/** @param {StepContext} context */
function isPushing({ state: { link: { socket } } }) {
    return socket.is === "live" && socket.pushing;
}

/** @param {StepContext} context @param {{askedFrom?: string | null | undefined, heartbeat?: number}} members */
function set({ state: { link } }, members) {
    if (link.socket.is !== "closed") link.socket = { ...link.socket, ...members };
}

/**
 * How long ago a message of the socket was asked for; what nobody asked for may have been on its way for ever.
 * @param {StepContext} context @param {any} message
 */
function waitedFor({ state: { link: { socket } }, now }, message) {
    if (message.type === "pong" && typeof message.t === "number") return Math.max(0, now - message.t);
    if (socket.is === "closed") return Infinity;
    if (message.type === "welcome") return now - socket.since;
    return message.type === "changes" && socket.askedFrom !== undefined ? now - socket.since : Infinity;
}
