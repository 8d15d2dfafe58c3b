// What is known about a focus session at a moment of the server's clock, and what suits next. Pure.

import { LONGEST_SECONDS } from "../../features/focus.js";

/** @typedef {"focus" | "break" | "long_break"} Mode */
/**
 * @typedef {object} Session
 * @property {string} id
 * @property {Mode} mode
 * @property {string} status
 * @property {number} duration_seconds
 * @property {string} started_at
 * @property {string | null} ends_at
 * @property {number | null} remaining_seconds
 * @property {string | null} task_title
 * @property {number} coins_awarded
 * @property {string | null} completed_at
 */

/** @type {Record<Mode, {name: string}>} */
export const MODES = { focus: { name: "Focus" }, break: { name: "Break" }, long_break: { name: "Long break" } };
// So many focus sessions in a row, and the break is a long one. A pause longer than this ends the row.
const ROW = 4;
const ROW_GAP_MS = 2 * 3_600_000;

/**
 * Milliseconds left; of a paused session too.
 * @param {Session} session
 * @param {number} now  the server's clock
 */
export function millisecondsLeft(session, now) {
    const left = session.status === "paused" || session.ends_at === null
        ? Number(session.remaining_seconds ?? 0) * 1000 : Date.parse(session.ends_at) - now;
    // What is no length at all would be drawn again and again.
    const most = session.duration_seconds >= 0 ? session.duration_seconds : LONGEST_SECONDS;
    return Number.isNaN(left) ? 0 : Math.min(left, Math.min(most, LONGEST_SECONDS) * 1000);
}

/**
 * A length as the timer shows it: 25:00, 0:07, 240:00.
 * @param {number} seconds
 */
export function clockText(seconds) {
    const whole = Math.max(0, Math.ceil(seconds));
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/**
 * A length in words: "40 s", "25 min", "1 h 10 min", "32.5 h".
 * @param {number} seconds
 */
export function lengthText(seconds) {
    if (seconds > 0 && seconds < 60) return `${seconds} s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    if (minutes > 600) return `${Math.round(minutes / 6) / 10} h`;
    return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * What suits after the sessions so far, the newest first: a break after focus, a long one after every fourth in a row.
 * @param {ReadonlyArray<Session>} sessions
 * @param {number} now
 * @returns {{mode: Mode, row: number}}  row: focus sessions completed since the last long break
 */
export function whatNext(sessions, now) {
    let row = 0;
    let later = now;
    const done = sessions.filter((it) => it.status === "completed" && it.completed_at !== null);
    for (const it of done) {
        const ended = Date.parse(String(it.completed_at));
        if (it.mode === "long_break" || later - ended > ROW_GAP_MS) break;
        if (it.mode === "focus") row += 1;
        later = Date.parse(it.started_at);
    }
    const last = done[0];
    if (last?.mode !== "focus" || row === 0) return { mode: "focus", row };
    return { mode: row % ROW === 0 ? "long_break" : "break", row };
}

/**
 * What the suggestion says.
 * @param {{mode: Mode, row: number}} next @param {number} seconds
 */
export function nextText({ mode, row }, seconds) {
    if (mode === "focus") {
        return row === 0 ? "" : `${row} focus ${row === 1 ? "session" : "sessions"} in a row. Ready for the next one?`;
    }
    const what = mode === "long_break" ? `${row} in a row: time for a long break` : "Well done. Next: a break";
    return `${what} of ${lengthText(seconds)}.`;
}
