// Days and times in words, in the user's own time zone, which is a setting; without one, in this device's.

import { client } from "./frame.js";

/**
 * A moment: "25 Nov, 14:05".
 * @param {string} time
 */
export function whenText(time) {
    /** @type {Intl.DateTimeFormatOptions} */
    const how = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
    try {
        return new Date(time).toLocaleString("en-GB", { ...how, timeZone: client.read("settings", "time_zone") });
    } catch {
        // A zone that the server knows and this browser does not.
        return new Date(time).toLocaleString("en-GB", how);
    }
}

/**
 * A day of the calendar: "25 Nov".
 * @param {string} date
 */
export function dayText(date) {
    const noon = new Date(`${date}T12:00:00Z`);
    return noon.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}
