// The client's part of focus sessions. The server's: Modules/Focus/Storage/focus.sql.

import { moved } from "./coins.js";
import { optionalChoice, optionalFlag, optionalId, optionalInteger, optionalText, Refusal, requiredId } from "./fields.js";

/** @typedef {import("../sync/types.js").ShownValue} ShownValue */
/** @typedef {import("../sync/types.js").LocalMutation} LocalMutation */
/** @typedef {import("../sync/types.js").Read} Read */
/** @typedef {import("../sync/types.js").View} View */

/** How long a session is where nobody says otherwise. */
export const USUAL_SECONDS = { focus: 1500, break: 300, long_break: 900 };
export const LONGEST_SECONDS = 14_400;
export const COINS_PER_SESSION = 10;
const SECONDS_PER_SESSION = 1500;
const LONGEST_TITLE = 200;
// A session may be completed this long before its end (contract, section 4).
const EARLY_SECONDS = 2;
// After this long a paused session expires, unless whoever runs the server says otherwise.
const EXPIRY_MS = 3_600_000;
// The server ends a session within a second of its time. So much later, nobody is there who could.
const OVERDUE_MS = 10 * 60_000;

/** @type {(args: Record<string, any>) => [string, string]} */
const documentOf = () => ["focus", "active"];

/** @type {import("../sync/types.js").Feature} */
export const focus = {
    mutations: {
        "focus.start": {
            document: documentOf, effects: start, words: { title: "Starting a session", wanted: "you started one" },
        },
        "focus.pause": {
            document: documentOf, effects: pause, words: { title: "Pausing the session", wanted: "you paused it" },
        },
        "focus.resume": {
            document: documentOf, effects: resume,
            words: { title: "Going on with the session", wanted: "you went on with it" },
        },
        "focus.complete": {
            document: documentOf, effects: complete, words: { title: "Ending the session", wanted: "you ended it" },
        },
        "focus.abandon": {
            document: documentOf, effects: abandon, words: { title: "Giving the session up", wanted: "you gave it up" },
        },
    },
    shared: [],
    // What happens to a session is promised to who does not look, too.
    promises(read, now) {
        const session = read("focus", "active");
        if (session?.status === "paused") return true;
        if (session?.status !== "active") return false;
        return now === null || !(Date.parse(session.ends_at) + OVERDUE_MS < now);
    },
    problems: {
        not_active: "This session is paused already.",
        not_paused: "This session runs already.",
        no_session: "There is no session any more.",
        session_live: "A session is running already. End it first.",
        already_ended: "This session has ended already.",
        too_early: "This session is not over yet; it ends by itself.",
    },
};

/**
 * How long a session of this mode is where its start does not say.
 * @param {keyof typeof USUAL_SECONDS} mode @param {Read} read
 * @returns {number}
 */
export function usualSeconds(mode, read) {
    const own = read("settings", `${mode}.duration_seconds`);
    return Number.isInteger(own) && own >= 1 && own <= LONGEST_SECONDS ? own : USUAL_SECONDS[mode];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function start({ id, args, made }, { read }) {
    const mode = optionalChoice(args, "mode", /** @type {const} */ (["focus", "break", "long_break"])) ?? "focus";
    const seconds = optionalInteger(args, "duration_seconds", 1, LONGEST_SECONDS) ?? usualSeconds(mode, read);
    const title = optionalText(args, "task_title", LONGEST_TITLE) ?? null;
    const replaces = optionalFlag(args, "replace") ?? false;
    const live = read("focus", "active");
    const over = live !== undefined && isOver(live, made);
    if (live !== undefined && !over && !replaces) {
        if (mayHaveExpired(live, made)) return [];
        throw new Refusal("session_live");
    }
    return [document({
        id, mode, status: "active", duration_seconds: seconds, started_at: time(made),
        ends_at: time(made + seconds * 1000), paused_at: null, remaining_seconds: null, pause_count: 0,
        paused_seconds: 0, task_title: title, coins_awarded: 0, completed_at: null, version: 0,
    }), ...(over && isKnown(live) ? paid(live, read) : [])];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function pause({ args, made }, { read }) {
    const live = running(optionalId(args, "id"), read, made);
    if (live === null || mayHaveExpired(live, made)) return [];
    if (live.status !== "active") throw new Refusal("not_active");
    const left = Math.ceil((Date.parse(live.ends_at) - made) / 1000);
    return [document({
        ...live, status: "paused", ends_at: null, paused_at: time(made),
        remaining_seconds: Math.min(left, live.duration_seconds), pause_count: live.pause_count + 1,
    })];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function resume({ args, made }, { read }) {
    const live = running(optionalId(args, "id"), read, made);
    if (live === null) return [];
    if (live.status !== "paused") throw new Refusal("not_paused");
    if (mayHaveExpired(live, made)) return [];
    const paused = Math.max(0, Math.round((made - Date.parse(live.paused_at)) / 1000));
    return [document({
        ...live, status: "active", ends_at: time(made + live.remaining_seconds * 1000), paused_at: null,
        remaining_seconds: null, paused_seconds: live.paused_seconds + paused,
    })];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function complete({ args, made }, { read }) {
    const id = requiredId(args, "id");
    const live = read("focus", "active");
    // It may have been completed before, which is no refusal.
    if (live?.id !== id || mayHaveExpired(live, made)) return [];
    const left = live.status === "paused" ? live.remaining_seconds : (Date.parse(live.ends_at) - made) / 1000;
    if (left > EARLY_SECONDS) throw new Refusal("too_early");
    return [document(null), ...paid(live, read)];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function abandon({ args, made }, { read }) {
    const id = requiredId(args, "id");
    const live = read("focus", "active");
    if (live?.id !== id) return [];
    if (isOver(live, made) && isKnown(live)) throw new Refusal("already_ended");
    // Expired or abandoned, it is gone.
    return [document(null)];
}

/**
 * The live session; null where another one is meant, of which nothing is known here.
 * @param {string | undefined} id @param {Read} read @param {number} made
 * @returns {any}
 */
function running(id, read, made) {
    const live = read("focus", "active");
    if (id !== undefined && id !== live?.id) return null;
    if (live !== undefined && !isOver(live, made)) return live;
    if (live !== undefined && !isKnown(live)) return null;
    throw new Refusal(id === undefined ? "no_session" : "already_ended");
}

/**
 * Whether the server has it: what is waiting to be started begins there when the start arrives, and is not over then.
 * @param {any} session
 */
function isKnown(session) {
    return session.version > 0;
}

/**
 * Whether its time is up: then it is completed, whoever comes first.
 * @param {any} session @param {number} now
 */
function isOver(session, now) {
    return session.status === "active" && Date.parse(session.ends_at) <= now;
}

/** @param {any} session @param {number} now */
function mayHaveExpired(session, now) {
    return session.status === "paused" && Date.parse(session.paused_at) + EXPIRY_MS <= now;
}

/**
 * What its completion earns.
 * @param {any} session @param {Read} read
 */
function paid({ mode, duration_seconds: seconds }, read) {
    const coins = mode === "focus" ? Math.floor((COINS_PER_SESSION * seconds) / SECONDS_PER_SESSION) : 0;
    // Who can earn no more ends it unpaid.
    return moved(read, { earned: coins }) ?? [];
}

/** @param {unknown} value @returns {ShownValue} */
function document(value) {
    return { collection: "focus", id: "active", value };
}

/** @param {number} milliseconds */
function time(milliseconds) {
    return new Date(milliseconds).toISOString();
}
