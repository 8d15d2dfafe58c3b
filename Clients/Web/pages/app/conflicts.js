// What a change meant that lost to another device's, in a person's words. Pure.

import { ruleOf } from "../../sync/optimistic.js";
import { shortened } from "../../text.js";
import { lengthText, MODES } from "./session.js";
import { SOUNDS } from "./sound.js";

/** @typedef {import("../../contract.js").Conflict} Conflict */
/** @typedef {{title: string, words: string}} Told */

/** @type {Record<string, string>} */
const SWITCHES = { reduced_motion: "reduced motion", high_contrast: "high contrast", large_text: "large text" };

/** @param {string} title @param {(value: any) => string} value */
const named = (title, value) => ({ title, value });

// All that the settings page sets: as people know it, and its values in words.
const SETTINGS = {
    theme: named("Theme", (it) => it === "system" ? "as the system has it" : plain(it)),
    accessibility: named("Accessibility", switches),
    notifications_enabled: named("Notifications", (it) => it === true ? "on" : "off"),
    time_zone: named("Time zone", (it) => plain(it).replaceAll("_", " ")),
    "focus.sound": named("Sound at the end of a session", (it) => new Map(Object.entries(SOUNDS)).get(it) ?? plain(it)),
    "focus.duration_seconds": named("Length of a focus session", (it) => lengthText(Number(it))),
    "break.duration_seconds": named("Length of a break", (it) => lengthText(Number(it))),
    "long_break.duration_seconds": named("Length of a long break", (it) => lengthText(Number(it))),
};
/** @typedef {keyof typeof SETTINGS} SettingKey */

/**
 * @param {Conflict} conflict
 * @returns {Told}
 */
export function conflictText(conflict) {
    const { name, args } = conflict.mutation;
    if (name === "settings.set" || name === "settings.delete") return settingText(conflict, String(args.key));
    const words = ruleOf(name)?.words;
    if (words !== undefined) return mutationText(conflict, words);
    return { title: "A change", words: `what you changed lost, ${whoOf(conflict)} was first` };
}

/**
 * @param {Conflict} conflict @param {string} key
 * @returns {Told}
 */
function settingText(conflict, key) {
    const known = Object.hasOwn(SETTINGS, key) ? SETTINGS[/** @type {SettingKey} */ (key)] : undefined;
    const removed = conflict.mutation.name === "settings.delete";
    const mine = conflict.lost_value ?? conflict.mutation.args.value;
    const theirs = conflict.current?.value ?? null;
    const who = whoOf(conflict);
    // Another app's: what it calls its settings is not for people.
    if (known === undefined) {
        return {
            title: "A setting of another app",
            words: removed ? `you removed it, but ${who} had changed it` : `you changed it, but ${who} was first`,
        };
    }
    const wanted = removed ? "you chose none" : `you chose ${known.value(mine)}`;
    return { title: known.title, words: `${wanted}, ${who} chose ${theirs === null ? "none" : known.value(theirs)}` };
}

/**
 * @param {Conflict} conflict @param {{title: string, wanted: string}} change
 * @returns {Told}
 */
function mutationText(conflict, { title, wanted }) {
    const title_ = conflict.mutation.args.task_title;
    const which = typeof title_ === "string" && title_ !== "" ? ` (“${shortened(title_, 60)}”)` : "";
    return { title, words: `${wanted}${which}, but ${whoOf(conflict)} was first; now ${stateText(conflict.current?.value)}` };
}

/**
 * How the timer stands.
 * @param {any} session
 */
function stateText(session) {
    if (session === null || session === undefined) return "no session is running";
    const mode = MODES[/** @type {keyof typeof MODES} */ (session.mode)]?.name.toLowerCase() ?? "session";
    const what = `a ${mode}${mode === "focus" ? " session" : ""} of ${lengthText(Number(session.duration_seconds))}`;
    return `${what} is ${session.status === "paused" ? "paused" : "running"}`;
}

/**
 * Who was first, where the server says so.
 * @param {Record<string, any>} conflict
 */
function whoOf({ device_name: name }) {
    return typeof name === "string" && name !== "" ? shortened(name, 40) : "another device";
}

/** @param {any} value */
function switches(value) {
    if (value === null || typeof value !== "object") return plain(value);
    const on = Object.entries(SWITCHES).filter(([name]) => value[name] === true).map(([, words]) => words);
    return on.length === 0 ? "none of its switches" : on.join(", ");
}

/**
 * Something short, whatever it is.
 * @param {any} value
 */
function plain(value) {
    if (typeof value === "string") return shortened(value, 60);
    return typeof value === "number" ? String(value) : value === true ? "on" : value === false ? "off" : "something else";
}
