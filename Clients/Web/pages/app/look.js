// What a browser keeps of its user for the time without network, beside the replica: how their pages look, and what the
// server answered last to what is no document. In a cache of its own, which goes when the session ends. The service worker
// reads `/look`: where there is none, nobody is signed in, and no page of the app is shown without network.

import { inTime } from "../../shell/store.js";

const CACHE = "lockstep-look";
// A browser's cache that does not answer holds nobody up.
const PATIENCE_MS = 1_000;
const root = document.documentElement;
let lookKept = "";
let forgotten = false;
/** @type {Promise<unknown>} */
let writing = Promise.resolve();

/**
 * @param {string} path
 * @returns {Promise<any>} null where nothing is kept
 */
async function read(path) {
    if (!("caches" in globalThis)) return null;
    const found = await inTime(caches.open(CACHE).then((cache) => cache.match(path)), PATIENCE_MS, undefined);
    return found === undefined ? null : found.json();
}

/** Whose pages these are: the page says so as it comes from the server, the cache where it came from there. */
async function account() {
    return document.body.dataset.account || (await read("/look"))?.account || null;
}

/**
 * One write after the other, and none after everything was forgotten.
 * @param {(cache: Cache) => Promise<unknown>} act
 */
function write(act) {
    if (forgotten || !("caches" in globalThis)) return;
    writing = writing.then(async () => {
        if (!forgotten) await act(await caches.open(CACHE));
    }).catch(() => undefined);
}

/** Keeps how the pages look; and nothing of anybody else. */
export function keepLook() {
    const { theme, themeChoice, accessibility = "" } = root.dataset;
    const now = JSON.stringify({ theme: themeChoice, dark: theme === "dark", accessibility });
    if (now === lookKept) return;
    lookKept = now;
    write(async (cache) => {
        const who = await account();
        // This first: the page may be left at any moment.
        await cache.put("/look", new Response(JSON.stringify({ ...JSON.parse(now), account: who })));
        for (const request of await cache.keys()) {
            const [, kind, of] = new URL(request.url).pathname.split("/");
            if (kind === "kept" && of !== who) await cache.delete(request);
        }
    });
}

/**
 * Keeps an answer for the time without network.
 * @param {string} name
 * @param {any} body
 * @param {number} at  the server's clock when it was given
 */
export function keep(name, body, at) {
    write(async (cache) => {
        const who = await account();
        if (who !== null) await cache.put(`/kept/${who}/${name}`, new Response(JSON.stringify({ body, at })));
    });
}

/**
 * The last answer of that name to this user; null: none is kept.
 * @param {string} name
 * @returns {Promise<{body: any, at: number} | null>}
 */
export async function recall(name) {
    try {
        const who = await account();
        return who === null ? null : await read(`/kept/${who}/${name}`);
    } catch {
        return null;
    }
}

/** The session is over: nothing of it stays. Nobody waits long for a cache that does not answer. */
export async function forgetLook() {
    forgotten = true;
    await inTime(writing.then(() => globalThis.caches?.delete(CACHE)).catch(() => false), PATIENCE_MS, false);
}
