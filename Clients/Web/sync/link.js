// Long because it is one decision table: what to say to the server, over which transport, and when again.
//
// A desktop holds a socket and asks nothing over HTTP while it lives. When it fails, is refused or goes silent, polling
// begins within two seconds and the socket is tried again, until it is back. A phone only polls. Either way changes
// made here leave at once, one push at a time: the server carries a mutation out once, so whatever has no result is
// sent again. Pure: bytes, timers and chance are the shell's.

import { backoff, FIRST_MS } from "./backoff.js";
import { observe } from "./clock.js";
import { settled, take } from "./queue.js";
import { sendable } from "./replica.js";

/** @typedef {import("./types.js").Link} Link */
/** @typedef {import("./types.js").Mutation} Mutation */
/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {import("./types.js").TimerName} TimerName */
/** @typedef {import("./types.js").Turn} Turn */

// What an open socket may leave unanswered, and what an opening one may take, before polling stands in for it.
const PATIENCE_MS = 1_500;
// A handshake over a slow network; polling has stood in for it long before.
const OPENING_MS = 10_000;
const POLL_MS = 30_000;
// Nobody has looked for so long: the socket is given back.
const HIDDEN_MS = 5 * 60_000;
// Longer than any push may take: whatever keeps the queue's head from moving, it is started anew.
const WATCHDOG_MS = 30_000;
// A socket that lived for less has not earned a fresh start.
const PROVEN_MS = 5_000;
// A message is at most 64 KiB, a body 1 MiB; the rest is for what stands around the mutations.
const SOCKET_LIMIT = { bytes: 63 * 1024, count: 500 };
const POST_LIMIT = { bytes: 900 * 1024, count: 500 };
const ONE = { bytes: 1, count: 1 };

/** @returns {Link} */
export function newLink() {
    return {
        realtime: false, visible: true, parked: false, stopped: false,
        socket: 0, sockets: 0, live: false, liveSince: 0, pushing: false, askedFrom: undefined, carrying: 0, single: 0,
        heartbeat: 25_000, socketCeiling: FIRST_MS,
        request: 0, requests: 0, asking: null, pollAgain: false, pollCeiling: FIRST_MS, misfits: 0, reachable: false,
        watched: null, timers: {},
    };
}

/**
 * This tab has the network from now on.
 * @param {Turn} turn
 */
export function begin(turn) {
    const { state } = turn;
    if (state.role !== "leader" || state.link.stopped) return;
    // A device that is known here is recognised by its socket's welcome; otherwise the server is asked who this is.
    if (state.link.realtime && !state.link.parked && (state.known || state.device !== null)) connect(turn);
    else poll(turn);
    watch(turn);
}

/**
 * It has it no longer.
 * @param {Turn} turn
 */
export function end(turn) {
    const { link } = turn.state;
    hangUp(turn);
    abort(turn);
    for (const name of /** @type {TimerName[]} */ (Object.keys(link.timers))) clear(turn, name);
}

/**
 * Something waits to be sent.
 * @param {Turn} turn
 */
export function push(turn) {
    const { link, role, known } = turn.state;
    if (role !== "leader" || link.stopped) return;
    watch(turn);
    if (link.live) pushOverSocket(turn);
    else if (!link.realtime || link.parked || (link.reachable && known)) poll(turn);
    // Otherwise the socket that is opening, or the polling that stands in for it, takes it along.
}

/**
 * The page came to the foreground, or the network did: whatever was believed about the connection is old.
 * @param {Turn} turn
 */
export function wake(turn) {
    const { state } = turn;
    const { link } = state;
    link.visible = true;
    link.parked = false;
    clear(turn, "hidden");
    if (state.role !== "leader" || link.stopped) return;
    link.socketCeiling = FIRST_MS;
    link.pollCeiling = FIRST_MS;
    turn.emit({ type: "conflicts" });
    if (link.live) return ping(turn);
    poll(turn);
    if (link.realtime && link.socket === 0 && (state.known || state.device !== null)) connect(turn);
}

/** @param {Turn} turn */
export function hide(turn) {
    turn.state.link.visible = false;
    if (turn.state.role === "leader") after(turn, "hidden", HIDDEN_MS);
}

/**
 * The browser says that there is no network.
 * @param {Turn} turn
 */
export function unplug(turn) {
    const { role, link } = turn.state;
    if (role !== "leader" || link.stopped) return;
    lose(turn);
    poll(turn);
}

/** @param {Turn} turn @param {TimerName} name */
export function rung(turn, name) {
    const { link } = turn.state;
    if (!link.timers[name]) return;
    unset(link, name);
    switch (name) {
    case "answer":
        // Nothing has come yet: polling stands in while it opens. What was open is lost.
        if (link.live) lose(turn);
        else poll(turn);
        break;
    case "opening": lose(turn); break;
    case "reconnect": connect(turn); break;
    case "heartbeat": ping(turn); break;
    case "poll": poll(turn); break;
    case "pushAgain": pushOverSocket(turn); break;
    case "hidden":
        link.parked = true;
        hangUp(turn);
        clear(turn, "reconnect");
        say(turn, link.reachable ? "polling" : "offline");
        if (sendable(turn.state).length > 0) poll(turn);
        break;
    case "watchdog": bite(turn); break;
    }
}

// The socket

/** @param {Turn} turn */
function connect(turn) {
    const { link, cursor } = turn.state;
    clear(turn, "reconnect");
    link.sockets += 1;
    link.socket = link.sockets;
    link.askedFrom = undefined;
    turn.emit({ type: "socket", socket: link.socket, cursor });
    after(turn, "answer", PATIENCE_MS);
    after(turn, "opening", OPENING_MS);
}

/**
 * @param {Turn} turn
 * @param {any} message
 * @param {string[]} fresh  ids that nothing has yet
 */
export function receive(turn, message, fresh) {
    const { state } = turn;
    const { link } = state;
    clear(turn, "answer");
    observe(turn, message.server_time);
    switch (message.type) {
    case "welcome":
        if (message.device_id !== state.device) return mistake(turn);
        state.known = true;
        link.heartbeat = message.heartbeat_seconds * 1000;
        after(turn, "heartbeat", link.heartbeat);
        after(turn, "answer", PATIENCE_MS);
        break;
    case "changes":
        if (take(turn, message)) {
            link.askedFrom = undefined;
            becomeLive(turn);
        } else if (state.cursor !== link.askedFrom) {
            link.askedFrom = state.cursor;
            send(turn, state.cursor === null ? { type: "sync" } : { type: "sync", cursor: state.cursor });
        }
        break;
    case "pushed":
        link.pushing = false;
        link.single = Math.max(0, link.single - 1);
        settled(turn, message.results, true, fresh);
        // Nothing at all was carried out: the database is away.
        if (message.results.length === 0) after(turn, "pushAgain", pause(turn));
        else pushOverSocket(turn);
        break;
    case "presence":
        state.devices = message.devices;
        turn.changed();
        turn.emit({ type: "tell", message: { type: "presence", devices: message.devices } });
        break;
    case "error":
        if (link.pushing) pushRefused(turn, message.problem);
        break;
    }
    if (link.pushing) expectAnswer(turn);
}

/** @param {Turn} turn */
function becomeLive(turn) {
    const { link } = turn.state;
    if (link.live) return;
    link.live = true;
    link.liveSince = turn.now;
    link.reachable = true;
    link.pollCeiling = FIRST_MS;
    clear(turn, "opening");
    clear(turn, "poll");
    abort(turn);
    say(turn, "realtime");
    pushOverSocket(turn);
}

/** @param {Turn} turn */
function pushOverSocket(turn) {
    const { link } = turn.state;
    if (!link.live || link.pushing || link.timers.pushAgain) return;
    const mutations = first(turn, link.single > 0 ? ONE : SOCKET_LIMIT);
    if (mutations.length === 0) return;
    link.pushing = true;
    send(turn, { type: "push", mutations });
}

/** @param {Turn} turn @param {Problem} problem  refuses the push as a whole */
function pushRefused(turn, problem) {
    const { link } = turn.state;
    link.pushing = false;
    if (isPassing(problem.status)) return after(turn, "pushAgain", pause(turn));
    passOver(turn, problem);
    pushOverSocket(turn);
}

/** @param {Turn} turn */
function ping(turn) {
    const { link } = turn.state;
    send(turn, { type: "ping", t: Math.round(turn.now) });
    after(turn, "heartbeat", link.heartbeat);
}

/** @param {Turn} turn @param {object} message */
function send(turn, message) {
    turn.emit({ type: "send", socket: turn.state.link.socket, message });
    expectAnswer(turn);
}

/** @param {Turn} turn */
function expectAnswer(turn) {
    if (!turn.state.link.timers.answer) after(turn, "answer", PATIENCE_MS);
}

/**
 * The socket failed, was refused or went silent: polling stands in, and another one is tried.
 * @param {Turn} turn
 */
export function lose(turn) {
    const { link } = turn.state;
    if (!link.realtime || link.parked) return;
    const wasLive = link.live;
    if (wasLive && turn.now - link.liveSince > PROVEN_MS) link.socketCeiling = FIRST_MS;
    hangUp(turn);
    // Where polling works the socket may be refused for good: no hurry then.
    const hurry = link.visible && !link.reachable;
    const next = backoff(link.socketCeiling, turn.random, hurry);
    link.socketCeiling = next.ceiling;
    after(turn, "reconnect", next.pause);
    const stoodIn = link.timers.poll || (!link.visible && link.reachable);
    if (wasLive || !stoodIn) poll(turn);
}

/** @param {Turn} turn */
function hangUp(turn) {
    const { link, devices } = turn.state;
    const { socket } = link;
    link.socket = 0;
    link.live = false;
    link.pushing = false;
    for (const name of /** @type {const} */ (["answer", "opening", "heartbeat", "pushAgain"])) clear(turn, name);
    if (socket !== 0) turn.emit({ type: "hangUp", socket });
    if (devices === null) return;
    // Who is there is told to sockets alone; without one, nothing is known.
    turn.state.devices = null;
    turn.changed();
    turn.emit({ type: "tell", message: { type: "presence", devices: null } });
}

// Polling

/**
 * Asks at once: what waits goes along, what is new comes back.
 * @param {Turn} turn
 */
function poll(turn) {
    const { state } = turn;
    const { link } = state;
    clear(turn, "poll");
    if (link.request !== 0) {
        link.pollAgain = true;
        return;
    }
    link.pollAgain = false;
    link.requests += 1;
    link.request = link.requests;
    if (!state.known) {
        link.asking = "identify";
        turn.emit({ type: "request", request: link.request, asking: link.asking });
        return;
    }
    const mutations = first(turn, link.single > 0 ? ONE : POST_LIMIT);
    // Two answers in a row that did not fit: everything, then.
    const cursor = link.misfits > 1 ? null : state.cursor;
    link.asking = mutations.length > 0 ? "push" : "pull";
    turn.emit({ type: "request", request: link.request, asking: link.asking, cursor, mutations });
}

/**
 * @param {Turn} turn
 * @param {import("./types.js").Answer} answer
 * @param {string[]} fresh  ids that nothing has yet
 */
export function answered(turn, { status, pollAfter, retryAfter, serverTime, body }, fresh) {
    const { state } = turn;
    const { link } = state;
    const { asking } = link;
    link.request = 0;
    link.asking = null;
    observe(turn, serverTime ?? body?.server_time);
    const code = typeof body?.code === "string" ? body.code : null;
    // Half of it came, or it came from somebody else, such as a hotel's sign-in page: as good as nothing.
    if (status === 401 && code !== null) return signOut(turn);
    if (isPassing(status) || (status >= 400 && code === null)) return unreachable(turn, (retryAfter ?? 0) * 1000);
    if (status >= 400) {
        if (asking !== "push") return unreachable(turn, 0);
        passOver(turn, body);
        return reached(turn, 1);
    }
    if (asking === "identify") return identified(turn, body);
    if (status === 304) {
        // What the store had is what the server has.
        if (!state.fresh) turn.changed();
        state.fresh = true;
        return reached(turn, pollAfter ?? POLL_MS);
    }
    if (!isChange(body) || (asking === "push" && !Array.isArray(body.results))) return unreachable(turn, 0);
    // Between request and answer the socket may have moved the replica: then the results wait for its next change.
    const fits = take(turn, body);
    link.misfits = fits ? 0 : link.misfits + 1;
    if (asking === "push") {
        link.single = Math.max(0, link.single - 1);
        settled(turn, body.results, fits, fresh);
        if (body.results.length === 0) return unreachable(turn, 0);
    }
    const more = !fits || sendable(state).length > 0;
    reached(turn, more ? 1 : Math.max(250, Number(body.poll_after_ms ?? POLL_MS)));
}

/**
 * Nothing came, or not all of it.
 * @param {Turn} turn
 */
export function failed(turn) {
    turn.state.link.request = 0;
    turn.state.link.asking = null;
    unreachable(turn, 0);
}

/** @param {Turn} turn @param {any} body  of GET /api/auth/me */
function identified(turn, body) {
    const { state } = turn;
    const account = body?.user?.id;
    const device = body?.device?.id;
    if (typeof account !== "string" || typeof device !== "string") return unreachable(turn, 0);
    state.known = true;
    state.device = device;
    turn.emit({ type: "identified", account, device, email: body.user.email });
    // Somebody else is signed in: his documents and his queue are fetched from the store, and `loaded` goes on.
    if (account !== state.account) {
        state.known = false;
        return;
    }
    proceed(turn);
}

/**
 * Who is signed in is known, and what belongs to him is loaded.
 * @param {Turn} turn
 */
export function proceed(turn) {
    const { link } = turn.state;
    if (turn.state.role !== "leader" || link.stopped) return;
    link.reachable = true;
    link.pollCeiling = FIRST_MS;
    if (link.realtime && !link.parked && link.socket === 0 && !link.timers.reconnect) connect(turn);
    else poll(turn);
}

/**
 * The socket belongs to another device than the one whose queue this is.
 * @param {Turn} turn
 */
function mistake(turn) {
    turn.state.known = false;
    hangUp(turn);
    poll(turn);
}

/** @param {Turn} turn @param {number} next  as the server says, in milliseconds */
function reached(turn, next) {
    const { state } = turn;
    const { link } = state;
    const back = !link.reachable;
    link.reachable = true;
    link.pollCeiling = FIRST_MS;
    if (!link.live) say(turn, "polling");
    // The server is back: no need to sit out the pause before the next attempt.
    if (back && link.realtime && !link.parked && link.socket === 0) connect(turn);
    if (link.live) return;
    // A page that nobody sees asks nothing; `wake` asks when somebody does.
    if (!link.visible && sendable(state).length === 0) return;
    after(turn, "poll", link.pollAgain ? 0 : next);
}

/** @param {Turn} turn @param {number} atLeast  as the server says, in milliseconds */
function unreachable(turn, atLeast) {
    const { link } = turn.state;
    if (link.live) return;
    link.reachable = false;
    say(turn, "offline");
    after(turn, "poll", atLeast + pause(turn));
}

/** @param {Turn} turn */
function signOut(turn) {
    end(turn);
    turn.state.known = false;
    turn.state.link.stopped = true;
    say(turn, "offline");
    turn.emit({ type: "signedOut" });
    turn.emit({ type: "tell", message: { type: "signedOut" } });
}

/** @param {Turn} turn */
function abort(turn) {
    const { link } = turn.state;
    if (link.request !== 0) turn.emit({ type: "abort", request: link.request });
    link.request = 0;
    link.asking = null;
}

// Either

/** @param {Turn} turn @param {import("./types.js").Connection} connection */
function say(turn, connection) {
    if (turn.state.connection === connection) return;
    const back = turn.state.connection === "starting" || turn.state.connection === "offline";
    if (back && connection !== "offline") turn.emit({ type: "conflicts" });
    turn.state.connection = connection;
    turn.changed();
    turn.emit({ type: "tell", message: { type: "connection", connection } });
}

/**
 * The first of the queue that fit into one message. They stay in the queue until their results are there.
 * @param {Turn} turn
 * @param {{bytes: number, count: number}} limit  bytes of the JSON of all of them, commas included
 * @returns {Mutation[]} empty only when the queue is
 */
function first({ state, now }, limit) {
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
 * The server refused what was sent as a whole, for good: one by one the next time, and the one that is refused alone
 * gets that as its result, so that it holds up nothing.
 * @param {Turn} turn
 * @param {Problem} problem
 */
function passOver(turn, problem) {
    const { state } = turn;
    const { link } = state;
    if (link.carrying > 1) {
        link.single = link.carrying;
        return;
    }
    link.single = Math.max(0, link.single - 1);
    const head = sendable(state).slice(0, 1).map(
        ({ mutation }) => ({ id: mutation.id, status: /** @type {const} */ ("rejected"), problem }));
    settled(turn, head, true);
}

/**
 * Sets the watchdog on the head of the queue.
 * @param {Turn} turn
 */
function watch(turn) {
    const { state } = turn;
    if (state.link.timers.watchdog) return;
    state.link.watched = sendable(state)[0]?.mutation.id ?? null;
    if (state.link.watched !== null) after(turn, "watchdog", WATCHDOG_MS);
}

/**
 * A head that has not moved since, whatever was done about it: all of it is dropped and begun anew.
 * @param {Turn} turn
 */
function bite(turn) {
    const { link } = turn.state;
    const stuck = sendable(turn.state)[0]?.mutation.id === link.watched;
    if (stuck && link.watched !== null) {
        abort(turn);
        if (link.live) lose(turn);
        else poll(turn);
    }
    watch(turn);
}

/** @param {Turn} turn @returns {number} milliseconds until the next attempt */
function pause(turn) {
    const { link } = turn.state;
    const next = backoff(link.pollCeiling, turn.random, link.visible);
    link.pollCeiling = next.ceiling;
    return next.pause;
}

/** @param {Turn} turn @param {TimerName} name @param {number} milliseconds */
function after(turn, name, milliseconds) {
    turn.state.link.timers = { ...turn.state.link.timers, [name]: true };
    turn.emit({ type: "timer", name, milliseconds });
}

/** @param {Turn} turn @param {TimerName} name */
function clear(turn, name) {
    if (!turn.state.link.timers[name]) return;
    unset(turn.state.link, name);
    turn.emit({ type: "untimer", name });
}

/** @param {Link} link @param {TimerName} name */
function unset(link, name) {
    const { [name]: _, ...rest } = link.timers;
    link.timers = rest;
}

/**
 * Whether the same request may succeed later.
 * @param {number} status
 */
function isPassing(status) {
    return status === 408 || status === 425 || status === 429 || status >= 500;
}

/** @param {any} body */
function isChange(body) {
    return typeof body?.cursor === "string" && Array.isArray(body.documents) && typeof body.reset === "boolean";
}
