// A device's end of Lockstep as a pure state machine: what it holds and what happened give what it holds then and what
// is to be done. No clock, no chance, no I/O: `now` and `random` come with the event, the shell does what is asked for.
// Clients/Vectors/ says the same as data, for machines in other languages.

import * as link from "./link.js";
import { enqueue, entryOf, kept, mutate, notKept, renew } from "./queue.js";
import { apply, settle, show, waiting } from "./replica.js";

/** @typedef {import("./types.js").Effect} Effect */
/** @typedef {import("./types.js").Event} Event */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Turn} Turn */

/** @returns {State} */
export function initial() {
    return {
        role: "none", account: null, device: null, known: false, forked: false,
        cursor: null, documents: new Map(), inStep: true, fresh: false, entries: [], keeping: [], overlay: new Map(),
        connection: "starting", devices: null, conflicts: [], ahead: null, aheadAt: null, link: link.newLink(),
    };
}

/**
 * @param {State} before  stays as it is
 * @param {Event} event
 * @returns {{state: State, effects: Effect[]}}
 */
export function step(before, event) {
    /** @type {Effect[]} */
    const effects = [];
    let changed = false;
    /** @type {Turn} */
    const turn = {
        state: { ...before, link: { ...before.link } },
        now: event.now ?? 0,
        random: event.random ?? 0,
        emit: (effect) => effects.push(effect),
        changed: () => (changed = true),
    };
    happened.get(event.type)?.(turn, event);
    if (changed) effects.push({ type: "changed" });
    return { state: turn.state, effects };
}

/** @type {Map<string, (turn: Turn, event: Event) => void>} */
const happened = new Map(Object.entries({
    // What the store had for an account: at the start, when another one turns out to be signed in, and when this tab
    // begins to lead.
    loaded(turn, event) {
        const { state } = turn;
        const other = state.account !== event.account;
        if (other) Object.assign(state, {
            account: event.account, documents: new Map(), cursor: null, entries: [], overlay: new Map(), fresh: false,
            inStep: true, devices: null, conflicts: [],
        });
        state.device = event.device ?? state.device;
        state.forked = event.forked ?? false;
        if (other && event.cursor !== null) {
            state.cursor = event.cursor;
            state.documents = new Map(event.documents.map(
                (/** @type {any} */ it) => [`${it.collection}\n${it.id}`, it]));
        }
        if (state.ahead === null && Number.isFinite(event.ahead)) {
            Object.assign(state, { ahead: event.ahead, aheadAt: null });
        }
        for (const kept of event.entries) enqueue(turn, entryOf(kept, null, false));
        turn.changed();
        // The other tabs write into the queue of the account that they show.
        if (other && state.role === "leader") turn.emit({ type: "tell", message: snapshot(turn) });
        if (!event.known) return;
        state.known = true;
        link.proceed(turn);
    },
    lead(turn, event) {
        turn.state.role = "leader";
        turn.state.link.realtime = event.realtime;
        turn.state.link.visible = event.visible;
        turn.emit({ type: "tell", message: snapshot(turn) });
        link.begin(turn);
    },
    follow(turn) {
        link.end(turn);
        turn.state.role = "follower";
        turn.emit({ type: "tell", message: { type: "behind" } });
    },

    // The user's changes
    mutate: (turn, event) => mutate(turn, /** @type {any} */ (event)),
    kept(turn, event) {
        kept(turn, event.entry, event.at);
        turn.emit({ type: "tell", message: { type: "queued", entry: event.entry, age: turn.now - event.at } });
        link.push(turn);
    },
    notKept: (turn, event) => notKept(turn, event.id, event.code),

    // The socket
    message: (turn, event) => current(turn, event) && link.receive(turn, event.message, event.fresh ?? []),
    closed: (turn, event) => current(turn, event) && link.lose(turn),

    // Requests
    answered(turn, event) {
        if (event.request === turn.state.link.request) link.answered(turn, event.answer, event.fresh ?? []);
    },
    failed(turn, event) {
        if (event.request === turn.state.link.request) link.failed(turn);
    },
    conflicts(turn, event) {
        turn.state.conflicts = event.conflicts;
        turn.changed();
        turn.emit({ type: "tell", message: { type: "conflicts", conflicts: event.conflicts } });
    },

    // The world
    timer: (turn, event) => link.rung(turn, event.name),
    wake(turn) {
        if (turn.state.role === "follower") turn.emit({ type: "tell", message: { type: "wake" } });
        link.wake(turn);
    },
    hidden: (turn) => link.hide(turn),
    unplugged: (turn) => link.unplug(turn),
    // The stopwatch and the device's clock disagree about how long it has been: it slept, or its clock was set.
    jumped(turn) {
        turn.state.entries = turn.state.entries.map((entry) => ({ ...entry, at: null }));
        turn.state.aheadAt = null;
        link.wake(turn);
    },
    // Somebody signed in, in this tab or in another: who is here is asked anew.
    signedIn(turn) {
        link.end(turn);
        turn.state.known = false;
        turn.state.device = null;
        turn.state.link.stopped = false;
        link.begin(turn);
    },
    stop(turn) {
        link.end(turn);
        turn.state.link.stopped = true;
        turn.state.role = "none";
    },

    heard(turn, event) {
        heard.get(event.message.type)?.(turn, event.message);
    },
}));

/**
 * What tabs of the same account tell each other.
 * @type {Map<string, (turn: Turn, message: any) => void>}
 */
const heard = new Map(Object.entries({
    queued(turn, message) {
        enqueue(turn, entryOf(message.entry, turn.now - message.age, false));
        link.push(turn);
    },
    behind(turn) {
        if (turn.state.role === "leader") turn.emit({ type: "tell", message: snapshot(turn) });
    },
    wake: (turn) => link.wake(turn),
    snapshot: following(catchUp),
    change: following((turn, { change }) => {
        if (!apply(turn, change)) turn.emit({ type: "tell", message: { type: "behind" } });
    }),
    results: following((turn, { results, pulled }) => {
        settle(turn, results, pulled);
        for (const result of results) turn.emit({ type: "answer", result });
    }),
    renamed: following((turn, { from, to }) => renew(turn, from, to)),
    connection: following((turn, { connection }) => {
        turn.state.connection = connection;
        turn.changed();
    }),
    presence: following((turn, { devices }) => {
        turn.state.devices = devices;
        turn.changed();
    }),
    conflicts(turn, { conflicts }) {
        turn.state.conflicts = conflicts;
        turn.changed();
    },
    signedOut(turn) {
        turn.state.link.stopped = true;
        link.end(turn);
        turn.emit({ type: "signedOut" });
    },
}));

/**
 * Of what a leader tells, another leader believes nothing.
 * @param {(turn: Turn, message: any) => void} act
 * @returns {(turn: Turn, message: any) => void}
 */
function following(act) {
    return (turn, message) => turn.state.role === "leader" || act(turn, message);
}

/**
 * All that a tab has to know to follow.
 * @param {Turn} turn
 */
function snapshot({ state, now }) {
    return {
        type: "snapshot", account: state.account, device: state.device, cursor: state.cursor, fresh: state.fresh,
        documents: [...state.documents.values()], connection: state.connection, devices: state.devices,
        conflicts: state.conflicts, time: state.ahead === null ? null : state.ahead + now,
        entries: state.entries.map((entry) => ({ ...entry, age: entry.at === null ? null : now - entry.at })),
    };
}

/** @param {Turn} turn @param {any} message  a snapshot */
function catchUp(turn, message) {
    const { state } = turn;
    const { account, device, cursor, fresh, connection, devices, conflicts } = message;
    const own = account === state.account ? waiting(state).filter((entry) => entry.own) : [];
    Object.assign(state, { account, device, cursor, fresh, connection, devices, conflicts, inStep: true });
    state.documents = new Map(message.documents.map((/** @type {any} */ it) => [`${it.collection}\n${it.id}`, it]));
    if (message.time !== null) Object.assign(state, { ahead: message.time - turn.now, aheadAt: turn.now });
    const mine = new Map(own.map((entry) => [entry.mutation.id, entry]));
    state.entries = message.entries.map((/** @type {any} */ { age, ...entry }) => {
        const kept = mine.get(entry.mutation.id);
        mine.delete(entry.mutation.id);
        return { ...entry, own: kept !== undefined, at: kept?.at ?? (age === null ? null : turn.now - age) };
    });
    // What the leader has not heard of, or has its answer for that was not heard here: it will know by the id.
    for (const entry of mine.values()) {
        state.entries = [...state.entries, entry];
        if (!entry.kept) continue;
        const { mutation, made, hint, place } = entry;
        const kept = { mutation, made, hint, place };
        const age = entry.at === null ? 0 : turn.now - entry.at;
        turn.emit({ type: "tell", message: { type: "queued", entry: kept, age } });
    }
    show(turn);
    turn.changed();
}

/**
 * Whether an event is of the present socket.
 * @param {Turn} turn
 * @param {Event} event
 */
function current(turn, event) {
    return turn.state.link.socket !== 0 && event.socket === turn.state.link.socket;
}
