// Whose day it is: the zone that the account names, else this browser's. What pages show and what they ask the server for
// go by the same one. Pure, but for what was refused.

/** @typedef {Pick<import("../../client.js").Client, "read">} Reader */

/**
 * Names that the server does not take, such as an old browser's.
 * @type {Set<string>}
 */
const refused = new Set();
const DAY_MS = 86_400_000;

/**
 * Whether this is the name of a time zone, to this browser. Offsets, which it takes too, are none.
 * @param {unknown} name
 * @returns {name is string}
 */
export function isZone(name) {
    try {
        if (typeof name !== "string" || !/^[A-Za-z]/.test(name)) return false;
        new Intl.DateTimeFormat("en-GB", { timeZone: name });
        return true;
    } catch {
        return false;
    }
}

/** The browser's own zone; null where it does not say. */
export function deviceZone() {
    const name = new Intl.DateTimeFormat().resolvedOptions().timeZone;
    return isZone(name) && name !== "Etc/Unknown" ? name : null;
}

/**
 * The zone that pages show.
 * @param {Reader} client
 * @returns {string}
 */
export function shownZone(client) {
    const names = [client.read("settings", "time_zone"), deviceZone()];
    return names.find((name) => isZone(name) && !refused.has(name)) ?? "UTC";
}

/**
 * The server does not know this zone: from now on the next best is shown.
 * @param {string} name
 */
export function refuseZone(name) {
    refused.add(name);
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const calendars = new Map();

/**
 * The day of the calendar, as the server writes it: "2026-11-28".
 * @param {number} time  milliseconds since 1970
 * @param {string} zone
 */
export function dayOf(time, zone) {
    const calendar = calendars.get(zone) ?? new Intl.DateTimeFormat("en-US", {
        timeZone: zone, calendar: "gregory", numberingSystem: "latn", year: "numeric", month: "2-digit", day: "2-digit",
    });
    calendars.set(zone, calendar);
    const parts = Object.fromEntries(calendar.formatToParts(time).map(({ type, value }) => [type, value]));
    return `${parts.year}-${parts.month}-${parts.day}`;
}

/**
 * Milliseconds until the day ends there. Days have 23 to 25 hours, and begin at midnight or later.
 * @param {number} now
 * @param {string} zone
 */
export function untilNextDay(now, zone) {
    const today = dayOf(now, zone);
    let [before, after] = [now, now + DAY_MS + 2 * 3_600_000];
    while (after - before > 1) {
        const middle = Math.floor((before + after) / 2);
        if (dayOf(middle, zone) === today) before = middle;
        else after = middle;
    }
    return after - now;
}
