// What a mutation will have done, as far as a device can tell before the server has said so: by the rules that the features
// register. Pure: the same mutation over the same documents gives the same effects, on every device and after every reload.

import { features } from "../features/index.js";
import { Refusal } from "../features/fields.js";

/** @typedef {import("./types.js").ShownValue} ShownValue */
/** @typedef {import("./types.js").LocalMutation} LocalMutation */
/** @typedef {import("./types.js").MutationRule} MutationRule */
/** @typedef {import("./types.js").View} View */

/** @type {Map<string, MutationRule>} */
const rules = new Map(features.flatMap((feature) => Object.entries(feature.mutations)));

/**
 * @param {string} name  of a mutation
 * @returns {MutationRule | undefined} undefined: no feature has registered it
 */
export function ruleOf(name) {
    return rules.get(name);
}

/**
 * @param {LocalMutation} mutation
 * @param {View} view  the documents as the user sees them now
 * @returns {{effects: ShownValue[], refusal: string | null}} no effects where this device cannot tell, or expects to be refused:
 *   with that code, as far as it knows
 */
export function judge(mutation, view) {
    try {
        return { effects: rules.get(mutation.name)?.effects(mutation, view) ?? [], refusal: null };
    } catch (error) {
        // Numbers that make no time, documents of another shape: the server knows what becomes of it. A change that
        // throws would throw each time that anything is shown.
        return { effects: [], refusal: error instanceof Refusal ? error.code : null };
    }
}
