// What a device holds: the server's documents as of one cursor, and over them what the changes made here will have
// done. Pure: every function reads the turn's state and leaves another one in it.

import { judge } from "./optimistic.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Change} Change */
/** @typedef {import("./types.js").Result} Result */
/** @typedef {import("./types.js").StepContext} StepContext */

/** @param {string} collection @param {string} id */
export function keyOf(collection, id) {
    return `${collection}\n${id}`;
}

/**
 * The value that the user sees; undefined where there is none.
 * @param {State} state @param {string} collection @param {string} id
 */
export function read(state, collection, id) {
    const key = keyOf(collection, id);
    const value = state.overlay.has(key) ? state.overlay.get(key) : state.documents.get(key)?.value;
    return value ?? undefined;
}

/**
 * The documents as the user sees them.
 * @param {State} state
 * @returns {import("./types.js").View}
 */
export function viewOf(state) {
    return {
        read: (collection, id) => read(state, collection, id),
        full(collection, most) {
            const { documents, overlay } = state;
            if (documents.size + overlay.size < most) return false;
            const prefix = keyOf(collection, "");
            const keys = new Set([...documents.keys(), ...overlay.keys()].filter((key) => key.startsWith(prefix)));
            return [...keys].filter((key) => read(state, collection, key.slice(prefix.length)) !== undefined).length >= most;
        },
    };
}

/**
 * The version of the server's document, a deleted one's too; 0 where there is none.
 * @param {State} state @param {string} collection @param {string} id
 */
export function versionOf(state, collection, id) {
    return state.documents.get(keyOf(collection, id))?.version ?? 0;
}

/**
 * What the server has not answered.
 * @param {State} state
 */
export function waiting(state) {
    return state.entries.filter((entry) => !entry.answered);
}

/**
 * What may be sent: that, as far as the store has it.
 * @param {State} state
 */
export function sendable(state) {
    return state.entries.filter((entry) => entry.persisted && !entry.answered);
}

/**
 * Applies a change where it fits: at its `previous`, or anywhere when it holds everything.
 * @param {StepContext} context @param {Change} change
 * @returns {boolean} false: this replica stands elsewhere and has to pull from its own cursor
 */
export function apply(context, change) {
    const { state } = context;
    if (!change.reset && change.previous !== state.cursor) {
        state.inStep = false;
        return false;
    }
    const moved = change.reset || change.cursor !== state.cursor;
    if (change.reset || change.documents.length > 0) {
        const documents = new Map(change.reset ? [] : state.documents);
        for (const document of change.documents) {
            const key = keyOf(document.collection, document.id);
            // The same object while it says the same, so that nobody who looks at it takes it for another.
            const before = read(state, document.collection, document.id) ?? null;
            const value = alike(before, document.value) ? before : document.value;
            documents.set(key, value === document.value ? document : { ...document, value });
        }
        state.documents = documents;
    }
    state.cursor = change.cursor;
    state.inStep = true;
    // In the same stroke, so that nothing flickers between the optimistic value and the confirmed one.
    const carried = new Set(change.mutation_ids ?? []);
    land(context, (entry) => entry.answered || carried.has(entry.mutation.id));
    if (moved || !state.fresh) context.changed();
    state.fresh = true;
    return true;
}

/**
 * Results are final. What a mutation did is in the replica already when it is in step; otherwise what it shows stays
 * until the next change is applied. A rejected one has done nothing.
 * @param {StepContext} context
 * @param {Result[]} results
 * @param {boolean} pulled  whether the change that came with the results has been applied
 */
export function acknowledge(context, results, pulled) {
    const { state } = context;
    const byId = new Map(results.map((result) => [result.id, result]));
    const even = pulled && state.inStep;
    const over = takenBack(state, results);
    if (over.length > 0) state.conflicts = state.conflicts.filter((it) => !over.includes(it.id));
    state.entries = state.entries.map((entry) => byId.has(entry.mutation.id) ? { ...entry, answered: true } : entry);
    land(context, (entry) => entry.answered && (even || byId.get(entry.mutation.id)?.status === "rejected"));
    context.changed();
}

/**
 * The conflicts that these results have taken back.
 * @param {State} state @param {Result[]} results
 * @returns {string[]}
 */
export function takenBack(state, results) {
    const done = new Set(results.filter((result) => result.status !== "rejected").map((result) => result.id));
    return waiting(state).filter((entry) => done.has(entry.mutation.id) && typeof entry.hint?.takesBack === "string")
        .map((entry) => entry.hint.takesBack);
}

/** @param {StepContext} context @param {(entry: Entry) => boolean} which */
function land(context, which) {
    const { state } = context;
    state.entries = state.entries.map((entry) => !entry.landed && which(entry) ? { ...entry, landed: true } : entry)
        .filter((entry) => !(entry.answered && entry.landed));
    show(context);
}

/**
 * Computes anew what the entries show, each over those before it. One that the server may have keeps what it showed:
 * the documents may already hold what it did.
 * @param {StepContext} context
 */
export function show({ state }) {
    if (state.entries.length === 0 && state.overlay.size === 0) return;
    /** @type {Map<string, any>} */
    const overlay = new Map();
    const shown = { ...state, overlay };
    state.entries = state.entries.map((entry) => {
        if (entry.landed) return entry;
        const now = entry.sent ? entry.effects
            : judge(localOf(entry), viewOf(shown)).effects;
        const effects = alike(now, entry.effects) ? entry.effects : now;
        for (const effect of effects) overlay.set(keyOf(effect.collection, effect.id), effect.value);
        return effects === entry.effects ? entry : { ...entry, effects };
    });
    state.overlay = overlay;
}

/**
 * One more entry, behind all others.
 * @param {StepContext} context @param {Entry} entry
 */
export function add({ state }, entry) {
    const effects = entry.landed ? [] : judge(localOf(entry), viewOf(state)).effects;
    const overlay = new Map(state.overlay);
    for (const effect of effects) overlay.set(keyOf(effect.collection, effect.id), effect.value);
    state.entries = [...state.entries, { ...entry, effects }];
    state.overlay = overlay;
}

/** @param {Entry} entry @returns {import("./types.js").LocalMutation} */
function localOf({ mutation, made, hint }) {
    return { id: mutation.id, name: mutation.name, args: mutation.args, made, hint };
}

/**
 * Whether two JSON values say the same.
 * @param {any} one @param {any} other
 * @returns {boolean}
 */
export function alike(one, other) {
    if (one === other) return true;
    if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
    if (Array.isArray(one) !== Array.isArray(other)) return false;
    const names = Object.keys(one);
    return names.length === Object.keys(other).length
        && names.every((name) => Object.hasOwn(other, name) && alike(one[name], other[name]));
}
