// The app without network. Served as /sw.js with the version and the list of its files filled in: their content decides
// the version, so that a new release is a new worker. It keeps the app's own files and pages as they are for nobody in
// particular. How a user's pages look (theme, accessibility) they put beside that themselves, until they sign out.

/** @type {any} */
const worker = self;
const VERSION = "lockstep-{{version}}";
const LOOK = "lockstep-look";
const FILES = "{{files}}".split(" ");
// Longer than this, and a page comes from the cache.
const PATIENCE_MS = 3_000;
// What a cache has is there within this, or not at all.
const CACHE_MS = 1_500;

/**
 * Pages that came from the cache take their modules from there too, without waiting for a network that is not there.
 * @type {Set<string>}
 */
const offline = new Set();

worker.addEventListener("install", (/** @type {any} */ event) => {
    event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(FILES)).then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (/** @type {any} */ event) => {
    // Until this is over every page waits: a cache that does not answer may not hold it up.
    event.waitUntil(within(tidy().catch(() => undefined), CACHE_MS).then(() => worker.clients.claim()));
});

/** What older releases kept goes. */
async function tidy() {
    const old = (await caches.keys()).filter((it) => it !== VERSION && it !== LOOK);
    await Promise.all(old.map((it) => caches.delete(it)));
}

// A page whose loading began before this worker was there, and ended after it had taken over all others, asks for it.
worker.addEventListener("message", (/** @type {any} */ event) => {
    if (event.data === "claim") event.waitUntil(worker.clients.claim());
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
    const url = new URL(event.request.url);
    if (event.request.method !== "GET" || url.origin !== location.origin) return;
    if (event.request.mode === "navigate") {
        const page = /^\/app\/([a-z]+)\/?$/.exec(url.pathname)?.[1];
        if (page !== undefined && FILES.includes(`/web/pages/${page}.html`)) event.respondWith(openPage(event, page));
        else if (isOurs(url.pathname)) event.respondWith(openElsewhere(event));
    } else if (FILES.includes(url.pathname)) {
        event.respondWith(openFile(event, url.pathname));
    }
});

// A page of the app that is open comes to the front; where none is, one opens.
worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
    event.notification.close();
    event.waitUntil(worker.clients.matchAll({ type: "window", includeUncontrolled: true }).then((/** @type {any[]} */ open) => {
        const app = open.filter((it) => new URL(it.url).pathname.startsWith("/app/"));
        const best = app.find((it) => /\/app\/(focus|today)$/.test(new URL(it.url).pathname)) ?? app[0];
        return best === undefined ? worker.clients.openWindow("/app/focus") : best.focus();
    }));
});

/**
 * A page of ours, and not a file that somebody saves or an answer that they look at.
 * @param {string} path
 */
function isOurs(path) {
    return path === "/" || /^\/(login|signup|docs|app)(\/|$)/.test(path);
}

/** @param {any} event @param {string} page */
async function openPage(event, page) {
    const asked = ask(event.request);
    const online = await within(asked, PATIENCE_MS);
    if (online !== null && online.status < 500) return online;
    const look = await lookOfUser();
    // Nobody is signed in here: no page of the app.
    return await keptPage(event, look === null ? "offline" : page, look) ?? await asked ?? Response.error();
}

/**
 * A page that is not kept: the network's, however long it takes, or else one that says what works without.
 * @param {any} event
 */
async function openElsewhere(event) {
    const online = await ask(event.request);
    if (online !== null && online.status < 500) return online;
    return await keptPage(event, "offline", await lookOfUser()) ?? online ?? Response.error();
}

/** How the pages of who is signed in here look; null: nobody is. */
async function lookOfUser() {
    const look = await kept(LOOK, "/look");
    return look === null ? null : look.json();
}

/**
 * A page of nobody in particular, as its user has it.
 * @param {any} event @param {string} page @param {any} look
 * @returns {Promise<Response | null>}
 */
async function keptPage(event, page, look) {
    const found = await kept(VERSION, `/web/pages/${page}.html`);
    if (found === null) return null;
    if (event.resultingClientId) offline.add(event.resultingClientId);
    let text = await found.text();
    if (look !== null) {
        const { theme, dark, accessibility } = look;
        text = text.replace(/<html[^>]*>/, `<html lang="en" data-theme="${dark ? "dark" : "light"}" `
            + `data-theme-choice="${word(theme)}" data-accessibility="${word(accessibility)}">`);
        // The one that tells what works tells them so.
        if (page === "offline") text = text.replace('data-user=""', 'data-user="here"');
    }
    return new Response(text, { headers: found.headers });
}

/**
 * Letters, and nothing that could end an attribute.
 * @param {unknown} text
 */
function word(text) {
    return String(text).replace(/[^a-z_ ]/g, "");
}

/** @param {any} event @param {string} path */
async function openFile(event, path) {
    if (offline.has(event.clientId)) return await kept(VERSION, path) ?? fetch(event.request);
    const asked = ask(event.request);
    const online = await within(asked, PATIENCE_MS);
    if (online !== null && isFile(online)) return online;
    const held = await kept(VERSION, path);
    // The page's other files come from there too, without the wait of each: they are of one release.
    if (held !== null && event.clientId) offline.add(event.clientId);
    return held ?? await asked ?? Response.error();
}

/**
 * Whether the server itself gave this file: a proxy without a server says 502, a network that wants a sign-in of its own a
 * page of HTML.
 * @param {Response} answer
 */
function isFile(answer) {
    return answer.status === 304 || (answer.ok && !(answer.headers.get("Content-Type") ?? "").startsWith("text/html"));
}

/**
 * What the network says; null: nothing.
 * @param {Request} request
 * @returns {Promise<Response | null>}
 */
function ask(request) {
    return fetch(request).catch(() => null);
}

/**
 * What a cache has; null: nothing, or it refuses, or it does not answer. No page waits for it.
 * @param {string} name @param {string} path
 * @returns {Promise<Response | null>}
 */
async function kept(name, path) {
    const looked = (async () => (await caches.open(name)).match(path))();
    return await within(looked.catch(() => undefined), CACHE_MS) ?? null;
}

/**
 * What a promise brings; null where that takes too long.
 * @template T
 * @param {Promise<T>} promise @param {number} milliseconds
 * @returns {Promise<T | null>}
 */
function within(promise, milliseconds) {
    const late = new Promise((/** @type {(it: null) => void} */ resolve) => {
        setTimeout(() => resolve(null), milliseconds);
    });
    return Promise.race([promise, late]);
}
