// A device's end of Lockstep: a replica that follows the server, changes that show at once and are sent in order, and
// a word about how it stands.

import { isPhone } from "./device.js";
import { makeId, Outbox } from "./outbox.js";
import { Replica } from "./replica.js";
import { Transport } from "./transport.js";

/** @typedef {import("./outbox.js").Result} Result */

/**
 * @typedef {object} Status
 * @property {import("./transport.js").Connection | "starting"} connection  starting: nothing is known yet
 * @property {number} pending  changes made here that the server has not answered
 * @property {boolean} ready  whether the replica holds anything; before, `read` knows nothing
 */

/**
 * @typedef {object} Client
 * @property {(collection: string, id: string) => unknown} read  the value that the user should see, undefined where
 *   there is none; the same object while nothing changed
 * @property {(listener: () => void) => () => void} subscribe  calls the listener after every change of what `read` or
 *   `status` say; the answer ends that
 * @property {(name: string, args: Record<string, unknown>) => Promise<Result>} mutate  shows a change and sends it; the
 *   promise brings the server's final word. Throws a RangeError for what is too large to be sent
 * @property {() => Status} status
 * @property {() => void} close  stops following; what waits is not sent
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
    let status = snapshot();

    function snapshot() {
        return Object.freeze({ connection, pending: outbox.size, ready: replica.cursor !== null });
    }

    function changed() {
        status = snapshot();
        for (const listener of [...listeners]) listener();
    }

    const transport = new Transport({ url, realtime }, {
        cursor: () => replica.cursor,
        waiting: (limit) => outbox.first(limit),
        change(change) {
            const fits = replica.apply(change);
            if (fits) changed();
            return fits;
        },
        results(results, pulled) {
            const ids = results.map((result) => result.id);
            replica.settle(ids, pulled);
            outbox.remove(ids);
            changed();
            for (const result of results) {
                waiting.get(result.id)?.(result);
                waiting.delete(result.id);
            }
        },
        connection(now) {
            if (now === connection) return;
            connection = now;
            changed();
        },
        signedOut: () => onSignedOut?.(),
    });
    transport.start();

    return {
        read: (collection, id) => replica.read(collection, id),
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
        mutate(name, args) {
            const effects = effectsOf(name, args);
            const mutation = { id: makeId(), name, args, ...baseOf(effects, replica) };
            outbox.add(mutation);
            replica.propose(mutation.id, effects);
            changed();
            transport.push();
            return new Promise((resolve) => waiting.set(mutation.id, resolve));
        },
        status: () => status,
        close: () => transport.stop(),
    };
}

/**
 * What a mutation will have done, as far as this device can tell.
 * @param {string} name
 * @param {Record<string, unknown>} args
 * @returns {import("./replica.js").Effect[]}
 */
function effectsOf(name, args) {
    switch (name) {
    case "settings.set":
        return [{ collection: "settings", id: String(args.key), value: args.value }];
    case "settings.delete":
        return [{ collection: "settings", id: String(args.key), value: null }];
    default:
        return [];
    }
}

/**
 * The version that the user saw when he made the change: what the server compares to find that somebody else was first.
 * Unknown before the first pull, and then left out: the change is made whatever stands there.
 * @param {import("./replica.js").Effect[]} effects
 * @param {Replica} replica
 */
function baseOf(effects, replica) {
    if (effects.length !== 1 || replica.cursor === null) return {};
    return { base_version: replica.version(effects[0].collection, effects[0].id) };
}
