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
export function createClient(options?: Options | undefined): Client;
export type Conflict = import("./sync/types.js").Conflict;
export type Present = import("./sync/types.js").Present;
export type Problem = import("./sync/types.js").Problem;
export type Result = import("./sync/types.js").Result;
export type State = import("./sync/types.js").State;
export type Status = {
    /**
     * starting: nothing is known yet
     */
    connection: "starting" | "realtime" | "polling" | "offline";
    /**
     * changes made here that the server has not answered
     */
    pending: number;
    /**
     * whether the replica holds anything; before, `read` knows nothing
     */
    ready: boolean;
    /**
     * the highest version among the user's own documents; 0 before there are any
     */
    version: number;
    /**
     * what is shown was read from this device's store; the server has not been reached since
     */
    stale: boolean;
    /**
     * memory: nothing survives a reload, for this browser keeps nothing
     */
    storage: "indexeddb" | "memory";
};
/**
 * a document of a collection
 */
export type Listed = {
    id: string;
    value: any;
    version: number;
};
export type Client = {
    /**
     * the value that the user should see, undefined where
     * there is none; the same object while nothing changed
     */
    read: (collection: string, id: string) => any;
    /**
     * all of a collection, by id; the same array while
     * nothing in it changed
     */
    list: (collection: string) => ReadonlyArray<Listed>;
    /**
     * calls the listener after every change of what the other
     * members say; the answer ends that
     */
    subscribe: (listener: () => void) => () => void;
    /**
     * shows a change and
     * sends it; the promise brings the server's final word, also after days, and never rejects. What cannot be kept or
     * sent is not shown and comes back as `rejected`: code `storage_full`, `queue_full` or `payload_too_large`, status 0.
     * The hint of a `market.refund` is `{transaction}`, so that the coins are seen at once
     */
    mutate: (name: string, args: Record<string, any>, hint?: any) => Promise<Result>;
    /**
     * the same object while nothing changed
     */
    status: () => Status;
    /**
     * the server's clock in milliseconds since 1970, whatever the device's clock says
     */
    serverNow: () => number;
    /**
     * who is there; null while nothing is known (polling)
     */
    devices: () => ReadonlyArray<Present> | null;
    /**
     * what changes of this user lost, and nobody dismissed yet
     */
    conflicts: () => ReadonlyArray<Conflict>;
    /**
     * makes the lost change anew and dismisses the conflict
     */
    takeBack: (conflict: Conflict) => Promise<Result>;
    dismissConflict: (id: string) => Promise<void>;
    /**
     * stops following; what waits stays in the store and is sent the next time
     */
    close: () => void;
};
export type Options = {
    /**
     * the server's address; the page's own when left out
     */
    url?: string | undefined;
    /**
     * whether to hold a socket; a phone, and whoever asked his browser to save data, polls
     */
    realtime?: boolean | undefined;
    /**
     * the session ended, here or elsewhere; the client is closed, and what waits is
     * kept for the next sign-in
     */
    onSignedOut?: (() => void) | undefined;
};
