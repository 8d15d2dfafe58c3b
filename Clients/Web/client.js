// A device's end of Lockstep: a replica that follows the server, changes that show at once and are sent in order, and
// a word about how it stands. docs/guides/web-client.md walks through it.

import { isPhone } from "./device.js";
import { makeId } from "./shell/ids.js";
import { Shell } from "./shell/shell.js";
import { openStore, storeName } from "./shell/store.js";
import { keyOf, read, versionOf, waiting } from "./sync/replica.js";

/** @typedef {import("./sync/types.js").Conflict} Conflict */
/** @typedef {import("./sync/types.js").Present} Present */
/** @typedef {import("./sync/types.js").Problem} Problem */
/** @typedef {import("./sync/types.js").Result} Result */
/** @typedef {import("./sync/types.js").State} State */

/**
 * @typedef {object} Status
 * @property {"starting" | "realtime" | "polling" | "offline"} connection  starting: nothing is known yet
 * @property {number} pending  changes made here that the server has not answered
 * @property {boolean} ready  whether the replica holds anything; before, `read` knows nothing
 * @property {number} version  the highest version among the user's own documents; 0 before there are any
 * @property {boolean} stale  what is shown was read from this device's store; the server has not been reached since
 * @property {"indexeddb" | "memory"} storage  memory: nothing survives a reload, for this browser keeps nothing
 */

/** @typedef {{id: string, value: any, version: number}} Listed  a document of a collection */

/**
 * @typedef {object} Client
 * @property {(collection: string, id: string) => any} read  the value that the user should see, undefined where
 *   there is none; the same object while nothing changed
 * @property {(collection: string) => ReadonlyArray<Listed>} list  all of a collection, by id; the same array while
 *   nothing in it changed
 * @property {(listener: () => void) => () => void} subscribe  calls the listener after every change of what the other
 *   members say; the answer ends that
 * @property {(name: string, args: Record<string, any>, hint?: any) => Promise<Result>} mutate  shows a change and
 *   sends it; the promise brings the server's final word, also after days, and never rejects. What cannot be kept or
 *   sent is not shown and comes back as `rejected`: code `storage_full`, `queue_full` or `payload_too_large`, status 0.
 *   The hint of a `market.refund` is `{transaction}`, so that the coins are seen at once
 * @property {() => Status} status  the same object while nothing changed
 * @property {() => number} serverNow  the server's clock in milliseconds since 1970, whatever the device's clock says
 * @property {() => ReadonlyArray<Present> | null} devices  who is there; null while nothing is known (polling)
 * @property {() => ReadonlyArray<Conflict>} conflicts  what changes of this user lost, and nobody dismissed yet
 * @property {(conflict: Conflict) => Promise<Result>} takeBack  makes the lost change anew and dismisses the conflict
 * @property {(id: string) => Promise<void>} dismissConflict
 * @property {() => void} close  stops following; what waits stays in the store and is sent the next time
 */

/**
 * @typedef {object} Options
 * @property {string} [url]  the server's address; the page's own when left out
 * @property {boolean} [realtime]  whether to hold a socket; a phone, and whoever asked his browser to save data, polls
 * @property {() => void} [onSignedOut]  the session ended, here or elsewhere; the client is closed, and what waits is
 *   kept for the next sign-in
 */

/**
 * @param {Options} [options]
 * @returns {Client}
 */
export function createClient(options = {}) {
    const { url = location.origin, realtime = !isPhone(navigator.userAgent) && !savesData(), onSignedOut } = options;
    const name = storeName(url);
    /** @type {Set<() => void>} */
    const listeners = new Set();
    /** @type {Map<string, ReadonlyArray<Listed>>} */
    const lists = new Map();
    /** @type {State | null} */
    let listed = null;

    const shell = new Shell({
        url, name, realtime, openStore: () => openStore(name),
        changed() {
            status = statusOf(shell, status);
            for (const listener of [...listeners]) {
                try {
                    listener();
                } catch (error) {
                    // A page's mistake is the page's: it must not keep a change from being sent.
                    reportError(error);
                }
            }
        },
        signedOut() {
            shell.stop();
            onSignedOut?.();
        },
    });
    let status = statusOf(shell, null);
    void shell.start();

    /** @type {Client} */
    const client = {
        read: (collection, id) => read(shell.state, collection, id),
        list(collection) {
            if (listed !== shell.state) {
                for (const [known, before] of lists) lists.set(known, listOf(shell.state, known, before));
                listed = shell.state;
            }
            const now = lists.get(collection) ?? listOf(shell.state, collection, []);
            lists.set(collection, now);
            return now;
        },
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
        mutate: (name, args, hint) => shell.mutate({ id: makeId(), name, args, ...(hint === undefined ? {} : { hint }) }),
        status: () => status,
        serverNow: () => shell.serverNow(),
        devices: () => shell.state.devices,
        conflicts: () => shell.state.conflicts,
        takeBack({ id, mutation }) {
            // What the server names as null was left out.
            const args = Object.fromEntries(Object.entries(mutation.args).filter(([, value]) => value !== null));
            const result = client.mutate(mutation.name, args);
            void shell.dismiss(id);
            return result;
        },
        dismissConflict: (id) => shell.dismiss(id),
        close: () => shell.stop(),
    };
    return client;
}

/** Whether the user asked his browser to spare the network. */
function savesData() {
    return /** @type {any} */ (navigator).connection?.saveData === true;
}

const SHARED = new Set(["items", "flags"]);

/**
 * @param {Shell} shell
 * @param {Status | null} before  given back where it says the same
 * @returns {Status}
 */
function statusOf(shell, before) {
    const { state, storage } = shell;
    let version = 0;
    for (const it of state.documents.values()) if (!SHARED.has(it.collection)) version = Math.max(version, it.version);
    /** @type {Status} */
    const now = {
        connection: state.connection, pending: shell.early + state.keeping.length + waiting(state).length,
        ready: state.cursor !== null, version,
        stale: state.cursor !== null && !state.fresh, storage,
    };
    const names = /** @type {(keyof Status)[]} */ (Object.keys(now));
    return before !== null && names.every((name) => before[name] === now[name]) ? before : Object.freeze(now);
}

/**
 * @param {State} state
 * @param {string} collection
 * @param {ReadonlyArray<Listed>} before  given back where it says the same
 */
function listOf(state, collection, before) {
    const prefix = keyOf(collection, "");
    const ids = new Set([...state.documents.keys(), ...state.overlay.keys()]
        .filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)));
    const known = new Map(before.map((it) => [it.id, it]));
    const now = [...ids].sort().flatMap((id) => {
        const value = read(state, collection, id);
        if (value === undefined) return [];
        const version = versionOf(state, collection, id);
        const old = known.get(id);
        return [old?.value === value && old?.version === version ? old : Object.freeze({ id, value, version })];
    });
    const same = now.length === before.length && now.every((it, at) => it === before[at]);
    return same ? before : Object.freeze(now);
}
