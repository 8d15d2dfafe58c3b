// The client's part of the settings. Which values one may have: Modules/Settings/Setting.swift.

import { isText, Refusal } from "./fields.js";

/** @typedef {import("../sync/types.js").ShownValue} ShownValue */
/** @typedef {import("../sync/types.js").LocalMutation} LocalMutation */
/** @typedef {import("../sync/types.js").View} View */

const KEY = /^[A-Za-z0-9_.:-]{1,255}$/;
const LARGEST_BYTES = 16_384;
const DEEPEST = 32;
const MOST = 1_000;
const ZONE = new RegExp("^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe|Indian"
    + "|Mexico|Pacific|US)(/[A-Z][A-Za-z0-9_+-]*)+$");
/** The names of time zones without an area that the server takes: `single` in Modules/API/TimeZoneName.swift. */
export const SINGLE_ZONES = new Set([
    "CET", "CST6CDT", "Cuba", "EET", "EST", "EST5EDT", "Egypt", "Eire", "GB", "GB-Eire", "GMT", "GMT+0",
    "GMT-0", "GMT0", "Greenwich", "HST", "Hongkong", "Iceland", "Iran", "Israel", "Jamaica", "Japan",
    "Kwajalein", "Libya", "MET", "MST", "MST7MDT", "NZ", "NZ-CHAT", "Navajo", "PRC", "PST8PDT", "Poland",
    "Portugal", "ROC", "ROK", "Singapore", "Turkey", "UCT", "UTC", "Universal", "W-SU", "WET", "Zulu",
]);
const THEMES = ["light", "dark", "system"];
// What a switch of `accessibility` means that is not there.
const SWITCHED_OFF = { reduced_motion: false, high_contrast: false, large_text: false };

/** @type {import("../sync/types.js").Feature} */
export const settings = {
    mutations: {
        "settings.set": {
            document: documentOf, effects: set,
            // Of a lost object the members are put back that the user had changed.
            past: ({ key }) => ({
                address: `/api/settings/${encodeURIComponent(key)}/history`,
                missing: key === "accessibility" ? SWITCHED_OFF : {},
            }),
        },
        "settings.delete": { document: documentOf, effects: remove },
    },
    shared: [],
    // Who asked to be told when a session ends hears also of one that begins elsewhere while nobody looks here.
    listens: (read) => read("settings", "notifications_enabled") === true,
    problems: {
        invalid_setting: "This is not among what can be chosen here.",
        too_many_settings: "Your account holds as many settings as it can.",
    },
};

/** @param {Record<string, any>} args @returns {[string, string]} */
function documentOf({ key }) {
    return ["settings", String(key)];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function set({ args: { key, value } }, view) {
    checkKey(key);
    checkValue(key, value);
    if (view.read("settings", key) === undefined && view.full("settings", MOST)) throw new Refusal("too_many_settings");
    return key === "time_zone" && !isZone(value) ? [] : [{ collection: "settings", id: key, value }];
}

/** @param {LocalMutation} mutation @returns {ShownValue[]} */
function remove({ args: { key } }) {
    checkKey(key);
    return [{ collection: "settings", id: key, value: null }];
}

/** @param {unknown} key */
function checkKey(key) {
    if (typeof key !== "string" || key === "" || !isText(key)) throw new Refusal("invalid_body");
    if (!KEY.test(key)) throw new Refusal("invalid_setting");
}

/** @param {string} key @param {any} value */
function checkValue(key, value) {
    if (value === undefined || !isStorable(value, DEEPEST)) throw new Refusal("invalid_body");
    if (value === null || !suits(key, value)) throw new Refusal("invalid_setting");
    if (new TextEncoder().encode(JSON.stringify(value)).length > LARGEST_BYTES) throw new Refusal("invalid_setting");
}

/**
 * The rules of the keys that the product itself reads; all others are free.
 * @param {string} key @param {any} value
 */
function suits(key, value) {
    switch (key) {
    case "theme": return THEMES.includes(value);
    case "accessibility":
        return typeof value === "object" && !Array.isArray(value) && Object.entries(value)
            .every(([name, it]) => Object.hasOwn(SWITCHED_OFF, name) && typeof it === "boolean");
    case "notifications_enabled": return typeof value === "boolean";
    case "time_zone": return typeof value === "string";
    default: return true;
    }
}

/**
 * A time zone that this device knows and the server knows too. Of others only the server can tell.
 * @param {string} name
 */
function isZone(name) {
    if (!ZONE.test(name) && !SINGLE_ZONES.has(name)) return false;
    try {
        return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
    } catch {
        return false;
    }
}

/**
 * Whether this can be stored: so deep at most, and all of it text that a database holds.
 * @param {any} value @param {number} levels
 * @returns {boolean}
 */
function isStorable(value, levels) {
    if (typeof value === "string") return isText(value);
    if (typeof value !== "object" || value === null) return true;
    return levels > 0 && Object.entries(value).every(([name, it]) => isText(name) && isStorable(it, levels - 1));
}
