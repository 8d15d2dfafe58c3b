/**
 * @param {string} name  of the database
 * @returns {Promise<Store>}
 */
export function openStore(name: string): Promise<Store>;
/**
 * The database's name for a server: the page's own has the plain one.
 * @param {string} url
 */
export function storeName(url: string): string;
/** @returns {Store} */
export function memoryStore(): Store;
export type Document = import("../sync/types.js").Document;
export type Kept = import("../sync/types.js").Kept;
export type Account = {
    /**
     * the user's id
     */
    account: string;
    device: string | null;
    /**
     * a fingerprint of it: enough to know it again
     */
    email: string;
    /**
     * the last number drawn
     */
    seq: number;
    cursor: string | null;
    /**
     * the server's clock minus the device's, when the replica was last saved
     */
    skew: number | null;
    forked: boolean;
};
export type Stored = {
    account: string;
    device: string | null;
    forked: boolean;
    cursor: string | null;
    skew: number | null;
    documents: Document[];
    entries: Kept[];
};
export type Store = {
    kind: "indexeddb" | "memory";
    /**
     * the account of the last sign-in here
     */
    last: () => Promise<string | null>;
    load: (account: string) => Promise<Stored>;
    /**
     * the last sign-in
     */
    remember: (known: {
        account: string;
        device: string;
        email: string;
    }) => Promise<void>;
    /**
     * the device that an earlier sign-in gave
     */
    deviceOf: (email: string) => Promise<string | null>;
    /**
     * behind all others, each with the next `seq`; all or
     * none: rejects when they cannot be kept
     */
    keep: (account: string, entries: Kept[]) => Promise<Kept[]>;
    /**
     * entries of the queue
     */
    forget: (account: string, ids: string[]) => Promise<void>;
    rename: (account: string, from: string, to: string) => Promise<void>;
    /**
     * gives the device's id and its count up
     */
    fork: (account: string) => Promise<void>;
    save: (account: string, change: {
        cursor: string;
        reset: boolean;
        documents: Document[];
        skew: number;
    }) => Promise<void>;
    /**
     * takes room for what is kept later; false: there is none
     */
    reserve: () => Promise<boolean>;
    /**
     * gives that room back
     */
    release: () => Promise<void>;
    /**
     * the replica, and that it was the last; the queue stays
     */
    clear: (account: string) => Promise<void>;
};
