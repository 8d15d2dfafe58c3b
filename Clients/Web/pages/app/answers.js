// What only the server knows, because it is no document of the replica: histories, statistics, the ledger, devices. A page
// knows one of three things about it: it was not asked yet; what was answered, now or some time ago; it cannot be asked.

import { client, follow, isOurs } from "./frame.js";
import { say, show } from "./dom.js";
import { keep, recall } from "./look.js";
import { problemText } from "./problems.js";
import { agoText, whenText } from "./when.js";

/** @typedef {import("./rest.js").Problem} Problem */

/**
 * @typedef {object} Question
 * @property {() => any} body  what was answered; null where nothing is known
 * @property {() => "asking" | "known" | "unknown"} state
 * @property {() => boolean} settled  whether anything is to be said yet: it was answered, it cannot be, or it takes long
 * @property {() => boolean} old  whether that is from some time ago, and may be otherwise by now
 * @property {() => Promise<void>} refresh  asks; once at a time, and again where it was wanted meanwhile
 * @property {(words: {empty: string | null, unknown: string}) => string} words  what to say of it; "": nothing
 */

// Before that a page that came fast says nothing: words that are gone at once are a flicker.
const PATIENCE_MS = 1_000;
const AGAIN_MS = 15_000;
// Changes come in rows: what they may have changed is asked for once.
const MOVED_MS = 300;
const MINUTE_MS = 60_000;

export function isReached() {
    const { connection } = client.status();
    return connection === "realtime" || connection === "polling";
}

/**
 * @param {string} name  of what is kept
 * @param {() => Promise<{ok: boolean, body: any, problem: Problem | null}>} ask
 * @param {() => void} changed  draws it anew
 * @returns {Question}
 */
// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function question(name, ask, changed) {
    /** @type {any} */
    let body = null;
    let at = 0;
    let fresh = false;
    let late = false;
    /** @type {Problem | null} */
    let failed = null;
    let asking = false;
    let again = false;
    /**
     * The version of the user's documents when it was asked last.
     * @type {number | null}
     */
    let asked = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let moved;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let retry;
    let away = client.status().connection === "offline";

    const waits = () => !fresh && !late && !away && failed === null;

    async function refresh() {
        again = asking;
        if (asking) return;
        asking = true;
        asked = client.status().version;
        clearTimeout(retry);
        const slow = setTimeout(outdate, PATIENCE_MS);
        const answer = await ask();
        clearTimeout(slow);
        asking = false;
        // Another user's answer, on a page that is being left.
        if (!isOurs()) return;
        failed = answer.problem;
        if (answer.ok) {
            body = answer.body;
            at = client.serverNow();
            fresh = true;
            keep(name, body, at);
        } else if (failed?.status !== 401) {
            fresh = false;
            retry = setTimeout(() => isReached() && void refresh(), AGAIN_MS);
        }
        changed();
        if (again) await refresh();
    }

    /** It may be otherwise by now: after a while without network, or while it takes long to hear it anew. */
    function outdate() {
        if (!fresh) return;
        fresh = false;
        changed();
    }

    /** Somebody looks again: a page that was out of sight may have missed anything. */
    function seen() {
        if (asked !== null && !document.hidden && isReached()) void refresh();
    }

    /** What the user did elsewhere may be in the answer, too. */
    function askSoon() {
        if (moved !== undefined) return;
        moved = setTimeout(() => {
            moved = undefined;
            if (asked !== client.status().version) seen();
        }, MOVED_MS);
    }

    void recall(name).then((kept) => {
        if (kept === null || body !== null) return;
        ({ body, at } = kept);
        changed();
    });
    setTimeout(() => {
        late = true;
        changed();
    }, PATIENCE_MS);
    setInterval(() => body !== null && !fresh && changed(), MINUTE_MS);
    document.addEventListener("visibilitychange", seen);
    addEventListener("pageshow", (event) => event.persisted && seen());
    client.subscribe(() => {
        const { connection, version } = client.status();
        if (asked !== null && version !== asked) askSoon();
        const now = connection === "offline";
        if (now === away) return;
        away = now;
        if (away) fresh = false;
        changed();
    });

    return {
        body: () => waits() ? null : body,
        state: () => body !== null && !waits() ? "known" : away || failed !== null ? "unknown" : "asking",
        settled: () => !waits(),
        old: () => body !== null && !fresh,
        refresh,
        words({ empty, unknown }) {
            if (waits()) return "";
            if (body === null) {
                if (away || failed === null) return away ? unknown : "Asking the server…";
                return failed.status === 0 ? unknown : problemText(failed);
            }
            const age = fresh ? "" : `As it stood ${agoText(client.serverNow() - at)} (${whenText(at)}).`;
            return [empty ?? "", age].filter((it) => it !== "").join(" ");
        },
    };
}

/**
 * Says what is known about an answer, or nothing.
 * @param {HTMLElement} place
 * @param {Question} about
 * @param {{empty: string | null, unknown: string}} words  `empty`: what to say of an answer that has nothing in it; null:
 *   it has something
 */
export function sayKnown(place, about, words) {
    const text = about.words(words);
    say(place, text);
    show(place, text !== "");
}

/**
 * A list's newest page in front of what was fetched behind it; where it does not reach that far, it alone.
 * @template {{id: string}} Row
 * @param {{rows: Row[], next: string | null}} newest  `next`: where those begin that were not fetched
 * @param {{rows: Row[], next: string | null}} before
 * @returns {{rows: Row[], next: string | null}}
 */
export function inFront(newest, before) {
    const at = before.rows.findIndex((it) => it.id === newest.rows.at(-1)?.id);
    const here = new Set(newest.rows.map((it) => it.id));
    const behind = at < 0 || newest.next === null ? [] : before.rows.slice(at + 1).filter((it) => !here.has(it.id));
    return behind.length === 0 ? newest : { rows: [...newest.rows, ...behind], next: before.next };
}

/**
 * Calls `refresh` whenever the server is reached anew.
 * @param {() => void} refresh
 */
export function whenReached(refresh) {
    let reached = false;
    follow(() => {
        const now = isReached();
        if (now && !reached) refresh();
        reached = now;
    });
}
