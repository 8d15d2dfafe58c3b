// The changes made here that the server has not answered yet, in the order in which they were made: how one gets in,
// and how it gets out. Pure.

import { itemOf } from "./optimistic.js";
import { add, apply, read, sendable, settle, show, versionOf, waiting } from "./replica.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Kept} Kept */
/** @typedef {import("./types.js").Mutation} Mutation */
/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Turn} Turn */

// Below the 64 KiB of a message, with room for what stands around it.
export const LARGEST_BYTES = 60 * 1024;
// What one device may have pending. More than a user does by hand in months; less than a browser's store.
export const MOST_ENTRIES = 5_000;
export const MOST_BYTES = 16 * 1024 * 1024;

const encoder = new TextEncoder();
const DETAILS = {
    payload_too_large: "This change is too large to be sent.",
    queue_full: "Too many changes wait to be sent. Connect to the network first.",
    storage_full: "This device's storage is full; the change could not be kept.",
};

/**
 * The user made a change. It shows at once, and is sent when the store has it. Where the store may be full, it shows
 * only then too.
 * @param {Turn} turn
 * @param {{id: string, name: string, args: Record<string, any>, made: number, hint?: any, room?: boolean}} event
 */
export function mutate(turn, { id, name, args, made, hint, room = true }) {
    const { state } = turn;
    /** @type {Mutation} */
    const mutation = {
        id, name, args: name === "market.purchase" ? priced(state, args) : args, ...baseOf(state, name, args),
    };
    const bytes = sizeOf(mutation);
    const queue = waiting(state);
    if (bytes > LARGEST_BYTES) return refuse(turn, id, "payload_too_large");
    const held = queue.reduce((sum, entry) => sum + entry.bytes, 0);
    if (queue.length >= MOST_ENTRIES || held + bytes > MOST_BYTES) return refuse(turn, id, "queue_full");
    const entry = { mutation, made, ...(hint === undefined ? {} : { hint }) };
    if (room) enqueue(turn, { ...entryOf(entry, turn.now, true), kept: false });
    else state.keeping = [...state.keeping, id];
    turn.emit({ type: "keep", entry, at: turn.now });
}

/**
 * The store has it, with its number.
 * @param {Turn} turn
 * @param {Kept} kept
 * @param {number} at  the stopwatch when it was made
 */
export function kept(turn, kept, at) {
    const { state } = turn;
    const { id } = kept.mutation;
    state.keeping = state.keeping.filter((it) => it !== id);
    const shown = state.entries.some((entry) => entry.mutation.id === id);
    if (!shown) return enqueue(turn, entryOf(kept, at, true));
    state.entries = state.entries.map((entry) => entry.mutation.id !== id ? entry : {
        ...entry, kept: true, place: kept.place,
        mutation: { ...entry.mutation, ...kept.mutation, args: entry.mutation.args },
    });
    sort(turn);
}

/**
 * The store will not have it: it is undone, and said.
 * @param {Turn} turn
 * @param {string} id
 * @param {keyof typeof DETAILS} code
 */
export function notKept(turn, id, code) {
    const { state } = turn;
    state.keeping = state.keeping.filter((it) => it !== id);
    state.entries = state.entries.filter((entry) => entry.mutation.id !== id);
    show(turn);
    refuse(turn, id, code);
}

/**
 * Nothing of it was shown, nothing of it is left.
 * @param {Turn} turn @param {string} id @param {keyof typeof DETAILS} code
 */
export function refuse(turn, id, code) {
    turn.changed();
    turn.emit({
        type: "answer", result: { id, status: "rejected", problem: { status: 0, code, detail: DETAILS[code] } },
    });
}

/**
 * A purchase carries the price that its buyer saw.
 * @param {State} state @param {Record<string, any>} args
 */
function priced(state, args) {
    const [, item] = itemOf(String(args.item_id), (collection, id) => read(state, collection, id));
    return item === undefined ? args : { expected_cost_coins: item.cost_coins, ...args };
}

/**
 * The version that the user saw when he made the change: what the server compares to find that somebody else was first.
 * Unknown before the first pull, and then left out: the change is made whatever stands there.
 * @param {State} state @param {string} name @param {Record<string, any>} args
 * @returns {{base_version?: number}}
 */
function baseOf(state, name, args) {
    if (state.cursor === null) return {};
    if (name.startsWith("settings.")) return { base_version: versionOf(state, "settings", String(args.key)) };
    return name.startsWith("focus.") ? { base_version: versionOf(state, "focus", "active") } : {};
}

/**
 * An entry as it is held here.
 * @param {Kept} kept
 * @param {number | null} at  the stopwatch when it was made
 * @param {boolean} own
 * @returns {Entry}
 */
export function entryOf(kept, at, own) {
    return {
        ...kept, at, own, effects: [], bytes: sizeOf(kept.mutation), kept: true, sent: false, landed: false, answered: false,
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
 * @param {Turn} turn @param {Entry} entry
 */
export function enqueue(turn, entry) {
    const { state } = turn;
    if (state.entries.some((it) => it.mutation.id === entry.mutation.id)) return;
    add(turn, entry);
    sort(turn);
    turn.changed();
}

/**
 * Brings what was not sent yet into the store's order: another tab's may be heard of late.
 * @param {Turn} turn
 */
function sort(turn) {
    const { entries } = turn.state;
    const places = entries.map((entry) => entry.sent ? -1 : entry.place ?? Infinity);
    if (places.every((place, at) => at === 0 || places[at - 1] <= place)) return;
    const sent = entries.filter((entry) => entry.sent);
    const rest = entries.filter((entry) => !entry.sent);
    turn.state.entries = [...sent, ...rest.sort((one, other) => order(one.place, other.place))];
    show(turn);
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
 * @param {Turn} turn @param {import("./types.js").Change} change
 * @returns {boolean}
 */
export function take(turn, change) {
    if (!apply(turn, change)) return false;
    const { cursor, reset, documents } = change;
    // An empty one that moves nothing is worth neither a write nor a word.
    if (reset || documents.length > 0 || change.previous !== cursor || (change.mutation_ids ?? []).length > 0) {
        turn.emit({ type: "save", cursor, reset, documents });
        turn.emit({ type: "tell", message: { type: "change", change } });
    }
    return true;
}

/**
 * The server's final words. They may be about the first few of what was sent; the rest is sent again.
 * @param {Turn} turn
 * @param {Result[]} results
 * @param {boolean} pulled
 * @param {string[]} [fresh]  ids that nothing has yet
 */
export function settled(turn, results, pulled, fresh = []) {
    const { state } = turn;
    const queued = new Set(sendable(state).map((entry) => entry.mutation.id));
    const ours = results.filter((result) => queued.has(result.id));
    const forks = ours.filter((result) => result.problem?.code === "device_forked" && fresh.length > 0);
    const final = ours.filter((result) => !forks.includes(result));
    if (final.length > 0) {
        settle(turn, final, pulled);
        // The tabs hear of it before the store forgets it: who leads next would otherwise have nothing to tell them.
        turn.emit({ type: "tell", message: { type: "results", results: final, pulled } });
        turn.emit({ type: "forget", ids: final.map((result) => result.id) });
        for (const result of final) turn.emit({ type: "answer", result });
        if (final.some((result) => result.status === "conflict")) turn.emit({ type: "conflicts" });
    }
    if (forks.length > 0) fork(turn, forks.map((result) => result.id), fresh);
}

/**
 * Another machine counts as this device does: a copy of it, or a store that was lost. The count is given up, and what
 * was refused for it is sent under other ids.
 * @param {Turn} turn @param {string[]} ids @param {string[]} fresh
 */
function fork(turn, ids, fresh) {
    turn.state.forked = true;
    turn.emit({ type: "forked" });
    ids.forEach((from, index) => renew(turn, from, fresh[index % fresh.length]));
}

/**
 * @param {Turn} turn @param {string} from @param {string} to
 */
export function renew(turn, from, to) {
    const { state } = turn;
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
    show(turn);
    turn.changed();
    turn.emit({ type: "renamed", from, to });
    turn.emit({ type: "tell", message: { type: "renamed", from, to } });
}
