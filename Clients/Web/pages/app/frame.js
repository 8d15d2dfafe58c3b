// What all pages of the app have around them: the connection's badge, coins, theme, notices. One client a page.

import { createClient } from "../../client.js";
import { installStorageGuard } from "../../guard/storage-guard.js";
import { provideTheme } from "../../theme/provider.js";
import { byId, byTestId, say, show, toast } from "./dom.js";
import { followEnding } from "./ending.js";
import { forgetLook, keep, keepLook, recall } from "./look.js";
import { claimByOfflineWorker } from "./offline-worker.js";
import { problemText } from "./problems.js";
import { deviceZone } from "./zone.js";

/** @typedef {import("../../client.js").Status} Status */
/** @typedef {import("../../client.js").Result} Result */

const root = document.documentElement;
const badge = byId("sync-badge");
const word = byTestId("sync-status");
const pending = byTestId("pending-changes");
const offline = byId("offline");
const problem = byId("problem");
const coins = byTestId("coin-balance");
const HOW = badge.title;
const STORAGE_WORDS = {
    indexeddb: "",
    full: "This device's storage is full. What you change is sent while there is a connection, but not kept here.",
    memory: "This browser keeps nothing here. What you change is sent while there is a connection, and not kept here.",
};
const NAMES = /** @type {const} */ (["reduced_motion", "high_contrast", "large_text"]);

const SAID = "ui.storage-said";

/** Whether the user ends the session, on this page. */
let leaving = false;
/** @type {Set<() => void>} */
const renderers = new Set();

export const client = createClient({ onSignedOut: () => void signedOut() });

/** Whose page this is: as the server sent it, or as it said first to a page that came without network. */
let whose = document.body.dataset.account || null;

/** Whether what the server answers now is this page's user's; otherwise it has been left. */
export function isOurs() {
    const { account } = client.status();
    whose ??= account;
    return account === null || account === whose;
}

/** Somebody else has signed in with this browser: nothing that stands on this page is theirs. */
function changeHands() {
    if (handed) return;
    handed = true;
    root.style.visibility = "hidden";
    location.reload();
}

let handed = false;

async function signedOut() {
    if (leaving) return;
    // At once, whatever the way to the next page takes: somebody else may sit here now.
    root.style.visibility = "hidden";
    await forgetLook();
    const here = encodeURIComponent(location.pathname + location.search + location.hash);
    location.replace(`/login?notice=ended&next=${here}`);
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
 * While this runs, and from then on where it was done, the end of the session is what the user asked for.
 * @template T
 * @param {() => Promise<T>} act
 * @param {(answer: T) => boolean} isDone
 */
export async function leave(act, isDone) {
    leaving = true;
    let done = false;
    try {
        const answer = await act();
        done = isDone(answer);
        return answer;
    } finally {
        leaving = done;
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
        complain(problemText(result.problem));
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
    if (!isOurs()) return changeHands();
    const status = client.status();
    // Before the first pull the page shows what it came with.
    if (status.ready) {
        keepLook();
        if (!status.stale) {
            keepAddress();
            void settleZone();
        }
        say(coins, String(client.read("wallet", "coins")?.total_coins ?? 0));
    }
    renderStatus(status);
    for (const other of renderers) other();
    lookForEnd();
}

let settled = false;

/**
 * The user's day is that of the browser in which they were first: where the account names no zone, it gets this one. A zone that
 * another device chose meanwhile stands, and nothing was lost then.
 */
async function settleZone() {
    if (settled) return;
    settled = true;
    const zone = deviceZone();
    if (zone === null || client.read("settings", "time_zone") !== undefined) return;
    // Refused once is refused each time.
    if ((await recall("zone"))?.body === zone) return;
    const result = await client.mutate("settings.set", { key: "time_zone", value: zone });
    if (result.status === "conflict") await client.dismissConflict(result.id);
    if (result.status === "rejected" && result.problem?.status === 422) keep("zone", zone, client.serverNow());
}

/** The address, for the pages that come without network and do not know it. */
function keepAddress() {
    const email = document.body.dataset.user ?? "";
    if (email === "" || addressKept) return;
    addressKept = true;
    keep("account", { email }, client.serverNow());
}

let addressKept = false;

/** @param {Status} status */
function renderStatus(status) {
    say(pending, String(status.pending));
    byId("pending").dataset.count = String(status.pending);
    badge.dataset.state = status.connection;
    sayStorage(status.storage);
    const { connection, closed } = status;
    // What this page alone has would be gone with it. While nothing would, browsers keep a page that does not listen.
    const alone = status.pending > 0 && status.storage !== "indexeddb" && connection === "offline" && !closed;
    (alone ? addEventListener : removeEventListener)("beforeunload", stay);
    if (connection === "starting") return;
    say(word, connection);
    // Who is signed out is on their way to the next page.
    const cut = connection === "offline" && status.reason !== "signed_out";
    show(offline, cut);
    if (cut) say(offline, offlineWords(status));
}

/** @param {BeforeUnloadEvent} event */
function stay(event) {
    if (!leaving && !handed) event.preventDefault();
}

/** @type {Status["storage"]} */
let storageSaid = "indexeddb";

/**
 * A browser that keeps nothing stops nobody; it is said in the badge, and once aloud: each link is a page of its own.
 * @param {Status["storage"]} storage
 */
function sayStorage(storage) {
    if (storage === storageSaid) return;
    storageSaid = storage;
    const words = STORAGE_WORDS[storage];
    badge.dataset.storage = storage;
    say(byId("storage-words"), words);
    show(byId("storage-mark"), words !== "");
    if (words === "") badge.title = HOW;
    else badge.title = words;
    if (words !== "" && isNew(words)) toast(words);
}

/**
 * Whether something has not been said yet in this tab, on whichever page. A browser that knows no such store hears it again.
 * @param {string} words
 */
function isNew(words) {
    try {
        const said = sessionStorage.getItem(SAID) === words;
        sessionStorage.setItem(SAID, words);
        return !said;
    } catch {
        return true;
    }
}

/** @param {Status} status */
export function offlineWords({ pending, reason, stale, storage }) {
    const refused = reason === "origin_refused";
    const [what, then] = refused
        ? ["The server takes nothing from a page under this address: whoever runs it has to allow it", "as soon as that is done"]
        : ["The server cannot be reached", "as soon as it is back"];
    const shown = stale ? `${what}${refused ? ". This" : ": this"} is what this device knew last. ` : `${what}. `;
    if (storage === "full" && pending === 0) {
        return `${shown}This device's storage is full: nothing can be changed until then.`;
    }
    const kept = storage === "indexeddb" ? "kept on this device" : "kept while this page is open";
    if (pending === 0) return `${shown}What you change is ${kept} and sent ${then}.`;
    const count = pending === 1 ? "1 change is" : `${pending} changes are`;
    return `${shown}${count} ${kept} and sent ${then}.`;
}

byId("theme-toggle").addEventListener("click", () => {
    void act("settings.set", { key: "theme", value: root.dataset.theme === "dark" ? "light" : "dark" });
});
// Nothing of the user is kept in localStorage, by whatever is loaded into these pages.
installStorageGuard({ client });
// Before anything else is drawn, so that the rest finds the root element as it will be.
provideTheme(client);
const lookForEnd = followEnding(client);
// A page that came from the server looks as its user has it, before anything was pulled.
if (document.body.dataset.account) keepLook();
client.subscribe(render);
render();
void claimByOfflineWorker();
