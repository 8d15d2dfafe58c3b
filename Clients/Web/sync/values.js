// Values as JSON has them: copied on the way in, frozen on the way out, and what one changes of another. Pure.

import { alike } from "./replica.js";

// Deeper than any server takes; and what holds itself is deeper than that.
const DEEPEST = 256;

/** A value that cannot be stored or sent: the caller's mistake, and no store's. */
export class NoValue extends Error {}

/**
 * A copy as JSON would carry it, so that what is shown is what is sent; frozen, so that it stays so. What JSON would
 * drop or twist in silence is refused.
 * @param {any} value
 * @param {string} [at]  where it stands
 * @param {number} [depth]
 * @returns {any}
 * @throws {NoValue}
 */
export function copied(value, at = "", depth = 0) {
    if (depth > DEEPEST) throw new NoValue(`${at.slice(0, 60)}… is nested too deeply, or holds itself`);
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    // JSON knows one zero.
    if (typeof value === "number" && Number.isFinite(value)) return value === 0 ? 0 : value;
    if (typeof value !== "object") throw new NoValue(`${at || "the value"} is ${wordFor(value)}`);
    if (typeof value.toJSON === "function") return copied(value.toJSON(), at, depth + 1);
    if (Array.isArray(value)) {
        return Object.freeze(Array.from(value, (it, index) => copied(it, `${at}/${index}`, depth + 1)));
    }
    const kind = Object.prototype.toString.call(value);
    if (kind !== "[object Object]") throw new NoValue(`${at || "the value"} is ${kind.slice(1, -1)}`);
    return Object.freeze(Object.fromEntries(Object.entries(value).filter(([, it]) => it !== undefined)
        .map(([name, it]) => [name, copied(it, `${at}/${name}`, depth + 1)])));
}

/** @param {unknown} value */
function wordFor(value) {
    if (typeof value === "number") return "no finite number";
    return value === undefined ? "undefined" : `a ${typeof value}`;
}

/**
 * Frozen to the bottom. What is frozen at its top was frozen here before.
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function frozen(value) {
    if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
    for (const it of Object.values(value)) frozen(it);
    return Object.freeze(value);
}

/**
 * Puts back what somebody had changed, and nothing else: the members in which what they wrote differs from what they saw
 * are written over what stands now. What they saw is not known for certain, but it is among these: so it is taken to be the
 * one from which they changed least. Where none is known nobody guesses.
 * @param {any} lost  what they wrote
 * @param {any} current  what stands
 * @param {ReadonlyArray<any>} seen  what stood before, the newest first
 * @param {Record<string, any>} [missing]  what a member that is not there means
 * @returns {any} undefined where it is not known
 */
export function putBack(lost, current, seen, missing = {}) {
    const known = seen.filter(isObject);
    if (known.length === 0) return undefined;
    const whole = { ...missing, ...lost };
    const best = known.map((base) => changesOf({ ...missing, ...base }, whole))
        .filter((changes) => changes.length > 0).sort((one, other) => one.length - other.length)[0];
    return best === undefined ? current : best.reduce(written, current);
}

/** @typedef {{path: string[], value: any}} ChangedMember  undefined: it is gone */

/**
 * @param {any} base @param {any} value @param {string[]} [path]
 * @returns {ChangedMember[]}
 */
function changesOf(base, value, path = []) {
    const names = new Set([...Object.keys(base), ...Object.keys(value)]);
    return [...names].flatMap((name) => {
        const [before, after] = [own(base, name), own(value, name)];
        if (isObject(before) && isObject(after)) return changesOf(before, after, [...path, name]);
        return alike(before, after) ? [] : [{ path: [...path, name], value: after }];
    });
}

/**
 * @param {any} object @param {ChangedMember} change
 * @returns {any}
 */
function written(object, { path: [name, ...rest], value }) {
    const inner = own(object, name);
    const now = rest.length === 0 ? value : written(isObject(inner) ? inner : {}, { path: rest, value });
    const others = Object.entries(object).filter(([it]) => it !== name);
    return Object.fromEntries(now === undefined ? others : [...others, [name, now]]);
}

/** @param {any} object @param {string} name */
function own(object, name) {
    return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** @param {any} value */
export function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
