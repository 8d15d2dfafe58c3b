// Days and times in words, by the user's own day.

import { client } from "./frame.js";
import { call } from "./rest.js";
import { dayOf, refuseZone, shownZone, untilNextDay } from "./zone.js";

// No timer is trusted for longer: the machine may sleep meanwhile, and the zone change.
const LOOK_AGAIN_MS = 300_000;

/**
 * A moment: "25 Nov, 14:05".
 * @param {string | number} time
 */
export function whenText(time) {
    return new Date(time).toLocaleString("en-GB", {
        day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: shownZone(client),
    });
}

/**
 * A day of the calendar: "25 Nov".
 * @param {string} date
 */
export function dayText(date) {
    const noon = new Date(`${date}T12:00:00Z`);
    return noon.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}

/**
 * The user's day in which a moment is.
 * @param {string} time
 */
export function dayTextOf(time) {
    return dayText(dayOf(Date.parse(time), shownZone(client)));
}

/** The user's day now, by the server's clock. */
export function today() {
    return dayOf(client.serverNow(), shownZone(client));
}

/**
 * How long ago, in words.
 * @param {number} milliseconds
 */
export function agoText(milliseconds) {
    const minutes = Math.round(milliseconds / 60_000);
    if (minutes < 1) return "a moment ago";
    if (minutes < 60) return `${minutes} min ago`;
    if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h ago`;
    return `${Math.round(minutes / 1_440)} days ago`;
}

/**
 * Statistics by the days that this page shows. A zone that the server does not know is not shown any longer.
 * @param {number} days
 */
export async function askStatistics(days) {
    for (;;) {
        const zone = shownZone(client);
        const answer = await call("GET", `/api/focus/stats?days=${days}&tz=${encodeURIComponent(zone)}`);
        if (answer.problem?.status !== 422 || zone === "UTC") return answer;
        refuseZone(zone);
    }
}

/**
 * Calls `turn` when the user's day becomes another: at midnight, or because they live elsewhere now.
 * @param {() => void} turn
 * @returns {() => void} looks now, instead of at its time
 */
export function onNewDay(turn) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let zone = shownZone(client);
    let day = today();
    const look = () => {
        clearTimeout(timer);
        const before = `${zone} ${day}`;
        zone = shownZone(client);
        day = today();
        // A little late rather than early: to the server it is tomorrow then, too.
        timer = setTimeout(look, Math.min(untilNextDay(client.serverNow(), zone) + 500, LOOK_AGAIN_MS));
        if (`${zone} ${day}` !== before) turn();
    };
    document.addEventListener("visibilitychange", look);
    look();
    return look;
}
