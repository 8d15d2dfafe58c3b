/**
 * @param {Options} [options]
 * @returns {Guard}
 */
export function installStorageGuard(options?: Options | undefined): Guard;
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
export const FLAG: "DISABLE_MASS_LOCAL_PERSISTENCE";
/**
 * refuse, or let pass and count
 */
export type Mode = "enforce" | "report";
export type Options = {
    mode?: Mode | undefined;
    /**
     * keys that pass beside those that the server names; `ui.*` stands for all
     * that begin with `ui.`
     */
    allow?: readonly string[] | undefined;
    stores?: readonly ("localStorage" | "sessionStorage")[] | undefined;
    /**
     * with it, a switch of the flag is
     * followed at once
     */
    client?: Pick<import("../client.js").Client, "read" | "subscribe"> | undefined;
    /**
     * the server's address
     */
    url?: string | undefined;
    warn?: ((message: string) => void) | undefined;
};
export type Guard = {
    /**
     * the flag was read, and whether the guard is on; until then it is
     */
    ready: Promise<boolean>;
    /**
     * how often each key was written that may not be
     */
    counts: () => Readonly<Record<string, number>>;
    /**
     * reports what was counted, now and not in a while
     */
    flush: () => Promise<void>;
    uninstall: () => void;
};
