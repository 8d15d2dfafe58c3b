// Questions over HTTP: what is asked, and what an answer means. What follows from it for the rest is link.js's. Pure.

import { pollAfterOf, retryAfterOf } from "./bounds.js";
import { isPromised } from "./clock.js";
import { answeredHeld, answeredPlainly, cut, mayHold } from "./hold.js";
import { first, isPassing, passOver, POST_LIMIT, pushed } from "./outbox.js";
import { receiveChange } from "./queue.js";
import { sendable } from "./replica.js";
import { learn } from "./status.js";
import { after, clear, pause } from "./timers.js";

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Asking} Asking */
/** @typedef {import("./types.js").Link} Link */
/** @typedef {import("./types.js").Reason} Reason */
/** @typedef {import("./types.js").StepContext} StepContext */

/**
 * What an answer means. reached: the server said something; `next`: milliseconds until the next question, `said`: what it says
 * to who does not let it hold questions. unreachable: not before so many milliseconds. known: who is signed in here is the
 * account that is loaded. waiting: nothing for now. signedOut: the session has ended.
 * @typedef {{is: "reached", next: number, said: number | null} | {is: "unreachable", atLeast: number, reason: Reason}
 *   | {is: "known"} | {is: "waiting"} | {is: "signedOut"}} Verdict
 */

// What the user does is tried at once, whatever is waited for; so soon after the last request not once more.
const AGAIN_MS = 2_000;

/** @param {Link} link @returns {Asking | null} what the present request is for; null: there is none */
export function askingOf({ request }) {
    return request.is === "asking" ? request.asking : null;
}

/**
 * Asks at once: what waits goes along, what is new comes back.
 * @param {StepContext} context
 * @param {boolean} [held]  the server may wait with its answer until there is one
 */
export function poll(context, held = false) {
    const { state } = context;
    const { link } = state;
    clear(context, "poll");
    // Nothing waits for a question that is held.
    if (askingOf(link) === "hold") abort(context);
    if (link.request.is === "asking") {
        link.pollAgain = true;
        return;
    }
    link.pollAgain = false;
    if (!state.known) {
        context.emit({ type: "request", request: begin(context, "identify"), asking: "identify" });
        return;
    }
    if (held) {
        const request = begin(context, "hold");
        context.emit({ type: "request", request, asking: "hold", cursor: state.cursor, mutations: [], wait: link.holdFor });
        return;
    }
    const mutations = first(context, POST_LIMIT);
    // Two answers in a row that did not fit: everything, then.
    const cursor = link.misfits > 1 ? null : state.cursor;
    const asking = mutations.length > 0 ? "push" : "pull";
    context.emit({ type: "request", request: begin(context, asking), asking, cursor, mutations });
}

/** @param {StepContext} context @param {Asking} asking @returns {number} the request's number */
function begin({ state: { link }, now }, asking) {
    link.requests += 1;
    link.askedAt = now;
    link.request = { is: "asking", number: link.requests, asking };
    return link.requests;
}

/** @param {StepContext} context */
export function abort(context) {
    const { link } = context.state;
    if (link.request.is === "asking") context.emit({ type: "abort", request: link.request.number });
    link.request = { is: "idle" };
}

/**
 * The user did something: that is tried at once, whatever the last answer asked to wait; but once.
 * @param {StepContext} context
 */
export function tryNow(context) {
    const { link } = context.state;
    const soonest = link.askedAt + AGAIN_MS;
    if (link.reachable || link.request.is === "asking" || !link.timers.poll || context.now >= soonest) return poll(context);
    if (link.pollDue > soonest) after(context, "poll", soonest - context.now);
}

/**
 * Whether questions may be held, while somebody looks: not where data or power are to be saved.
 * @param {StepContext} context @param {boolean} holds
 */
export function hold(context, holds) {
    const { link, role } = context.state;
    if (link.holds === holds) return;
    link.holds = holds;
    if (role !== "leader" || link.stopped) return;
    if (!holds) letGo(context);
    else if (link.timers.poll && mayHold(context.state)) poll(context);
}

/**
 * A question that is held is given up, and asked again when the server said so, if at all.
 * @param {StepContext} context
 */
export function letGo(context) {
    const { link } = context.state;
    if (askingOf(link) !== "hold") return;
    abort(context);
    if (asksAgain(context)) after(context, "poll", link.pollAfter);
}

/**
 * Whether a page without a socket asks by itself: one that nobody sees only for what is promised, such as a session's end.
 * @param {StepContext} context
 */
export function asksAgain({ state, now }) {
    return state.link.visible || sendable(state).length > 0 || isPromised(state, now);
}

/**
 * @param {StepContext} context
 * @param {Answer} answer
 * @param {string[]} fresh  ids that nothing has yet
 * @returns {Verdict}
 */
export function answered(context, answer, fresh) {
    const { link } = context.state;
    const { status, retryAfter, body } = answer;
    const asking = askingOf(link);
    link.request = { is: "idle" };
    learn(context, answer.serverTime ?? body?.server_time, context.now - link.askedAt);
    const code = typeof body?.code === "string" ? body.code : null;
    // Half of it came, or it came from somebody else, such as a hotel's sign-in page: as good as nothing.
    if (status === 401 && code !== null) return { is: "signedOut" };
    // The way here is wrong, not what was sent: it waits until somebody has put that right.
    if (code === "cross_origin") return unreachable("origin_refused");
    // What the server itself refuses for a while is no matter of holding.
    if (asking === "hold" && !(isPassing(status) && code !== null)) return answeredLate(context, answer);
    if (isPassing(status) || (status >= 400 && code === null)) return unreachable("unavailable", retryAfterOf(retryAfter));
    if (status >= 400) {
        if (asking !== "push") return unreachable("unavailable");
        passOver(context, body);
        return { is: "reached", next: 1, said: null };
    }
    if (asking === "identify") return identified(context, body);
    return status === 304 ? nothingNew(context, answer) : exchanged(context, body, asking === "push", fresh);
}

/**
 * What this device has is what the server has.
 * @param {StepContext} context @param {Answer} answer
 * @returns {Verdict}
 */
function nothingNew(context, { pollAfter }) {
    const { cursor, fresh, link } = context.state;
    if (!fresh && cursor !== null) receiveChange(context, { previous: cursor, cursor, reset: false, documents: [] });
    answeredPlainly(link);
    return { is: "reached", next: pollAfterOf(pollAfter), said: pollAfterOf(pollAfter) };
}

/**
 * @param {StepContext} context @param {any} body @param {boolean} pushes  mutations went along @param {string[]} fresh
 * @returns {Verdict}
 */
function exchanged(context, body, pushes, fresh) {
    const { state } = context;
    const { link } = state;
    if (!isChange(body) || (pushes && !Array.isArray(body.results))) return unreachable("unavailable");
    // Between request and answer the socket may have moved the replica: then the results wait for its next change.
    const fits = receiveChange(context, body);
    link.misfits = fits ? 0 : link.misfits + 1;
    answeredPlainly(link);
    if (pushes && !pushed(context, body, fits, fresh)) return unreachable("unavailable");
    const more = !fits || sendable(state).length > 0;
    const after = pollAfterOf(body.poll_after_ms);
    // One that fits nowhere, not even where everything was asked for, is no reason to ask as fast as it answers.
    const next = link.misfits > 2 ? pause(context) : more ? 1 : after;
    return { is: "reached", next, said: more ? null : after };
}

/**
 * The answer to a question that was held.
 * @param {StepContext} context @param {Answer} answer
 * @returns {Verdict}
 */
function answeredLate(context, { status, pollAfter, body }) {
    const { link } = context.state;
    const changed = status === 200 && isChange(body);
    if (!changed && status !== 304) return broken(context);
    const fits = !changed || receiveChange(context, body);
    link.misfits = fits ? 0 : 1;
    const empty = !changed || (body.documents.length === 0 && !body.reset);
    link.pollAfter = pollAfterOf(changed ? body.poll_after_ms : pollAfter);
    const next = answeredHeld(link, context.now, empty, link.pollAfter, context.random);
    return { is: "reached", next: fits ? next : 1, said: null };
}

/**
 * A question that was held came to nothing. That says nothing about the network yet: a plain one will.
 * @param {StepContext} context
 * @returns {Verdict}
 */
function broken(context) {
    cut(context.state.link, context.now);
    after(context, "poll", pause(context));
    return { is: "waiting" };
}

/**
 * Nothing came, or not all of it.
 * @param {StepContext} context
 * @param {Reason} reason
 * @returns {Verdict}
 */
export function failed(context, reason) {
    const { link } = context.state;
    const held = askingOf(link) === "hold";
    link.request = { is: "idle" };
    return held ? broken(context) : unreachable(reason);
}

/**
 * @param {StepContext} context @param {any} body  of GET /api/auth/me
 * @returns {Verdict}
 */
function identified(context, body) {
    const { state } = context;
    const account = body?.user?.id;
    const device = body?.device?.id;
    if (typeof account !== "string" || typeof device !== "string") return unreachable("unavailable");
    state.known = true;
    state.device = device;
    context.emit({ type: "identified", account, device, email: body.user.email });
    if (account === state.account) return { is: "known" };
    // Somebody else is signed in: their documents and their queue are fetched from the store, and `loaded` goes on.
    state.known = false;
    return { is: "waiting" };
}

/**
 * @param {Reason} reason @param {number} [atLeast]  as the server says, in milliseconds
 * @returns {Verdict}
 */
function unreachable(reason, atLeast = 0) {
    return { is: "unreachable", atLeast, reason };
}

/** @param {any} body */
function isChange(body) {
    return typeof body?.cursor === "string" && Array.isArray(body.documents) && typeof body.reset === "boolean";
}
