// node vectors.mjs FOLDER: holds the machine against every vector (Clients/Vectors/README.md says what they mean),
// and prints
// a line of JSON for each case: {file, name, fault: null or what differs}.
// node vectors.mjs FOLDER --write: writes down what the machine does now, for somebody to read before committing it.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { initial, step } from "../../Clients/Web/sync/machine.js";
import { observe } from "../../Clients/Web/sync/clock.js";
import { judge } from "../../Clients/Web/sync/optimistic.js";
import { read, waiting } from "../../Clients/Web/sync/replica.js";

/** What everybody can see of a state. */
function viewOf(state) {
    const shown = {};
    for (const key of new Set([...state.documents.keys(), ...state.overlay.keys()])) {
        const [collection, id] = key.split("\n");
        const value = read(state, collection, id);
        if (value !== undefined) shown[`${collection}/${id}`] = value;
    }
    return {
        connection: state.connection.is, cursor: state.cursor, stale: state.cursor !== null && !state.fresh,
        pending: [...state.persisting, ...waiting(state).map((it) => it.mutation.id)],
        shown: Object.fromEntries(Object.entries(shown).sort(([one], [other]) => (one < other ? -1 : 1))),
    };
}

/** Frozen to the bottom: a machine that writes into what it was given throws. */
function frozen(value) {
    if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
    Object.freeze(value);
    for (const it of value instanceof Map ? value.values() : Object.values(value)) frozen(it);
    return value;
}

/** Plain JSON: what is undefined is absent. */
const plain = (value) => JSON.parse(JSON.stringify(value));

const QUIET = new Set(["changed"]);

/** @returns {string | null} what differs first */
function runMachine(vector, given, write) {
    let state = initial();
    const setup = [...(vector.setup ?? []), ...(given.setup ?? [])];
    for (const event of setup) state = step(frozen(state), event).state;
    let before = viewOf(state);
    for (const [index, it] of given.steps.entries()) {
        const next = step(frozen(state), frozen(it.event));
        state = next.state;
        const effects = plain(next.effects.filter((effect) => !QUIET.has(effect.type)
            && (vector.tabs === true || effect.type !== "broadcast")));
        const view = plain(viewOf(state));
        if (write) {
            it.effects = effects;
            it.view = Object.fromEntries(Object.entries(view).filter(([name, value]) => !isDeepStrictEqual(value, before[name])));
        }
        if (!isDeepStrictEqual(effects, it.effects)) return differs(`step ${index + 1}: effects`, it.effects, effects);
        for (const [name, value] of Object.entries({ ...before, ...it.view })) {
            if (!isDeepStrictEqual(view[name], value)) return differs(`step ${index + 1}: ${name}`, value, view[name]);
        }
        before = view;
    }
    return null;
}

function runOptimistic(given, write) {
    const { documents, mutation, decided } = given;
    const { effects, refusal } = plain(judge(frozen(mutation), {
        read: (collection, id) => documents[`${collection}/${id}`],
        full: (collection, most) => Object.keys(documents).filter((key) => key.startsWith(`${collection}/`)).length >= most,
    }));
    if (write) Object.assign(given, { effects });
    if (!isDeepStrictEqual(effects, given.effects)) return differs("effects", given.effects, effects);
    // Where a device cannot tell it shows nothing, and expects no refusal either.
    if (effects.length > 0 && decided.status !== "applied") return differs("shown, and decided", decided, effects);
    return refusal !== null && refusal !== decided.code ? differs("refusal", decided, refusal) : null;
}

function runClock(given, write) {
    const state = { ...initial(), ahead: null, aheadAt: null };
    for (const [index, it] of given.steps.entries()) {
        observe({ state, now: it.now }, it.server_time, it.waited);
        const shows = new Date(it.now + state.ahead).toISOString();
        if (write) it.shows = shows;
        if (shows !== it.shows) return differs(`step ${index + 1}`, it.shows, shows);
    }
    return null;
}

function differs(where, wanted, got) {
    return `${where}\n  wanted ${JSON.stringify(wanted)}\n  got    ${JSON.stringify(got)}`;
}

const [folder, mode] = process.argv.slice(2);
for (const file of readdirSync(folder).filter((it) => it.endsWith(".json")).sort()) {
    const vector = JSON.parse(readFileSync(`${folder}/${file}`, "utf8"));
    const write = mode === "--write";
    for (const given of vector.cases) {
        const run = { machine: () => runMachine(vector, given, write), optimistic: () => runOptimistic(given, write),
            clock: () => runClock(given, write) }[vector.kind];
        let fault;
        try {
            fault = run();
        } catch (error) {
            fault = error.stack;
        }
        console.log(JSON.stringify({ file, name: given.name, fault }));
    }
    if (write) writeFileSync(`${folder}/${file}`, `${pretty(vector)}\n`);
}

/** One line for what fits on it. */
function pretty(value, indent = "") {
    const line = JSON.stringify(value, null, 1).replace(/\n\s*/g, " ");
    if (typeof value !== "object" || value === null || indent.length + line.length <= 110) return line;
    const inner = `${indent}  `;
    const parts = Array.isArray(value) ? value.map((it) => pretty(it, inner))
        : Object.entries(value).map(([name, it]) => `${JSON.stringify(name)}: ${pretty(it, inner)}`);
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}
