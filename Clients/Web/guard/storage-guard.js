// Keeps an app from falling back into localStorage: only cosmetic keys pass. What counts as cosmetic, and whether the
// guard is on at all, the server says with its flag DISABLE_MASS_LOCAL_PERSISTENCE.

/** @typedef {"enforce" | "report"} Mode  refuse, or let pass and count */

/**
 * @typedef {object} Options
 * @property {Mode} [mode]
 * @property {ReadonlyArray<string>} [allow]  keys that pass beside those that the server names; `ui.*` stands for all
 *   that begin with `ui.`
 * @property {ReadonlyArray<"localStorage" | "sessionStorage">} [stores]
 * @property {Pick<import("../client.js").Client, "read" | "subscribe">} [client]  with it, a switch of the flag is
 *   followed at once
 * @property {string} [url]  the server's address
 * @property {(message: string) => void} [warn]
 */

/**
 * @typedef {object} Guard
 * @property {Promise<boolean>} ready  the flag was read, and whether the guard is on; until then it is
 * @property {() => Readonly<Record<string, number>>} counts  how often each key was written that may not be
 * @property {() => Promise<void>} flush  reports what was counted, now and not in a while
 * @property {() => void} uninstall
 */

export const FLAG = "DISABLE_MASS_LOCAL_PERSISTENCE";
const REPORT_AFTER_MS = 5_000;
// A key is reported by its name; a thousand different ones are somebody's data and not names.
const MOST_KEYS = 100;

// What to write instead, for the keys that apps of this kind have.
const INSTEAD = new Map([
    ["theme", `client.mutate("settings.set", { key: "theme", value })`],
    ["accessibility", `client.mutate("settings.set", { key: "accessibility", value })`],
    ["focus_paused_state", `client.mutate("focus.pause", {})`],
    ["focus_session", `client.mutate("focus.start", {})`],
    ["wallet", `client.read("wallet", "coins")`],
    ["coins", `client.read("wallet", "coins")`],
    ["rewards", `client.list("rewards")`],
    ["purchases", `client.mutate("market.purchase", { item_id })`],
    ["inventory", `client.list("inventory")`],
]);

/**
 * @param {Options} [options]
 * @returns {Guard}
 */
// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function installStorageGuard(options = {}) {
    // A server renderer has no store that anybody could write to.
    if (globalThis.window === undefined) return NOTHING_TO_GUARD;
    const { mode = "enforce", stores = ["localStorage"], url = location.origin, warn = console.warn } = options;
    const own = options.allow ?? [];
    let allow = own;
    let on = true;
    let ended = false;
    let told = 0;
    /** @type {Map<string, number>} */
    const counts = new Map();
    /** @type {Map<string, number>} */
    const unreported = new Map();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    /**
     * @param {string} store @param {string} key
     * @returns {boolean} whether the write goes through
     */
    function judge(store, key) {
        if (ended || !on || allow.some((pattern) => matches(pattern, key))) return true;
        if (!counts.has(key)) warn(wordsFor(store, key, mode));
        if (counts.has(key) || counts.size < MOST_KEYS) {
            counts.set(key, (counts.get(key) ?? 0) + 1);
            unreported.set(key, (unreported.get(key) ?? 0) + 1);
            timer ??= setTimeout(() => void flush(), REPORT_AFTER_MS);
        }
        return mode === "report";
    }

    async function flush() {
        clearTimeout(timer);
        timer = undefined;
        if (unreported.size === 0) return;
        const sent = Object.fromEntries(unreported);
        unreported.clear();
        const arrived = await fetch(new URL("/api/flags/reports", url), {
            method: "POST", credentials: "include", keepalive: true, headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ counts: sent, mode }),
        }).then((answer) => answer.ok, () => false);
        // The next report takes it along.
        if (arrived) return;
        for (const [key, count] of Object.entries(sent)) unreported.set(key, (unreported.get(key) ?? 0) + count);
    }

    async function ask() {
        const answer = await fetch(new URL("/api/flags", url), { credentials: "include", cache: "no-store" })
            .then((it) => (it.ok ? it.json() : null)).catch(() => null);
        follow(answer?.flags?.find((/** @type {any} */ it) => it.name === FLAG));
        return on;
    }

    /** @param {any} flag  undefined where there is none, or nobody says */
    function follow(flag) {
        if (flag === undefined || flag.version < told) return;
        told = flag.version;
        on = flag.enabled === true;
        allow = [...own, ...(flag.allowed_keys ?? [])];
    }

    const hidden = () => void flush();
    addEventListener("pagehide", hidden);
    const unsubscribe = options.client?.subscribe(() => follow(options.client?.read("flags", FLAG)));
    const restore = stores.map((name) => guarded(name, (key) => judge(name, key)));
    return {
        ready: ask(),
        counts: () => Object.fromEntries(counts),
        flush,
        uninstall() {
            ended = true;
            removeEventListener("pagehide", hidden);
            clearTimeout(timer);
            unsubscribe?.();
            for (const undo of restore) undo();
        },
    };
}

/**
 * Where a browser has no such store, or gives it to nobody, there is nothing to guard: no page is stopped by that.
 * @param {"localStorage" | "sessionStorage"} name
 * @param {(key: string) => boolean} judge
 * @returns {() => void}
 */
function guarded(name, judge) {
    try {
        return guardStore(name, judge);
    } catch {
        return () => undefined;
    }
}

/**
 * Every way to write: `setItem`, `storage.key = value`, `Object.defineProperty`. Reading and removing stay free.
 * @param {"localStorage" | "sessionStorage"} name
 * @param {(key: string) => boolean} judge
 * @returns {() => void} takes it away again
 */
function guardStore(name, judge) {
    const real = window[name];
    if (!(real instanceof Storage)) return () => undefined;
    const before = Object.getOwnPropertyDescriptor(window, name);
    const setItem = Storage.prototype.setItem;

    /** @param {Storage} store @param {string} key @param {string} value */
    const write = (store, key, value) => {
        if (store !== real || judge(String(key))) setItem.call(store, key, value);
    };
    /** @type {Map<string | symbol, Function>} */
    const methods = new Map();
    const guarded = new Proxy(real, {
        get(target, key) {
            const value = Reflect.get(target, key, target);
            if (typeof value !== "function") return value;
            const method = methods.get(key) ?? value.bind(target);
            methods.set(key, method);
            return method;
        },
        set(target, key, value) {
            if (typeof key === "string") write(target, key, value);
            return true;
        },
        defineProperty(target, key, { value }) {
            if (typeof key === "string") write(target, key, value);
            return true;
        },
    });
    methods.set("setItem", (/** @type {string} */ key, /** @type {string} */ value) => write(real, key, value));

    const get = () => guarded;
    Object.defineProperty(window, name, { configurable: true, enumerable: true, get });
    /** @this {Storage} @param {string} key @param {string} value */
    function guardedSetItem(key, value) {
        write(this === guarded ? real : this, key, value);
    }
    Storage.prototype.setItem = guardedSetItem;
    return () => {
        // Under another guard that came later this one stays, and lets everything through.
        if (Storage.prototype.setItem === guardedSetItem) Storage.prototype.setItem = setItem;
        const top = Object.getOwnPropertyDescriptor(window, name);
        if (before !== undefined && top?.get === get) Object.defineProperty(window, name, before);
    };
}

/** @type {Guard} */
const NOTHING_TO_GUARD = Object.freeze({
    ready: Promise.resolve(false), counts: () => ({}), flush: async () => undefined, uninstall: () => undefined,
});

/** @param {string} pattern @param {string} key */
function matches(pattern, key) {
    return pattern.endsWith("*") ? key.startsWith(pattern.slice(0, -1)) : pattern === key;
}

/** @param {string} store @param {string} key @param {Mode} mode */
function wordsFor(store, key, mode) {
    const quoted = JSON.stringify(key);
    const instead = INSTEAD.get(key) ?? `client.mutate("settings.set", { key: ${quoted}, value })`;
    const what = mode === "enforce" ? "was refused" : "will be refused one day";
    return `lockstep: writing ${quoted} to ${store} ${what}: it would stay on this device. Write instead: ${instead}`;
}
