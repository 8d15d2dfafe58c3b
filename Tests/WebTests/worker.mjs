// The service worker with a network and a cache that a test makes: node worker.mjs NETWORK CACHE PATH says what a page gets,
// node worker.mjs click what comes to the front, node worker.mjs files what the files of one page get.

import { readFile } from "node:fs/promises";
import vm from "node:vm";
import { setTimeout } from "./counted-time.mjs";

const never = () => new Promise(() => undefined);
const refused = () => Promise.reject(new Error("SecurityError"));
const page = (text, status = 200) => () => Promise.resolve(new Response(text, { status }));
const later = (answer, milliseconds) => () => new Promise((resolve) => setTimeout(() => resolve(answer()), milliseconds));

let asked = 0;
const NETWORKS = {
    silentAtFirst: () => ((asked += 1) === 1 ? never() : page("network")()),
    works: page("network"), away: refused, silent: never, fails: page("sorry", 503), slow: later(page("network"), 6_000),
};
const CACHES = {
    refuses: { open: refused, keys: refused, delete: refused },
    throws: { open() { throw new Error("SecurityError"); }, keys() { throw new Error("SecurityError"); } },
    silent: { open: never, keys: never, delete: never },
    empty: { open: async () => ({ match: async () => undefined, addAll: async () => undefined }), keys: async () => [] },
    full: {
        open: async () => ({
            match: async (path) => new Response(path === "/look" ? JSON.stringify({ theme: "dark" }) : `kept ${path}`),
            addAll: async () => undefined,
        }),
        keys: async () => ["lockstep-older"], delete: async () => true,
    },
};

/** @param {string} network @param {string} cache @param {object} [clients] */
async function start(network, cache, clients = {}) {
    const text = (await readFile(new URL("../../Clients/Web/service-worker.js", import.meta.url), "utf8"))
        .replace("{{version}}", "1").replace("{{files}}", "/web/client.js /web/theme.js /web/pages/focus.html");
    const listeners = new Map();
    const location = new URL("https://example.org/sw.js");
    const self = { addEventListener: (name, it) => listeners.set(name, it), clients: { claim: async () => undefined, ...clients } };
    vm.runInNewContext(text, {
        self, location, caches: CACHES[cache], fetch: NETWORKS[network], Response, URL, Promise, setTimeout, Error,
    });
    let active = null;
    listeners.get("activate")({ waitUntil: (it) => (active = it) });
    await active;
    return listeners;
}

/** A page of the app is open that began before there was a worker: a worker sees it only where it says so. */
async function click() {
    let done = null;
    let seen = "nothing";
    const open = { url: "https://example.org/app/focus", focus: async () => (seen = "the open page") };
    const listeners = await start("works", "full", {
        matchAll: async ({ type, includeUncontrolled = false }) => type === "window" && includeUncontrolled ? [open] : [],
        openWindow: async () => (seen = "another page"),
    });
    listeners.get("notificationclick")({ notification: { close: () => undefined }, waitUntil: (it) => (done = it) });
    await done;
    return seen;
}

/** @param {string} network @param {string} cache @param {string} path */
async function get(network, cache, path) {
    return ask(await start(network, cache), path);
}

/** Of two pages, whose network is silent for the first file and works from then on. */
async function files() {
    const listeners = await start("silentAtFirst", "full");
    const asked = [["/web/client.js", "a"], ["/web/theme.js", "a"], ["/web/theme.js", "b"]];
    const texts = [];
    for (const [path, page] of asked) texts.push(await ask(listeners, path, page));
    return texts.join(", ");
}

async function ask(listeners, path, clientId = "a") {
    let answer = null;
    const mode = path.startsWith("/web/") ? "no-cors" : "navigate";
    listeners.get("fetch")({
        request: { method: "GET", url: `https://example.org${path}`, mode }, clientId, resultingClientId: "b",
        respondWith: (it) => (answer = it),
    });
    const response = await Promise.race([answer, new Promise((resolve) => setTimeout(() => resolve(null), 50_000))]);
    if (response === null) return "nothing";
    return response.type === "error" ? "error" : response.text();
}

const [what, ...rest] = process.argv.slice(2);
const scenes = { click, files };
console.log(await (scenes[what]?.() ?? get(what, ...rest)));
process.exit(0);
