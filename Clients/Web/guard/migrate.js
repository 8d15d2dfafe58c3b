// Moves what an older app left in localStorage to the server, once, and deletes it there.

import { cut } from "../text.js";

/** @typedef {import("../client.js").Client} Client */
/** @typedef {{name: string, args: Record<string, any>}} Change  a mutation to make */
/** @typedef {(value: any, client: Client) => Change[] | null} Mover  what a key's value becomes; null: nothing of worth */

/**
 * @typedef {object} Moved
 * @property {string[]} moved  keys that are on the server now, and no longer here
 * @property {string[]} dropped  keys that the server knew better, or that held nothing of worth; no longer here
 * @property {Array<{key: string, problem: import("../client.js").Problem}>} left  keys that the server refused; still
 *   here
 */

/**
 * What a browser says about money is kept and never believed: it goes under `legacy.<key>`, where whoever runs the
 * server finds it (`lockstep coins grant` makes it good). The rest becomes what it always meant.
 * @type {Readonly<Record<string, Mover>>}
 */
export const MOVERS = Object.freeze({
    theme: (value, client) => setting(client, "theme", THEMES.get(String(value).toLowerCase())),
    accessibility: (value, client) => setting(client, "accessibility", accessibility(value)),
    notifications_enabled: (value, client) => setting(client, "notifications_enabled", Boolean(value)),
    focus_paused_state: paused,
    wallet: legacy("wallet"),
    coins: legacy("coins"),
    rewards: legacy("rewards"),
    purchases: legacy("purchases"),
    inventory: legacy("inventory"),
});

const THEMES = new Map([["light", "light"], ["dark", "dark"], ["system", "system"], ["auto", "system"]]);

/**
 * Safe to call at every start, in every tab: a key goes only once the server has it, and what the server has stays.
 * @param {object} how
 * @param {Client} how.client
 * @param {Readonly<Record<string, Mover>>} [how.keys]  beside and before those of MOVERS
 * @param {Storage | null} [how.storage]
 * @returns {Promise<Moved>} once the server has answered for all; offline, that is when it is back
 */
export async function migrateLocalStorage({ client, keys = {}, storage = localStorageOrNone() }) {
    /** @type {Moved} */
    const outcome = { moved: [], dropped: [], left: [] };
    if (storage === null) return outcome;
    await whenReady(client);
    for (const [key, mover] of Object.entries({ ...MOVERS, ...keys })) {
        const text = storage.getItem(key);
        if (text === null) continue;
        const changes = mover(parsed(text), client);
        const results = await Promise.all((changes ?? []).map(({ name, args }) => client.mutate(name, args)));
        const refused = results.find((it) => it.status === "rejected");
        if (refused !== undefined) {
            outcome.left.push({ key, problem: refused.problem ?? UNKNOWN });
            continue;
        }
        // Another tab may have been quicker, and the app may have written anew: only what was moved is deleted.
        if (storage.getItem(key) === text) storage.removeItem(key);
        (changes === null || changes.length === 0 ? outcome.dropped : outcome.moved).push(key);
    }
    return outcome;
}

/** @returns {Storage | null} null: this browser has none, or not for this page */
function localStorageOrNone() {
    try {
        return globalThis.localStorage ?? null;
    } catch {
        return null;
    }
}

/** @type {import("../client.js").Problem} */
const UNKNOWN = { status: 0, code: "unknown", detail: "The server refused this value." };

/**
 * The server's own value stands.
 * @param {Client} client @param {string} key @param {any} value
 * @returns {Change[] | null}
 */
function setting(client, key, value) {
    if (value === undefined || value === null || client.read("settings", key) !== undefined) return null;
    return [{ name: "settings.set", args: { key, value } }];
}

/** @param {string} key @returns {Mover} */
function legacy(key) {
    return (value, client) => setting(client, `legacy.${key}`, value);
}

/**
 * A pause goes on as what it was: a session of the time that was left, paused.
 * @type {Mover}
 */
function paused(value, client) {
    const left = Math.round(Number(
        value?.remaining_seconds ?? value?.remainingSeconds ?? value?.timeRemaining ?? value?.remaining));
    const isPaused = value?.is_paused ?? value?.isPaused ?? value?.paused ?? true;
    if (!isPaused || !(left >= 1 && left <= 14_400) || client.read("focus", "active") !== undefined) return null;
    const title = value.task_title ?? value.taskTitle ?? value.task;
    return [
        { name: "focus.start", args: {
            duration_seconds: left, ...(typeof title === "string" ? { task_title: cut(title, 200) } : {}) } },
        { name: "focus.pause", args: {} },
    ];
}

/** @param {any} value */
function accessibility(value) {
    if (typeof value !== "object" || value === null) return undefined;
    const camel = { reduced_motion: "reducedMotion", high_contrast: "highContrast", large_text: "largeText" };
    return Object.fromEntries(Object.entries(camel).map(([name, old]) => [name, Boolean(value[name] ?? value[old])]));
}

/** @param {string} text  JSON, or what was written without thinking of it */
function parsed(text) {
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}

/**
 * Until it is known what the server has, or that nobody will ask it any more.
 * @param {Client} client
 * @returns {Promise<void>}
 */
function whenReady(client) {
    return new Promise((resolve) => {
        const look = () => {
            const { ready, stale, closed } = client.status();
            if (!closed && (!ready || stale)) return;
            end();
            resolve();
        };
        const end = client.subscribe(look);
        look();
    });
}
