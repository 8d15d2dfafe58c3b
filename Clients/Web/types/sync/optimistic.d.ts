/**
 * @param {Deed} deed
 * @param {Read} read
 * @returns {Effect[]} empty where this device cannot tell, or expects a refusal
 */
export function effectsOf(deed: Deed, read: Read): Effect[];
/**
 * An item of the catalogue or a reward of the user's own, with the collection that holds it.
 * @param {string} id @param {Read} read
 * @returns {[string, any]}
 */
export function itemOf(id: string, read: Read): [string, any];
/**
 * A value as it will be once a mutation is applied.
 */
export type Effect = {
    collection: string;
    id: string;
    value: unknown;
};
/**
 * What the effects of a mutation are computed from.
 */
export type Deed = {
    /**
     * the mutation's; what it creates has the same
     */
    id: string;
    name: string;
    args: Record<string, any>;
    /**
     * the server's clock when it was made, in milliseconds
     */
    made: number;
    /**
     * what the caller knows and the server need not be told: a refund's transaction
     */
    hint?: any;
};
/**
 * a value as the user sees it now; undefined: there is none
 */
export type Read = (collection: string, id: string) => any;
