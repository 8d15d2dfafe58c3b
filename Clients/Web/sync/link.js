// What to say to the server, over which transport, and when again.
//
// A desktop holds a socket and asks nothing over HTTP while it lives. When it fails, is refused or goes silent, polling
// begins within two seconds and the socket is tried again, until it is back. A phone only polls; while somebody looks,
// the server holds its questions until there is something to say. Either way changes made here leave at once, one push
// at a time: the server carries a mutation out once, so whatever has no result is sent again. Pure: bytes, timers and
// chance are the shell's.

import { FIRST_MS } from "./backoff.js";
import { pollAfterOf } from "./bounds.js";
import { isListenedFor, isPromised } from "./clock.js";
import { LONGEST_S, mayHold } from "./hold.js";
import { isStuck, watch } from "./outbox.js";
import { abort, answered as verdictOf, asksAgain, askingOf, failed as verdictOfFailure, letGo, poll, tryNow } from "./polling.js";
import { sendable } from "./replica.js";
import { connect, hangUp, lose, ping, pushOverSocket } from "./socket.js";
import { reasonOf, say } from "./status.js";
import { after, clear, pause, unset } from "./timers.js";

/** @typedef {import("./types.js").Link} Link */
/** @typedef {import("./types.js").StepContext} StepContext */
/** @typedef {import("./types.js").TimerName} TimerName */

export { hold } from "./polling.js";
export { lose, receive } from "./socket.js";

// Nobody has looked for so long: the socket is given back.
const HIDDEN_MS = 5 * 60_000;

/** @returns {Link} */
export function newLink() {
    return {
        realtime: false, visible: true, parked: false, stopped: false,
        socket: { is: "closed" }, sockets: 0, socketCeiling: FIRST_MS, mistaken: false,
        request: { is: "idle" }, requests: 0, askedAt: 0, pollAgain: false, pollCeiling: FIRST_MS,
        pollAfter: pollAfterOf(null), pollDue: 0, misfits: 0, reachable: false, carrying: 0, oneByOne: 0,
        holds: false, holdFor: LONGEST_S, cutAfter: 0, cuts: 0, rests: 0, early: 0,
        watched: null, timers: {},
    };
}

/**
 * This tab has the network from now on.
 * @param {StepContext} context
 */
export function begin(context) {
    const { state } = context;
    if (state.role !== "leader" || state.link.stopped) return;
    // A device that is known here is recognised by its socket's welcome; otherwise the server is asked who this is.
    if (state.link.realtime && !state.link.parked && (state.known || state.device !== null)) connect(context);
    else poll(context);
    watch(context);
}

/**
 * It has it no longer.
 * @param {StepContext} context
 */
export function end(context) {
    const { link } = context.state;
    hangUp(context);
    abort(context);
    for (const name of /** @type {TimerName[]} */ (Object.keys(link.timers))) clear(context, name);
}

/**
 * Something waits to be sent.
 * @param {StepContext} context
 */
export function push(context) {
    const { link, role, known } = context.state;
    if (role !== "leader" || link.stopped) return;
    watch(context);
    if (link.socket.is === "live") return pushOverSocket(context);
    if (!link.realtime || link.parked || (link.reachable && known)) return tryNow(context);
    // The socket that is opening, or who is asked who this is, takes it along; a pause between two attempts does not.
    if (!link.timers.answer && askingOf(link) !== "identify") tryNow(context);
}

/**
 * The page came to the foreground, or the network did: whatever was believed about the connection is old.
 * @param {StepContext} context
 */
export function wake(context) {
    const { link } = context.state;
    link.visible = true;
    link.parked = false;
    clear(context, "hidden");
    lookAgain(context);
}

/**
 * Whatever was believed about the connection is old: it is looked at anew, whether or not anybody looks at the page.
 * @param {StepContext} context
 */
export function lookAgain(context) {
    const { state } = context;
    const { link } = state;
    if (state.role !== "leader" || link.stopped) return;
    link.socketCeiling = FIRST_MS;
    link.pollCeiling = FIRST_MS;
    Object.assign(link, { holdFor: LONGEST_S, cutAfter: 0, cuts: 0, early: 0 });
    context.emit({ type: "conflicts" });
    if (link.socket.is === "live") return ping(context);
    poll(context);
    if (mayConnect(link) && (state.known || state.device !== null)) connect(context);
}

/** @param {StepContext} context */
export function hide(context) {
    const { link, role } = context.state;
    link.visible = false;
    if (role !== "leader") return;
    after(context, "hidden", HIDDEN_MS);
    letGo(context);
}

/**
 * The browser says that there is no network.
 * @param {StepContext} context
 */
export function unplug(context) {
    const { role, link } = context.state;
    if (role !== "leader" || link.stopped) return;
    lose(context);
    poll(context);
}

/** @param {StepContext} context @param {TimerName} name */
export function timerFired(context, name) {
    const { link } = context.state;
    if (!link.timers[name]) return;
    unset(link, name);
    switch (name) {
    case "answer":
        // Nothing has come yet: polling stands in while it opens. What was open is lost.
        if (link.socket.is === "live") lose(context);
        else poll(context);
        break;
    case "opening": lose(context); break;
    case "reconnect": connect(context); break;
    case "heartbeat": ping(context); break;
    case "poll": poll(context, mayHold(context.state)); break;
    case "pushAgain": pushOverSocket(context); break;
    case "hidden": park(context); break;
    case "watchdog": restartIfStuck(context); break;
    }
}

/**
 * Nobody has looked for a while: the socket is given back.
 * @param {StepContext} context
 */
function park(context) {
    const { state } = context;
    const { link } = state;
    // Its end is promised, and so is that it stops where it was stopped elsewhere.
    if (isPromised(state, context.now) || isListenedFor(state)) return after(context, "hidden", HIDDEN_MS);
    link.parked = true;
    hangUp(context);
    clear(context, "reconnect");
    say(context, link.reachable ? { is: "polling" } : { is: "offline", reason: reasonOf(state) ?? "unreachable" });
    if (sendable(state).length > 0) poll(context);
}

/**
 * A head of the queue that has not moved since, whatever was done about it: all of it is dropped and begun anew.
 * @param {StepContext} context
 */
function restartIfStuck(context) {
    if (isStuck(context)) {
        abort(context);
        if (context.state.link.socket.is === "live") lose(context);
        else poll(context);
    }
    watch(context);
}

/**
 * @param {StepContext} context @param {import("./types.js").Answer} answer
 * @param {string[]} fresh  ids that nothing has yet
 */
export function answered(context, answer, fresh) {
    obey(context, verdictOf(context, answer, fresh));
}

/**
 * Nothing came, or not all of it.
 * @param {StepContext} context @param {import("./types.js").Reason} [reason]
 */
export function failed(context, reason = "unreachable") {
    obey(context, verdictOfFailure(context, reason));
}

/** @param {StepContext} context @param {import("./polling.js").Verdict} verdict */
function obey(context, verdict) {
    switch (verdict.is) {
    case "reached": return reached(context, verdict.next, verdict.said);
    case "unreachable": return unreachable(context, verdict);
    case "known": return proceed(context);
    case "signedOut": return leave(context);
    case "waiting": return undefined;
    }
}

/**
 * Who is signed in is known, and what belongs to them is loaded.
 * @param {StepContext} context
 */
export function proceed(context) {
    const { link, role } = context.state;
    if (role !== "leader" || link.stopped) return;
    link.reachable = true;
    link.pollCeiling = FIRST_MS;
    if (mayConnect(link) && !link.timers.reconnect) connect(context);
    else poll(context);
}

/** @param {Link} link */
function mayConnect({ realtime, parked, socket }) {
    return realtime && !parked && socket.is === "closed";
}

/**
 * @param {StepContext} context
 * @param {number} next  milliseconds until the next question
 * @param {number | null} said  what the server says to who does not let it hold questions
 */
function reached(context, next, said) {
    const { state } = context;
    const { link } = state;
    const back = !link.reachable;
    if (said !== null) link.pollAfter = said;
    link.reachable = true;
    link.pollCeiling = FIRST_MS;
    if (link.socket.is !== "live") say(context, { is: "polling" });
    // The server is back: no need to sit out the pause before the next attempt.
    if (back && mayConnect(link)) connect(context);
    if (link.socket.is === "live") return;
    // A page that nobody sees asks nothing; `wake` asks when somebody does.
    if (!asksAgain(context)) return;
    after(context, "poll", link.pollAgain ? 0 : said !== null && mayHold(state) ? 1 : next);
}

/**
 * @param {StepContext} context
 * @param {{atLeast: number, reason: import("./types.js").Reason}} verdict
 */
function unreachable(context, { atLeast, reason }) {
    const { link } = context.state;
    if (link.socket.is === "live") return;
    link.reachable = false;
    say(context, { is: "offline", reason });
    // What the user did meanwhile has its own attempt.
    after(context, "poll", (link.pollAgain ? 0 : atLeast) + pause(context));
}

/**
 * The session ended, here or elsewhere. The other tabs hear of it first: this one may be gone with what it does about
 * it. What was shown is forgotten; what waits stays its user's.
 * @param {StepContext} context
 */
export function leave(context) {
    const { state } = context;
    if (reasonOf(state) === "signed_out") return;
    end(context);
    if (state.role === "leader") context.emit({ type: "broadcast", message: { type: "signedOut" } });
    Object.assign(state, {
        known: false, cursor: null, documents: new Map(), overlay: new Map(), fresh: false, conflicts: [], devices: null,
        connection: { is: "offline", reason: "signed_out" },
    });
    state.link.stopped = true;
    context.changed();
    context.emit({ type: "signedOut" });
}
