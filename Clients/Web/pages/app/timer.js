// The timer that every device agrees on: drawn from the session's end and the server's clock, whatever this device's
// clock says. Nothing ticks on the wire.

import { ask, byId, byTestId, say, show } from "./dom.js";
import { act, client, follow } from "./frame.js";
import { clockText, millisecondsLeft, MODES } from "./session.js";
import { showRunning } from "./title.js";

/** @typedef {import("./session.js").Mode} Mode */
/** @typedef {import("./session.js").Session} Session */

/**
 * @typedef {object} Plan  what would be started now
 * @property {Mode} mode
 * @property {number} seconds  what the timer shows meanwhile
 * @property {string} [words]  said under it
 */

// The server ends a session within a second of its time. This much later without a word from it, the page says so.
const PATIENCE_MS = 3_000;
const UNKNOWN = "–:––";

/**
 * @param {object} how
 * @param {() => Plan | null} how.plan  null: not known yet
 * @param {() => Record<string, any> | null} how.args  of the start; null: something in the form is wrong, and was said
 * @param {() => void} [how.changed]  a session began or ended
 */
// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function mountTimer({ plan, args, changed }) {
    const card = byId("timer");
    const time = byTestId("focus-timer");
    const arc = byId("timer-arc");
    const buttons = { start: /** @type {HTMLButtonElement} */ (byId("start")), pause: byId("pause"), resume: byId("resume"), abandon: byId("abandon") };
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let ticking;
    /** @type {Session | undefined} */
    let before;

    function render() {
        const session = /** @type {Session | undefined} */ (client.read("focus", "active"));
        if (session?.id !== before?.id) {
            before = session;
            changed?.();
        }
        before = session;
        draw(session);
    }

    /** @param {Session | undefined} session */
    function draw(session) {
        clearTimeout(ticking);
        const planned = client.status().ready ? plan() : null;
        if (planned === null && session === undefined) return drawNothing();
        const now = client.serverNow();
        const left = session === undefined ? 0 : millisecondsLeft(session, now);
        const state = session === undefined ? "idle" : session.status === "paused" ? "paused"
            : left > -PATIENCE_MS ? "active" : "up";
        const live = state === "active" || state === "paused";
        card.dataset.state = state;
        say(byId("timer-mode"), MODES[session !== undefined && live ? session.mode : planned?.mode ?? "focus"].name);
        say(time, clockText(state === "idle" ? planned?.seconds ?? 0 : left / 1000));
        const whole = (session?.duration_seconds ?? 1) * 1000;
        arc.setAttribute("stroke-dashoffset", String(live ? 100 - (100 * Math.max(0, left)) / whole : 100));
        show(byTestId("focus-paused"), state === "paused");
        const task = live ? session?.task_title ?? "" : "";
        say(byId("timer-task"), task);
        show(byId("timer-task"), task !== "");
        say(byId("timer-hint"), state === "active" ? "left" : state === "up" ? "time is up" : "");
        say(byId("timer-next"), live ? "" : state === "up"
            ? "This session is over; the server has yet to say so." : planned?.words ?? "");
        showButtons(state);
        showRunning(live ? `${state === "paused" ? "Paused " : ""}${time.textContent}` : "");
        if (state === "active") ticking = setTimeout(() => draw(session), untilNextSecond(left));
    }

    /** Nobody knows yet whether a session runs, or what would be started. */
    function drawNothing() {
        card.dataset.state = "unknown";
        say(byId("timer-mode"), "Timer");
        say(time, UNKNOWN);
        say(byId("timer-next"), client.status().connection === "offline" && !client.status().ready
            ? "Whether a session runs is not kept on this device. It shows when the server is reached." : "");
        showButtons("unknown");
        showRunning("");
    }

    /** @param {string} state */
    function showButtons(state) {
        const focused = document.activeElement;
        buttons.start.disabled = state === "unknown";
        show(buttons.start, state === "idle" || state === "up" || state === "unknown");
        show(buttons.pause, state === "active");
        show(buttons.resume, state === "paused");
        show(buttons.abandon, state === "active" || state === "paused");
        // Pause and resume take turns in one place: the keyboard stays there.
        const gone = Object.values(buttons).find((it) => it === focused && it.hidden);
        if (gone !== undefined) Object.values(buttons).find((it) => !it.hidden)?.focus();
    }

    async function start() {
        const given = args();
        if (given === null) return;
        // One whose time is up is over, also where the server could not say so yet.
        const result = await act("focus.start", client.read("focus", "active") === undefined
            ? given : { ...given, replace: true });
        if (result.status === "applied") changed?.();
    }

    async function abandon() {
        const session = client.read("focus", "active");
        if (session === undefined) return;
        const sure = await ask({
            title: "Give up this session?", text: ["It will not count, and earns no coins."], yes: "Give up",
            no: "Go on", testId: "confirm-abandon",
        });
        if (sure) await act("focus.abandon", { id: session.id });
    }

    /**
     * A verb for the session that the user sees, not for one that took its place meanwhile.
     * @param {string} name
     */
    function of(name) {
        const session = client.read("focus", "active");
        if (session !== undefined) void act(name, { id: session.id });
    }

    buttons.start.addEventListener("click", () => void start());
    buttons.pause.addEventListener("click", () => of("focus.pause"));
    buttons.resume.addEventListener("click", () => of("focus.resume"));
    buttons.abandon.addEventListener("click", () => void abandon());
    document.addEventListener("visibilitychange", render);
    follow(render);
    return { start, render };
}

/**
 * A little late rather than early: the second has changed then.
 * @param {number} left
 */
function untilNextSecond(left) {
    if (left <= 0) return 1_000;
    return (left % 1000 || 1000) + 4;
}
