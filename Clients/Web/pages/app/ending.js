// The end of a session is told by the countdown itself, on every page of the app: whether or not somebody looks, whether
// or not the server can be reached. All tabs of a browser tell it at once, and the notification's tag makes one of them.

import { makeAlarm } from "./alarm.js";
import { toast } from "./dom.js";
import { notify } from "./notify.js";
import { millisecondsLeft } from "./session.js";
import { chosenSound, play } from "./sound.js";
import { showNews } from "./title.js";

/** @typedef {import("../../client.js").Client} Client */
/** @typedef {import("./session.js").Session} Session */

// So long after its time an end is told as what it is: past. A laptop that wakes hours later has nothing to ring for.
const LATE_MS = 90_000;
// A page that opens just then tells it, unless the page before it could; one that opens later finds it told.
const OPENING_MS = 5_000;
// Another device may complete a session with so much left, and the server's word on its end may be so much another.
const NEAR_MS = 2_000;
// A clock that jumped by more is a guess: so long the server may take to say what it is.
const JUMP_MS = 1_000;
const GUESS_MS = 3_000;

/**
 * @param {Client} client
 * @returns {() => void} to be called when something may have changed
 */
// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function followEnding(client) {
    const setAlarm = makeAlarm(() => look());
    /** @type {Session | undefined} */
    let before;
    /**
     * Which one was told, or was over before this page knew of it.
     * @type {string | null}
     */
    let told = null;
    let ahead = client.serverNow() - performance.now();
    let guessedUntil = -Infinity;

    function look() {
        const guessed = guessedFor();
        const session = /** @type {Session | undefined} */ (client.read("focus", "active"));
        // Gone because its time was up; given up or paused elsewhere, it had time left.
        if (before !== undefined && before.id !== session?.id && left(before) <= NEAR_MS) end(before);
        const known = before !== undefined && before.id === session?.id;
        before = session;
        if (session?.status !== "active") return setAlarm(null);
        // It was paused and went on, or the clock was wrong.
        if (told === session.id && left(session) > NEAR_MS) told = null;
        if (left(session) > 0) return setAlarm(left(session));
        if (!known && left(session) < -Math.min(OPENING_MS, performance.now())) told = session.id;
        if (told !== session.id && guessed > 0) return setAlarm(guessed);
        setAlarm(null);
        end(session);
    }

    /** For how many milliseconds more nothing is told of what the clock alone says. */
    function guessedFor() {
        const now = performance.now();
        const before = ahead;
        ahead = client.serverNow() - now;
        if (Math.abs(ahead - before) > JUMP_MS) guessedUntil = now + GUESS_MS;
        return guessedUntil - now;
    }

    /** @param {Session} session */
    function left(session) {
        return millisecondsLeft(session, client.serverNow());
    }

    /** @param {Session} session */
    function end(session) {
        if (session.status !== "active" || told === session.id) return;
        told = session.id;
        const focus = session.mode === "focus";
        showNews(focus ? "Session done" : "Break over");
        if (left(session) < -LATE_MS) {
            say(`${focus ? "Your focus session" : "The break"} ended at ${timeText(String(session.ends_at))}.`);
            return;
        }
        say(focus ? "Focus session done. Well done!" : "The break is over.");
        if (client.read("settings", "notifications_enabled") === true) {
            void notify(session, focus ? "Focus session done" : "The break is over",
                focus ? session.task_title ?? "Time for a break." : "Ready for the next focus session?");
        }
        void onlyOne(`lockstep-sound-${session.id}`, () => play(chosenSound(client.read)));
    }

    /** @param {string} time */
    function timeText(time) {
        /** @type {Intl.DateTimeFormatOptions} */
        const how = { hour: "2-digit", minute: "2-digit" };
        try {
            return new Date(time).toLocaleTimeString("en-GB", { ...how, timeZone: client.read("settings", "time_zone") });
        } catch {
            // A zone that the server knows and this browser does not.
            return new Date(time).toLocaleTimeString("en-GB", how);
        }
    }

    document.addEventListener("visibilitychange", look);
    return look;
}

/**
 * What is said for a moment waits until somebody looks.
 * @param {string} words
 */
function say(words) {
    if (document.hidden) document.addEventListener("visibilitychange", () => say(words), { once: true });
    else toast(words);
}

/**
 * One tab of a browser does it, and the others leave it be.
 * @param {string} name
 * @param {() => Promise<boolean>} act  false: it could not be done here
 */
async function onlyOne(name, act) {
    if (navigator.locks === undefined) {
        await act();
        return;
    }
    await navigator.locks.request(name, async () => {
        const { held = [] } = await navigator.locks.query();
        if (held.some((it) => it.name === `${name}-done`) || !await act()) return;
        // Held for as long as another tab may be late with it.
        await new Promise((granted) => void navigator.locks.request(`${name}-done`, () => {
            granted(undefined);
            return new Promise((resolve) => setTimeout(resolve, LATE_MS));
        }));
    }).catch(() => undefined);
}
