// A device's end of Lockstep: a replica that follows the server, changes that show at once and are sent in order, and
// a word about how it stands.

import { isPhone } from "./device.js";
import { makeId, Outbox } from "./outbox.js";
import { Replica } from "./replica.js";
import { effectsOf, itemOf } from "./sync/optimistic.js";
import { Transport } from "./transport.js";

/** @typedef {import("./outbox.js").Result} Result */

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
 * A change of this user that lost to another device (contract, section 6).
 * @typedef {object} Conflict
 * @property {string} id  the lost mutation's
 * @property {{id: string, name: string, args: Record<string, any>}} mutation
 * @property {any} lost_value
 * @property {any} current  the document that stands
 * @property {string} at
 */

/** @typedef {{id: string, name: string, kind: string, online: boolean}} Present  a device, and whether it is there */

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
 * @param {object} [options]
 * @param {string} [options.url]  the server's address; the page's own when left out
 * @param {boolean} [options.realtime]  whether to hold a socket; a phone polls
 * @param {() => void} [options.onSignedOut]  the session ended, here or elsewhere; the client is closed
 * @returns {Client}
 */
export function createClient({ url = location.origin, realtime = !isPhone(navigator.userAgent), onSignedOut } = {}) {
    const replica = new Replica();
    const outbox = new Outbox();
    /** @type {Map<string, (result: Result) => void>} */
    const waiting = new Map();
    /** @type {Set<() => void>} */
    const listeners = new Set();
    /** @type {Status["connection"]} */
    let connection = "starting";
    /** Added to the page's stopwatch it gives the server's clock. */
    let ahead = Date.now() - performance.now();
    /** @type {ReadonlyArray<Present> | null} */
    let present = null;
    /** @type {ReadonlyArray<Conflict>} */
    let lost = [];
    let status = snapshot();

    function snapshot() {
        const ready = replica.cursor !== null;
        return Object.freeze({
            connection, pending: outbox.size, ready, version: replica.latest(), stale: false,
            storage: /** @type {const} */ ("memory"),
        });
    }

    function changed() {
        status = snapshot();
        for (const listener of [...listeners]) listener();
    }

    async function fetchConflicts() {
        const answer = await fetch(new URL("/api/sync/conflicts", url), { credentials: "include", cache: "no-store" });
        if (!answer.ok) return;
        lost = (await answer.json()).conflicts;
        changed();
    }

    const transport = new Transport({ url, realtime }, {
        cursor: () => replica.cursor,
        waiting: (limit) => outbox.first(limit),
        change(change) {
            const first = replica.cursor === null;
            const fits = replica.apply(change);
            if (change.server_time !== undefined) ahead = Date.parse(change.server_time) - performance.now();
            if (fits) changed();
            if (first) fetchConflicts().catch(() => undefined);
            return fits;
        },
        results(results, pulled) {
            const ids = results.map((result) => result.id);
            replica.settle(ids, pulled);
            outbox.remove(ids);
            changed();
            if (results.some((it) => it.status === "conflict")) fetchConflicts().catch(() => undefined);
            for (const result of results) {
                waiting.get(result.id)?.(result);
                waiting.delete(result.id);
            }
        },
        presence(devices) {
            present = devices;
            changed();
        },
        connection(now) {
            if (now === connection) return;
            connection = now;
            changed();
        },
        signedOut: () => onSignedOut?.(),
    });
    transport.start();

    /** @type {Client} */
    const client = {
        read: (collection, id) => replica.read(collection, id),
        list: (collection) => replica.list(collection),
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
        async mutate(name, args, hint) {
            const read = replica.read.bind(replica);
            const sent = name === "market.purchase" ? priced(args, read) : args;
            const id = makeId();
            const effects = effectsOf({ id, name, args: sent, made: client.serverNow(), hint }, read);
            const mutation = { id, name, args: sent, ...baseOf(name, args, replica) };
            outbox.add(mutation);
            replica.propose(mutation.id, effects);
            changed();
            transport.push();
            return new Promise((resolve) => waiting.set(mutation.id, resolve));
        },
        status: () => status,
        serverNow: () => performance.now() + ahead,
        devices: () => present,
        conflicts: () => lost,
        async takeBack({ id, mutation }) {
            const result = client.mutate(mutation.name, mutation.args);
            await client.dismissConflict(id);
            return result;
        },
        async dismissConflict(id) {
            lost = lost.filter((it) => it.id !== id);
            changed();
            await fetch(new URL(`/api/sync/conflicts/${id}`, url), { method: "DELETE", credentials: "include" });
        },
        close: () => transport.stop(),
    };
    return client;
}

/**
 * A purchase carries the price that its buyer saw.
 * @param {Record<string, any>} args
 * @param {import("./sync/optimistic.js").Read} read
 */
function priced(args, read) {
    const [, item] = itemOf(String(args.item_id), read);
    return item === undefined ? args : { expected_cost_coins: item.cost_coins, ...args };
}

/**
 * The version that the user saw when he made the change: what the server compares to find that somebody else was first.
 * Unknown before the first pull, and then left out: the change is made whatever stands there.
 * @param {string} name
 * @param {Record<string, any>} args
 * @param {Replica} replica
 */
function baseOf(name, args, replica) {
    if (replica.cursor === null) return {};
    if (name.startsWith("settings.")) return { base_version: replica.version("settings", String(args.key)) };
    return name.startsWith("focus.") ? { base_version: replica.version("focus", "active") } : {};
}
