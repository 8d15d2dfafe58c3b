// A device's end of Lockstep as a pure state machine: what it holds and what happened give what it holds then and what
// is to be done. No clock, no chance, no I/O: `now` and `random` come with the event, the shell does what is asked for.
// Clients/Vectors/ says the same as data, for machines in other languages.

import { slept } from "./clock.js";
import * as link from "./link.js";
import { enqueue, entryOf, mutate, notPersisted, persisted, renew } from "./queue.js";
import { acknowledge, apply, keyOf, show, waiting } from "./replica.js";
import { connectionOf, reasonOf, toldOf } from "./status.js";

/** @typedef {import("./types.js").Effect} Effect */
/** @typedef {import("./types.js").Event} Event */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").StepContext} StepContext */
/** @typedef {import("./types.js").TabMessage} TabMessage */
/**
 * @template {{type: string}} Union
 * @template {Union["type"]} Type
 * @typedef {import("./types.js").Of<Union, Type>} Of
 */

/** @returns {State} */
export function initial() {
    return {
        role: "none", account: null, device: null, known: false, forked: false,
        cursor: null, documents: new Map(), inStep: true, fresh: false, entries: [], persisting: [], overlay: new Map(),
        connection: { is: "starting" }, devices: null, conflicts: [], ahead: null, aheadAt: null, aheadTold: null,
        link: link.newLink(),
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
    /** @type {StepContext} */
    const context = {
        state: { ...before, link: { ...before.link } },
        now: event.now ?? 0,
        random: event.random ?? 0,
        emit: (effect) => effects.push(effect),
        changed: () => (changed = true),
    };
    // What a later version of the shell says is nothing to this one.
    if (Object.hasOwn(happened, event.type)) handlerOf(event)(context, event);
    if (changed) effects.push({ type: "changed" });
    return { state: context.state, effects };
}

/**
 * @template {Event} E
 * @param {E} event
 * @returns {(context: StepContext, event: E) => unknown}
 */
function handlerOf(event) {
    return /** @type {any} */ (happened)[event.type];
}

/** @type {{[Type in Event["type"]]: (context: StepContext, event: Of<Event, Type>) => unknown}} */
const happened = {
    // What the store had for an account: at the start, when another one turns out to be signed in, when this tab begins to
    // lead; and late, where the store took its time.
    loaded(context, event) {
        const { state } = context;
        const other = state.account !== event.account;
        if (other) Object.assign(state, {
            account: event.account, documents: new Map(), cursor: null, entries: [], overlay: new Map(), fresh: false,
            inStep: true, devices: null, conflicts: [],
        });
        if (other || !state.known) state.device = event.device ?? state.device;
        state.forked = event.forked ?? false;
        const brings = state.cursor === null && event.cursor !== null;
        if (brings) {
            state.cursor = event.cursor;
            state.documents = new Map(event.documents.map((it) => [keyOf(it.collection, it.id), it]));
        }
        if (state.ahead === null && Number.isFinite(event.ahead)) {
            Object.assign(state, { ahead: event.ahead, aheadAt: null });
        }
        for (const stored of event.entries) enqueue(context, entryOf(stored, null, false));
        context.changed();
        // The other tabs write into the queue of the account that they show.
        if ((other || brings) && state.role === "leader") context.emit({ type: "broadcast", message: snapshot(context) });
        if (brings) show(context);
        if (event.known) {
            state.known = true;
            link.proceed(context);
        } else if (state.entries.length > 0) {
            link.push(context);
        }
    },
    lead(context, event) {
        context.state.role = "leader";
        context.state.link.realtime = event.realtime;
        context.state.link.holds = event.holds ?? false;
        context.state.link.visible = event.visible;
        context.emit({ type: "broadcast", message: snapshot(context) });
        link.begin(context);
    },
    follow(context) {
        link.end(context);
        context.state.role = "follower";
        context.emit({ type: "broadcast", message: { type: "behind" } });
    },

    // The user's changes
    mutate: (context, event) => mutate(context, event),
    persisted(context, event) {
        persisted(context, event.entry, event.at);
        context.emit({ type: "broadcast", message: { type: "queued", entry: event.entry, age: context.now - event.at } });
        link.push(context);
    },
    notPersisted: (context, event) => notPersisted(context, event.id, event.code),

    // The socket
    message: (context, event) => current(context, event) && link.receive(context, event.message, event.fresh ?? []),
    closed: (context, event) => current(context, event) && link.lose(context),

    // Requests
    answered(context, event) {
        if (isPresent(context, event)) link.answered(context, event.answer, event.fresh ?? []);
    },
    failed(context, event) {
        if (isPresent(context, event)) link.failed(context, event.reason);
    },
    conflicts(context, event) {
        context.state.conflicts = event.conflicts;
        context.changed();
        context.emit({ type: "broadcast", message: { type: "conflicts", conflicts: event.conflicts } });
    },

    // The world
    timer: (context, event) => link.timerFired(context, event.name),
    wake(context) {
        if (context.state.role === "follower") context.emit({ type: "broadcast", message: { type: "wake" } });
        link.wake(context);
    },
    hidden: (context) => link.hide(context),
    holds: (context, event) => link.hold(context, event.holds),
    unplugged: (context) => link.unplug(context),
    // The stopwatch and the device's clock disagree about how long it has been: it slept, or its clock was set.
    jumped(context, event) {
        context.state.entries = context.state.entries.map((entry) => ({ ...entry, at: null }));
        slept(context, event.by ?? 0);
        if (context.state.role === "follower") context.emit({ type: "broadcast", message: { type: "behind" } });
        link.lookAgain(context);
    },
    // Somebody signed in, in this tab or in another: who is here is asked anew.
    signedIn(context) {
        link.end(context);
        context.state.known = false;
        context.state.device = null;
        context.state.link.stopped = false;
        link.begin(context);
    },
    stop(context) {
        link.end(context);
        context.state.link.stopped = true;
        context.state.role = "none";
        if (reasonOf(context.state) === "signed_out") return;
        context.state.connection = { is: "offline", reason: "closed" };
        context.changed();
    },

    heard(context, { message, age = 0 }) {
        if (Object.hasOwn(heard, message.type)) listenerOf(message)(context, message, age);
    },
};

/**
 * @template {TabMessage} M
 * @param {M} message
 * @returns {(context: StepContext, message: M, age: number) => unknown}
 */
function listenerOf(message) {
    return /** @type {any} */ (heard)[message.type];
}

/**
 * What tabs of the same account tell each other. Who stood still hears it late: `age` milliseconds after it was said.
 * @type {{[Type in TabMessage["type"]]: (context: StepContext, message: Of<TabMessage, Type>, age: number) => unknown}}
 */
const heard = {
    queued(context, message, age) {
        enqueue(context, entryOf(message.entry, context.now - message.age - age, false));
        link.push(context);
    },
    behind(context) {
        if (context.state.role === "leader") context.emit({ type: "broadcast", message: snapshot(context) });
    },
    wake(context) {
        link.wake(context);
        // Whoever is looked at again may have stood still: the time is right for them now.
        const { role, ahead } = context.state;
        if (role === "leader" && ahead !== null) context.emit({ type: "broadcast", message: { type: "time", time: ahead + context.now } });
    },
    snapshot: following(catchUp),
    change: following((context, { change }) => {
        if (!apply(context, change)) context.emit({ type: "broadcast", message: { type: "behind" } });
    }),
    results: following((context, { results, pulled }) => {
        acknowledge(context, results, pulled);
        for (const result of results) context.emit({ type: "answer", result });
    }),
    renamed: following((context, { from, to }) => renew(context, from, to)),
    time: following((context, { time }, age) => {
        Object.assign(context.state, { ahead: time + age - context.now, aheadAt: context.now });
        context.changed();
    }),
    connection: following((context, { connection, reason }) => {
        context.state.connection = connectionOf(connection, reason);
        context.changed();
    }),
    presence: following((context, { devices }) => {
        context.state.devices = devices;
        context.changed();
    }),
    conflicts(context, { conflicts }) {
        context.state.conflicts = conflicts;
        context.changed();
    },
    signedOut: (context) => link.leave(context),
};

/**
 * Of what a leader tells, another leader believes nothing.
 * @template {TabMessage} M
 * @param {(context: StepContext, message: M, age: number) => unknown} act
 * @returns {(context: StepContext, message: M, age: number) => unknown}
 */
function following(act) {
    return (context, message, age) => context.state.role === "leader" || act(context, message, age);
}

/**
 * All that a tab has to know to follow.
 * @param {StepContext} context
 * @returns {import("./types.js").Snapshot}
 */
function snapshot({ state, now }) {
    return {
        type: "snapshot", account: state.account, device: state.device, cursor: state.cursor, fresh: state.fresh,
        documents: [...state.documents.values()], ...toldOf(state), devices: state.devices,
        conflicts: state.conflicts, time: state.ahead === null ? null : state.ahead + now,
        entries: state.entries.map((entry) => ({ ...entry, age: entry.at === null ? null : now - entry.at })),
    };
}

/** @param {StepContext} context @param {import("./types.js").Snapshot} message @param {number} said  so many milliseconds ago */
function catchUp(context, message, said) {
    const { state } = context;
    const { account, device, cursor, fresh, devices, conflicts } = message;
    const own = account === state.account ? waiting(state).filter((entry) => entry.own) : [];
    Object.assign(state, { account, device, cursor, fresh, devices, conflicts, inStep: true });
    state.connection = connectionOf(message.connection, message.reason);
    state.documents = new Map(message.documents.map((it) => [keyOf(it.collection, it.id), it]));
    if (message.time !== null) Object.assign(state, { ahead: message.time + said - context.now, aheadAt: context.now });
    const mine = new Map(own.map((entry) => [entry.mutation.id, entry]));
    state.entries = message.entries.map(({ age, ...entry }) => {
        const known = mine.get(entry.mutation.id);
        mine.delete(entry.mutation.id);
        return { ...entry, own: known !== undefined, at: known?.at ?? (age === null ? null : context.now - age - said) };
    });
    // What the leader has not heard of, or has its answer for that was not heard here: it will know by the id.
    for (const entry of mine.values()) {
        state.entries = [...state.entries, entry];
        if (!entry.persisted) continue;
        const { mutation, made, hint, place } = entry;
        const stored = { mutation, made, hint, place };
        const age = entry.at === null ? 0 : context.now - entry.at;
        context.emit({ type: "broadcast", message: { type: "queued", entry: stored, age } });
    }
    show(context);
    context.changed();
}

/**
 * Whether an event is of the present socket.
 * @param {StepContext} context
 * @param {{socket: number}} event
 */
function current({ state: { link: { socket } } }, event) {
    return socket.is !== "closed" && event.socket === socket.number;
}

/**
 * Whether an answer is to the present request.
 * @param {StepContext} context
 * @param {{request: number}} event
 */
function isPresent({ state: { link: { request } } }, event) {
    return request.is === "asking" && event.request === request.number;
}
