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
export function createClient(options?: Options | undefined): Client;
export type Conflict = import("./contract.js").Conflict;
export type Present = import("./contract.js").Present;
export type Problem = import("./contract.js").Problem;
export type Reason = import("./contract.js").Reason;
export type Result = import("./contract.js").Result;
export type Status = {
    /**
     * the id of whose data this is, as the server said; null: it has not yet
     */
    account: string | null;
    /**
     * starting: nothing is known yet
     */
    connection: "starting" | "realtime" | "polling" | "offline";
    /**
     * why it is offline; null while it is not. A browser does not tell a certificate that it
     * refuses from a server that is not there: both are `unreachable`
     */
    reason: Reason | null;
    /**
     * nothing is followed or sent any more, for good: `close` was called, or the session ended
     */
    closed: boolean;
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
     * memory: nothing survives a reload, for this browser keeps nothing, or
     * its store has failed. full: there was no room for the last change. Either way changes are sent while there is a
     * connection
     */
    storage: "indexeddb" | "full" | "memory";
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
     * there is none; the same object while nothing changed. It is frozen, as is all that the client gives out
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
     * sends it; the promise brings the server's final word, also after days, and never rejects. The values are copied. What
     * cannot be kept or sent is not shown and comes back as `rejected`, status 0: `invalid_value` (no JSON can say it),
     * `unregistered_mutation` (no feature of Clients/Web/features has it),
     * `payload_too_large`, `queue_full`, `storage_full` (without a connection), `closed`, `signed_out`, or `unknown_user`
     * (nobody has signed in here, and the server is not there to be asked).
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
     * makes the lost change anew: of an
     * object the members that the user had changed, over what stands now; all of it where `whole` says so. The conflict is
     * dismissed once that is done, also after a reload, and stays where it is refused. Where the server cannot be asked what
     * stood before, an object comes back as `rejected`, status 0, `unknown_past`
     */
    takeBack: (conflict: Conflict, how?: {
        whole?: boolean;
    }) => Promise<Result>;
    dismissConflict: (id: string) => Promise<void>;
    /**
     * stops following; what waits stays in the store and is sent the next time: the promise of such
     * a change brings nothing any more, for nobody here will hear its result
     */
    close: () => void;
};
export type Options = {
    /**
     * the server's address; the page's own when left out
     */
    url?: string | undefined;
    /**
     * whether to hold a socket; a device that is held in a hand, and whoever asked their browser
     * to save data, polls: while somebody looks the server holds the questions, so that a change is heard at once
     */
    realtime?: boolean | undefined;
    /**
     * whether to ask only every so often, also while somebody looks; by itself where data or
     * power are to be saved
     */
    saving?: boolean | undefined;
    /**
     * the session ended, here or elsewhere; the client is closed, and what waits is
     * kept for the next sign-in
     */
    onSignedOut?: (() => void) | undefined;
};
