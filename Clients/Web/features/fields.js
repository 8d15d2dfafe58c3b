// The arguments of a mutation as the server reads them (Modules/API/Fields.swift): null is absent, and what does not fit is
// refused. Pure.

import { lengthOf } from "../text.js";

/** Why the server will not carry a change out, as far as this device can know. */
export class Refusal extends Error {
    /** @param {string} code */
    constructor(code) {
        super(code);
        this.code = code;
    }
}

/** @typedef {Record<string, any>} Args */

/**
 * @param {Args} args @param {string} name @param {number} least @param {number} most
 * @returns {number | undefined}
 */
export function optionalInteger(args, name, least, most) {
    const value = present(args, name);
    return fitting(value, value === undefined || (Number.isInteger(value) && value >= least && value <= most));
}

/**
 * @param {Args} args @param {string} name @param {number} longest  in Unicode scalars
 * @returns {string | undefined}
 */
export function optionalText(args, name, longest) {
    const value = present(args, name);
    return fitting(value, value === undefined || (typeof value === "string" && isText(value) && lengthOf(value) <= longest));
}

/**
 * @param {Args} args @param {string} name
 * @returns {boolean | undefined}
 */
export function optionalFlag(args, name) {
    const value = present(args, name);
    return fitting(value, value === undefined || typeof value === "boolean");
}

/**
 * @template {string} Choice
 * @param {Args} args @param {string} name @param {ReadonlyArray<Choice>} choices
 * @returns {Choice | undefined}
 */
export function optionalChoice(args, name, choices) {
    const value = present(args, name);
    return fitting(value, value === undefined || choices.includes(value));
}

/**
 * @param {Args} args @param {string} name
 * @returns {string | undefined}  in lower case, as the server writes ids
 */
export function optionalId(args, name) {
    const value = present(args, name);
    return fitting(value, value === undefined || typeof value === "string")?.toLowerCase();
}

/**
 * @param {Args} args @param {string} name
 * @returns {string}
 */
export function requiredId(args, name) {
    return optionalId(args, name) ?? fitting("", false);
}

/**
 * Whether PostgreSQL can hold this text.
 * @param {string} text
 */
export function isText(text) {
    return !/\p{Surrogate}/u.test(text) && !text.includes("\0");
}

/** @param {Args} args @param {string} name @returns {any} */
function present(args, name) {
    return Object.hasOwn(args, name) ? args[name] ?? undefined : undefined;
}

/**
 * @template T
 * @param {T} value @param {boolean} fits
 * @returns {T}
 */
function fitting(value, fits) {
    if (!fits) throw new Refusal("invalid_body");
    return value;
}
