// The changes made here that the server has not answered yet, in the order in which they were made: how one gets in,
// and how it gets out. Pure.

import { ruleOf } from "./optimistic.js";
import { acknowledge, add, apply, sendable, show, takenBack, versionOf, viewOf, waiting } from "./replica.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").StoredEntry} StoredEntry */
/** @typedef {import("./types.js").Mutation} Mutation */
/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").StepContext} StepContext */

// Below the 64 KiB of a message, with room for what stands around it.
export const LARGEST_BYTES = 60 * 1024;
// What one device may have pending. More than a user does by hand in months; less than a browser's store.
export const MOST_ENTRIES = 5_000;
export const MOST_BYTES = 16 * 1024 * 1024;

const encoder = new TextEncoder();
/** @type {Record<import("./types.js").LocalCode, string>} */
const DETAILS = {
    payload_too_large: "This change is too large to be sent.",
    queue_full: "Too many changes wait to be sent. Connect to the network first.",
    storage_full: "This device's storage is full; the change could not be kept.",
    unregistered_mutation: "This client knows no such mutation, and so not which document's version goes with it: the feature"
        + " that it belongs to registers it, in its file in Clients/Web/features.",
    invalid_value: "This change holds something that cannot be stored or sent.",
    signed_out: "You are signed out; the change was not made. Sign in and make it again.",
    unknown_user: "The server cannot be reached, and nobody is signed in here that is known of; the change was not made.",
    unknown_past: "What stood before cannot be asked for at the moment, so it is not known what of it was changed.",
    closed: "The change was not made: its page has been closed.",
};

/**
 * The user made a change. It shows at once, and is sent when the store has it. Where the store may be full, it shows
 * only then too.
 * @param {StepContext} context
 * @param {import("./types.js").Of<import("./types.js").Happening, "mutate">} event
 */
export function mutate(context, { id, name, args, made, hint, room = true }) {
    const { state } = context;
    const rule = ruleOf(name);
    if (rule === undefined) return refuse(context, id, "unregistered_mutation", `It was called “${name}”.`);
    const { prepared = (it) => it } = rule;
    /** @type {Mutation} */
    const mutation = { id, name, args: prepared(args, viewOf(state).read), ...baseOf(state, rule, args) };
    const bytes = sizeOf(mutation);
    const queue = waiting(state);
    if (bytes > LARGEST_BYTES) return refuse(context, id, "payload_too_large");
    const held = queue.reduce((sum, entry) => sum + entry.bytes, 0);
    if (queue.length >= MOST_ENTRIES || held + bytes > MOST_BYTES) return refuse(context, id, "queue_full");
    const entry = { mutation, made, ...(hint === undefined ? {} : { hint }) };
    if (room) enqueue(context, { ...entryOf(entry, context.now, true), persisted: false });
    else state.persisting = [...state.persisting, id];
    context.emit({ type: "persist", entry, at: context.now });
}

/**
 * The store has it, with its number.
 * @param {StepContext} context
 * @param {StoredEntry} stored
 * @param {number} at  the stopwatch when it was made
 */
export function persisted(context, stored, at) {
    const { state } = context;
    const { id } = stored.mutation;
    state.persisting = state.persisting.filter((it) => it !== id);
    const shown = state.entries.some((entry) => entry.mutation.id === id);
    if (!shown) return enqueue(context, entryOf(stored, at, true));
    state.entries = state.entries.map((entry) => entry.mutation.id !== id ? entry : {
        ...entry, persisted: true, place: stored.place,
        mutation: { ...entry.mutation, ...stored.mutation, args: entry.mutation.args },
    });
    sort(context);
}

/**
 * The store will not have it: it is undone, and said.
 * @param {StepContext} context
 * @param {string} id
 * @param {import("./types.js").LocalCode} code
 */
export function notPersisted(context, id, code) {
    const { state } = context;
    state.persisting = state.persisting.filter((it) => it !== id);
    state.entries = state.entries.filter((entry) => entry.mutation.id !== id);
    show(context);
    refuse(context, id, code);
}

/**
 * Nothing of it was shown, nothing of it is left.
 * @param {StepContext} context @param {string} id @param {import("./types.js").LocalCode} code @param {string} [more]
 */
export function refuse(context, id, code, more) {
    context.changed();
    context.emit({ type: "answer", result: refusal(id, code, more) });
}

/**
 * The final word on a change that was not made, and why.
 * @param {string} id @param {import("./types.js").LocalCode} code @param {string} [more]
 * @returns {Result}
 */
export function refusal(id, code, more) {
    const detail = more === undefined ? DETAILS[code] : `${DETAILS[code]} ${more}`;
    return { id, status: "rejected", problem: { status: 0, code, detail } };
}

/**
 * The version that the user saw when they made the change: what the server compares to find that somebody else was first.
 * Unknown before the first pull, and then left out: the change is made whatever stands there.
 * @param {State} state @param {import("./types.js").MutationRule} rule @param {Record<string, any>} args
 * @returns {{base_version?: number}}
 */
function baseOf(state, { document }, args) {
    return state.cursor === null || document === null ? {} : { base_version: versionOf(state, ...document(args)) };
}

/**
 * An entry as it is held here.
 * @param {StoredEntry} stored
 * @param {number | null} at  the stopwatch when it was made
 * @param {boolean} own
 * @returns {Entry}
 */
export function entryOf(stored, at, own) {
    return {
        ...stored, at, own, effects: [], bytes: sizeOf(stored.mutation), persisted: true, sent: false, landed: false, answered: false,
    };
}

/**
 * With the members that are added when it is sent.
 * @param {Mutation} mutation
 */
function sizeOf(mutation) {
    return encoder.encode(JSON.stringify({ ...mutation, seq: 1e15, age_ms: 1e15 })).length;
}

/**
 * The entry is in the store; the user sees it now. An entry that is here already stays as it is.
 * @param {StepContext} context @param {Entry} entry
 */
export function enqueue(context, entry) {
    const { state } = context;
    if (state.entries.some((it) => it.mutation.id === entry.mutation.id)) return;
    add(context, entry);
    sort(context);
    context.changed();
}

/**
 * Brings what was not sent yet into the store's order: another tab's may be heard of late.
 * @param {StepContext} context
 */
function sort(context) {
    const { entries } = context.state;
    const places = entries.map((entry) => entry.sent ? -1 : entry.place ?? Infinity);
    if (places.every((place, at) => at === 0 || places[at - 1] <= place)) return;
    const sent = entries.filter((entry) => entry.sent);
    const rest = entries.filter((entry) => !entry.sent);
    context.state.entries = [...sent, ...rest.sort((one, other) => order(one.place, other.place))];
    show(context);
}

/**
 * @param {number | undefined} one
 * @param {number | undefined} other
 */
function order(one = Infinity, other = Infinity) {
    return one === other ? 0 : one - other;
}

/**
 * A change from the server, applied where it fits, kept in the store and told to the other tabs.
 * @param {StepContext} context @param {import("./types.js").Change} change
 * @returns {boolean}
 */
export function receiveChange(context, change) {
    const { entries: shown, fresh } = context.state;
    if (!apply(context, change)) return false;
    const { cursor, reset, documents } = change;
    const moves = reset || documents.length > 0 || change.previous !== cursor || (change.mutation_ids ?? []).length > 0;
    if (moves) context.emit({ type: "save", cursor, reset, documents });
    // An empty one that moves nothing is worth no word, unless it is the server's first, until which the other tabs call old
    // what they show; or the pull that answered changes have waited for, until which they show them.
    if (moves || !fresh || context.state.entries.length < shown.length) context.emit({ type: "broadcast", message: { type: "change", change } });
    return true;
}

/**
 * The server's final words. They may be about the first few of what was sent; the rest is sent again.
 * @param {StepContext} context
 * @param {Result[]} results
 * @param {boolean} pulled
 * @param {string[]} [fresh]  ids that nothing has yet
 * @returns {boolean} whether any of them was about what waits here
 */
export function acknowledgeResults(context, results, pulled, fresh = []) {
    const { state } = context;
    const queued = new Set(sendable(state).map((entry) => entry.mutation.id));
    const ours = results.filter((result) => queued.has(result.id));
    const forks = ours.filter((result) => result.problem?.code === "device_forked" && fresh.length > 0);
    const final = ours.filter((result) => !forks.includes(result));
    if (final.length > 0) {
        const tookBack = takenBack(state, final);
        acknowledge(context, final, pulled);
        // The tabs hear of it before the store forgets it: who leads next would otherwise have nothing to tell them.
        context.emit({ type: "broadcast", message: { type: "results", results: final, pulled } });
        context.emit({ type: "forget", ids: final.map((result) => result.id) });
        for (const result of final) context.emit({ type: "answer", result });
        for (const conflict of tookBack) context.emit({ type: "tookBack", conflict });
        if (final.some((result) => result.status === "conflict")) context.emit({ type: "conflicts" });
    }
    if (forks.length > 0) fork(context, forks.map((result) => result.id), fresh);
    return ours.length > 0;
}

/**
 * Another machine counts as this device does: a copy of it, or a store that was lost. The count is given up, and what
 * was refused for it is sent under other ids.
 * @param {StepContext} context @param {string[]} ids @param {string[]} fresh
 */
function fork(context, ids, fresh) {
    context.state.forked = true;
    context.emit({ type: "forked" });
    ids.forEach((from, index) => renew(context, from, fresh[index % fresh.length]));
}

/**
 * @param {StepContext} context @param {string} from @param {string} to
 */
export function renew(context, from, to) {
    const { state } = context;
    state.entries = state.entries.map((entry) => {
        const { mutation } = entry;
        if (mutation.id === from) {
            const { seq: _, ...rest } = mutation;
            return { ...entry, mutation: { ...rest, id: to }, sent: false };
        }
        // A queue names what it creates by the mutation's id.
        const names = Object.keys(mutation.args).filter((name) => mutation.args[name] === from);
        if (names.length === 0) return entry;
        const args = { ...mutation.args, ...Object.fromEntries(names.map((name) => [name, to])) };
        return { ...entry, mutation: { ...mutation, args }, sent: false };
    });
    show(context);
    context.changed();
    context.emit({ type: "renamed", from, to });
    context.emit({ type: "broadcast", message: { type: "renamed", from, to } });
}
