/**
 * Safe to call at every start, in every tab: a key goes only once the server has it, and what the server has stays.
 * @param {object} how
 * @param {Client} how.client
 * @param {Readonly<Record<string, Mover>>} [how.keys]  beside and before those of MOVERS
 * @param {Storage | null} [how.storage]
 * @returns {Promise<Moved>} once the server has answered for all; offline, that is when it is back
 */
export function migrateLocalStorage({ client, keys, storage }: {
    client: Client;
    keys?: Readonly<Record<string, Mover>> | undefined;
    storage?: Storage | null | undefined;
}): Promise<Moved>;
/** @typedef {import("../client.js").Client} Client */
/** @typedef {{name: string, args: Record<string, any>}} Change  a mutation to make */
/** @typedef {(value: any, client: Client) => Change[] | null} Mover  what a key's value becomes; null: nothing of worth */
/**
 * @typedef {object} Moved
 * @property {string[]} moved  keys that are on the server now, and no longer here
 * @property {string[]} dropped  keys that the server knew better, or that held nothing of worth; no longer here
 * @property {Array<{key: string, problem: import("../client.js").Problem}>} left  keys that the server refused; still
 *   here
 */
/**
 * What a browser says about money is kept and never believed: it goes under `legacy.<key>`, where whoever runs the
 * server finds it (`lockstep coins grant` makes it good). The rest becomes what it always meant.
 * @type {Readonly<Record<string, Mover>>}
 */
export const MOVERS: Readonly<Record<string, Mover>>;
export type Client = import("../client.js").Client;
/**
 * a mutation to make
 */
export type Change = {
    name: string;
    args: Record<string, any>;
};
/**
 * what a key's value becomes; null: nothing of worth
 */
export type Mover = (value: any, client: Client) => Change[] | null;
export type Moved = {
    /**
     * keys that are on the server now, and no longer here
     */
    moved: string[];
    /**
     * keys that the server knew better, or that held nothing of worth; no longer here
     */
    dropped: string[];
    /**
     * keys that the server refused; still
     * here
     */
    left: Array<{
        key: string;
        problem: import("../client.js").Problem;
    }>;
};
