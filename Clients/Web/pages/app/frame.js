// What all pages of the app have around them: the connection's badge, coins, theme, notices. One client a page.

import { createClient } from "../../client.js";
import { installStorageGuard } from "../../guard/storage-guard.js";
import { provideTheme } from "../../theme/provider.js";
import { byId, byTestId, say, show } from "./dom.js";

/** @typedef {import("../../client.js").Status} Status */
/** @typedef {import("../../client.js").Result} Result */

const root = document.documentElement;
const badge = byId("sync-badge");
const word = byTestId("sync-status");
const pending = byTestId("pending-changes");
const offline = byId("offline");
const problem = byId("problem");
const coins = byTestId("coin-balance");
const NAMES = /** @type {const} */ (["reduced_motion", "high_contrast", "large_text"]);

/** Whether the user himself ends the session, on this page. */
let leaving = false;
/** @type {Set<() => void>} */
const renderers = new Set();

export const client = createClient({ onSignedOut: () => void signedOut() });

async function signedOut() {
    if (leaving) return;
    await forgetLook();
    location.replace("/login?notice=ended");
}

// How the pages look, for the service worker: what it shows without network looks so from the first moment. Where this
// is not, nobody is signed in, and the worker shows no page of the app.
const LOOK = "lockstep-look";
let lookKept = "";
/** @type {Promise<unknown>} */
let keeping = Promise.resolve();
let forgotten = false;

function keepLook() {
    const { theme, themeChoice, accessibility = "" } = root.dataset;
    const now = JSON.stringify({ theme: themeChoice, dark: theme === "dark", accessibility });
    if (now === lookKept || forgotten || !("caches" in globalThis)) return;
    lookKept = now;
    keeping = keeping.then(async () => {
        if (!forgotten) await (await caches.open(LOOK)).put("/look", new Response(now));
    }).catch(() => undefined);
}

export async function forgetLook() {
    forgotten = true;
    await keeping;
    await globalThis.caches?.delete(LOOK).catch(() => false);
}

/**
 * Calls `render` now and whenever what the client says has changed.
 * @param {() => void} render
 */
export function follow(render) {
    renderers.add(render);
    render();
}

/**
 * While this runs, the end of the session is what the user asked for.
 * @template T
 * @param {() => Promise<T>} act
 */
export async function leave(act) {
    leaving = true;
    try {
        return await act();
    } finally {
        leaving = false;
    }
}

/**
 * Makes a change, which shows at once. What the server finally refused is said in the page's notice.
 * @param {string} name
 * @param {Record<string, any>} args
 * @param {any} [hint]
 * @returns {Promise<Result>}
 */
export async function act(name, args, hint) {
    complain(null);
    const result = await client.mutate(name, args, hint);
    if (result.status === "conflict") {
        complain("Another device changed this at the same time; its change stands. Settings lists what was lost.");
    } else if (result.status === "rejected") {
        complain(result.problem?.detail ?? "The server refused this change.");
    }
    return result;
}

/**
 * Says what went wrong, or nothing any more.
 * @param {string | null} words
 */
export function complain(words) {
    problem.textContent = words;
    problem.hidden = words === null;
    if (words !== null) problem.scrollIntoView({ block: "nearest" });
}

/** What the root element says, as the server sent it and as every change leaves it. */
export function look() {
    const names = (root.dataset.accessibility ?? "").split(" ");
    return {
        theme: root.dataset.themeChoice ?? "system",
        accessibility: /** @type {Record<typeof NAMES[number], boolean>} */ (
            Object.fromEntries(NAMES.map((name) => [name, names.includes(name)]))),
    };
}

function render() {
    const status = client.status();
    // Before the first pull the page shows what it came with.
    if (status.ready) {
        keepLook();
        say(coins, String(client.read("wallet", "coins")?.total_coins ?? 0));
    }
    renderStatus(status);
    for (const other of renderers) other();
}

/** @param {Status} status */
function renderStatus(status) {
    say(pending, String(status.pending));
    byId("pending").dataset.count = String(status.pending);
    badge.dataset.state = status.connection;
    if (status.connection === "starting") return;
    say(word, status.connection);
    show(offline, status.connection === "offline");
    if (status.connection === "offline") say(offline, offlineWords(status));
}

/** @param {Status} status */
export function offlineWords({ pending, stale, storage }) {
    const shown = stale ? "The server cannot be reached: this is what this device knew last. "
        : "The server cannot be reached. ";
    const kept = storage === "memory" ? "kept while this page is open" : "kept on this device";
    if (pending === 0) return `${shown}What you change is ${kept} and sent as soon as it is back.`;
    const count = pending === 1 ? "1 change is" : `${pending} changes are`;
    return `${shown}${count} ${kept} and sent as soon as it is back.`;
}

byId("theme-toggle").addEventListener("click", () => {
    void act("settings.set", { key: "theme", value: root.dataset.theme === "dark" ? "light" : "dark" });
});
// Nothing of the user is kept in localStorage, by whatever is loaded into these pages.
installStorageGuard({ client });
// Before anything else is drawn, so that the rest finds the root element as it will be.
provideTheme(client);
client.subscribe(render);
render();
// For the time without network: keeps the app's own files, and nothing of any user.
navigator.serviceWorker?.register("/sw.js").catch(() => undefined);
