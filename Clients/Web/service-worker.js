// The app without network. Served as /sw.js with the version and the list of its files filled in: their content decides
// the version, so that a new release is a new worker. It keeps the app's own files and pages as they are for nobody in
// particular. How a user's pages look (theme, accessibility) they put beside that themselves, until he signs out.

/** @type {any} */
const worker = self;
const VERSION = "lockstep-{{version}}";
const LOOK = "lockstep-look";
const FILES = "{{files}}".split(" ");
// Longer than this, and a page comes from the cache.
const PATIENCE_MS = 3_000;

/**
 * Pages that came from the cache take their modules from there too, without waiting for a network that is not there.
 * @type {Set<string>}
 */
const offline = new Set();

worker.addEventListener("install", (/** @type {any} */ event) => {
    event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(FILES)).then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (/** @type {any} */ event) => {
    event.waitUntil(caches.keys()
        .then((names) => names.filter((it) => it !== VERSION && it !== LOOK))
        .then((old) => Promise.all(old.map((it) => caches.delete(it))))
        .then(() => worker.clients.claim()));
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
    const url = new URL(event.request.url);
    if (event.request.method !== "GET" || url.origin !== location.origin) return;
    const page = /^\/app\/([a-z]+)$/.exec(url.pathname)?.[1];
    if (event.request.mode === "navigate") {
        if (page !== undefined && FILES.includes(`/web/pages/${page}.html`)) event.respondWith(openPage(event, page));
    } else if (FILES.includes(url.pathname)) {
        event.respondWith(openFile(event, url.pathname));
    }
});

/** @param {any} event @param {string} page */
async function openPage(event, page) {
    const online = await withinPatience(event.request);
    if (online !== null && online.status < 500) return online;
    const look = await (await caches.open(LOOK)).match("/look");
    const kept = await (await caches.open(VERSION)).match(`/web/pages/${page}.html`);
    // Nobody is signed in here: no page of the app.
    if (look === undefined || kept === undefined) return online ?? Response.error();
    if (event.resultingClientId) offline.add(event.resultingClientId);
    const [{ theme, dark, accessibility }, text] = await Promise.all([look.json(), kept.text()]);
    const tag = `<html lang="en" data-theme="${dark ? "dark" : "light"}" data-theme-choice="${word(theme)}" `
        + `data-accessibility="${word(accessibility)}">`;
    return new Response(text.replace(/<html[^>]*>/, tag), { headers: kept.headers });
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
    const cache = await caches.open(VERSION);
    if (offline.has(event.clientId)) return await cache.match(path) ?? fetch(event.request);
    return await withinPatience(event.request) ?? await cache.match(path) ?? Response.error();
}

/**
 * What the network says, null where it says nothing in time.
 * @param {Request} request
 * @returns {Promise<Response | null>}
 */
function withinPatience(request) {
    const late = new Promise((/** @type {(it: null) => void} */ resolve) => {
        setTimeout(() => resolve(null), PATIENCE_MS);
    });
    return Promise.race([fetch(request).catch(() => null), late]);
}

