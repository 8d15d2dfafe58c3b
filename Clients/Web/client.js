// A device's end of Lockstep: a replica that follows the server, changes that show at once and are sent in order, and
// a word about how it stands. docs/guides/web-client.md walks through it.

import { isHandheld } from "./device.js";
import { features } from "./features/index.js";
import { makeId } from "./shell/ids.js";
import { savesData, watchSaving } from "./shell/saving.js";
import { Shell } from "./shell/shell.js";
import { openStore, storeName } from "./shell/store.js";
import { ruleOf } from "./sync/optimistic.js";
import { refusal } from "./sync/queue.js";
import { keyOf, read, versionOf, waiting } from "./sync/replica.js";
import { reasonOf } from "./sync/status.js";
import { copied, frozen, isObject, NoValue, putBack } from "./sync/values.js";

/** @typedef {import("./contract.js").Conflict} Conflict */
/** @typedef {import("./contract.js").Present} Present */
/** @typedef {import("./contract.js").Problem} Problem */
/** @typedef {import("./contract.js").Reason} Reason */
/** @typedef {import("./contract.js").Result} Result */

/**
 * @typedef {object} Status
 * @property {string | null} account  the id of whose data this is, as the server said; null: it has not yet
 * @property {"starting" | "realtime" | "polling" | "offline"} connection  starting: nothing is known yet
 * @property {Reason | null} reason  why it is offline; null while it is not. A browser does not tell a certificate that it
 *   refuses from a server that is not there: both are `unreachable`
 * @property {boolean} closed  nothing is followed or sent any more, for good: `close` was called, or the session ended
 * @property {number} pending  changes made here that the server has not answered
 * @property {boolean} ready  whether the replica holds anything; before, `read` knows nothing
 * @property {number} version  the highest version among the user's own documents; 0 before there are any
 * @property {boolean} stale  what is shown was read from this device's store; the server has not been reached since
 * @property {"indexeddb" | "full" | "memory"} storage  memory: nothing survives a reload, for this browser keeps nothing, or
 *   its store has failed. full: there was no room for the last change. Either way changes are sent while there is a
 *   connection
 */

/** @typedef {{id: string, value: any, version: number}} Listed  a document of a collection */

/**
 * @typedef {object} Client
 * @property {(collection: string, id: string) => any} read  the value that the user should see, undefined where
 *   there is none; the same object while nothing changed. It is frozen, as is all that the client gives out
 * @property {(collection: string) => ReadonlyArray<Listed>} list  all of a collection, by id; the same array while
 *   nothing in it changed
 * @property {(listener: () => void) => () => void} subscribe  calls the listener after every change of what the other
 *   members say; the answer ends that
 * @property {(name: string, args: Record<string, any>, hint?: any) => Promise<Result>} mutate  shows a change and
 *   sends it; the promise brings the server's final word, also after days, and never rejects. The values are copied. What
 *   cannot be kept or sent is not shown and comes back as `rejected`, status 0: `invalid_value` (no JSON can say it),
 *   `unregistered_mutation` (no feature of Clients/Web/features has it),
 *   `payload_too_large`, `queue_full`, `storage_full` (without a connection), `closed`, `signed_out`, or `unknown_user`
 *   (nobody has signed in here, and the server is not there to be asked).
 *   The hint of a `market.refund` is `{transaction}`, so that the coins are seen at once
 * @property {() => Status} status  the same object while nothing changed
 * @property {() => number} serverNow  the server's clock in milliseconds since 1970, whatever the device's clock says
 * @property {() => ReadonlyArray<Present> | null} devices  who is there; null while nothing is known (polling)
 * @property {() => ReadonlyArray<Conflict>} conflicts  what changes of this user lost, and nobody dismissed yet
 * @property {(conflict: Conflict, how?: {whole?: boolean}) => Promise<Result>} takeBack  makes the lost change anew: of an
 *   object the members that the user had changed, over what stands now; all of it where `whole` says so. The conflict is
 *   dismissed once that is done, also after a reload, and stays where it is refused. Where the server cannot be asked what
 *   stood before, an object comes back as `rejected`, status 0, `unknown_past`
 * @property {(id: string) => Promise<void>} dismissConflict
 * @property {() => void} close  stops following; what waits stays in the store and is sent the next time: the promise of such
 *   a change brings nothing any more, for nobody here will hear its result
 */

/**
 * @typedef {object} Options
 * @property {string} [url]  the server's address; the page's own when left out
 * @property {boolean} [realtime]  whether to hold a socket; a device that is held in a hand, and whoever asked their browser
 *   to save data, polls: while somebody looks the server holds the questions, so that a change is heard at once
 * @property {boolean} [saving]  whether to ask only every so often, also while somebody looks; by itself where data or
 *   power are to be saved
 * @property {() => void} [onSignedOut]  the session ended, here or elsewhere; the client is closed, and what waits is
 *   kept for the next sign-in
 */

/**
 * @param {Options} [options]
 * @returns {Client}
 */
// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function createClient(options = {}) {
    const { url = globalThis.location?.origin, realtime = !isHandheld() && !savesData(), onSignedOut } = options;
    if (url === undefined) throw new TypeError("createClient needs { url }: no page is here that would have one");
    const name = storeName(url);
    /** @type {Set<{listener: () => void}>} */
    const listeners = new Set();
    /** @type {Map<string, ReadonlyArray<Listed>>} */
    const lists = new Map();
    /** @type {import("./sync/types.js").State | null} */
    let listed = null;

    const shell = new Shell({
        url, name, realtime, saving: watchSaving(options.saving), openStore: (lost) => openStore(name, lost),
        changed() {
            status = statusOf(shell, status);
            for (const { listener } of [...listeners]) {
                try {
                    listener();
                } catch (error) {
                    // A page's mistake is the page's: it must not keep a change from being sent.
                    (globalThis.reportError ?? console.error)(error);
                }
            }
        },
        signedOut() {
            void shell.leave(() => onSignedOut?.());
        },
    });
    let status = statusOf(shell, null);
    void shell.start();

    /**
     * @param {string} name @param {Record<string, any>} args @param {any} [hint]
     * @returns {Promise<Result>}
     */
    function make(name, args = {}, hint) {
        const id = makeId();
        try {
            const given = { name: copied(name), args: copied(args) };
            if (typeof given.name !== "string" || typeof given.args !== "object" || given.args === null) {
                throw new NoValue("a mutation is a name and an object of arguments");
            }
            return shell.mutate({ id, ...given, ...(hint === undefined ? {} : { hint: copied(hint) }) }).result.then(frozen);
        } catch (error) {
            const why = error instanceof Error ? `${error.message}.` : "";
            return Promise.resolve(frozen(refusal(id, "invalid_value", why)));
        }
    }

    /**
     * What makes a lost change anew; null: it is not known what of it the user had changed.
     * @param {Conflict} conflict @param {boolean} whole
     * @returns {Promise<Record<string, any> | null>}
     */
    async function lostArgs({ mutation: { name, args }, lost_value: lost, at }, whole) {
        // What the server names as null was left out.
        const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));
        const rule = ruleOf(name);
        const [collection, id] = rule?.document?.(args) ?? [];
        const current = () => collection === undefined || id === undefined ? undefined : client.read(collection, id);
        if (whole || rule?.past === undefined || !isObject(lost) || !isObject(current())) return given;
        const { address, missing } = rule.past(args);
        const value = putBack(lost, current() ?? {}, await shell.conflicts.history(address, at), missing);
        return value === undefined ? null : { ...given, value };
    }

    /**
     * Not shown from the click on, nor in any tab while the change waits; who leads dismisses it with the change's result.
     * @param {Conflict} conflict @param {boolean} whole
     */
    async function takeBack(conflict, whole) {
        shell.conflicts.hide(conflict.id, true);
        const args = await lostArgs(conflict, whole);
        const result = args === null ? refusal(makeId(), "unknown_past")
            : await make(conflict.mutation.name, args, { takesBack: conflict.id });
        shell.conflicts.hide(conflict.id, false);
        return frozen(result);
    }

    /** @type {Map<string, Promise<Result>>} */
    const takingBack = new Map();

    /** @type {Client} */
    const client = {
        read: (collection, id) => frozen(read(shell.state, collection, id)),
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
            // Who subscribes twice is called twice, and ends one of the two.
            const one = { listener };
            listeners.add(one);
            return () => listeners.delete(one);
        },
        mutate: (name, args, hint) => make(name, args, hint),
        status: () => status,
        serverNow: () => shell.serverNow(),
        devices: () => frozen(shell.state.devices),
        conflicts: () => frozen(shell.conflicts.shown(waiting(shell.state))),
        takeBack(conflict, { whole = false } = {}) {
            const { id } = conflict;
            const taking = takingBack.get(id) ?? takeBack(conflict, whole).finally(() => takingBack.delete(id));
            takingBack.set(id, taking);
            return taking;
        },
        dismissConflict: (id) => shell.conflicts.dismiss(id),
        close: () => shell.stop(),
    };
    return client;
}

const SHARED = new Set(features.flatMap((feature) => feature.shared));

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
        account: state.known || state.fresh ? state.account : null, connection: state.connection.is, reason: reasonOf(state),
        closed: shell.ended !== null,
        pending: shell.early + state.persisting.length + waiting(state).length,
        ready: state.cursor !== null, version,
        stale: state.cursor !== null && !state.fresh, storage,
    };
    const names = /** @type {(keyof Status)[]} */ (Object.keys(now));
    return before !== null && names.every((name) => before[name] === now[name]) ? before : Object.freeze(now);
}

/**
 * @param {import("./sync/types.js").State} state
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
        return [old?.value === value && old?.version === version ? old : frozen({ id, value, version })];
    });
    const same = now.length === before.length && now.every((it, at) => it === before[at]);
    return same ? before : Object.freeze(now);
}
