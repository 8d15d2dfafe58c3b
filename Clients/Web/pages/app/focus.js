// The focus page: a session's plan, the timer, what was done this month.

import { usualSeconds } from "../../features/focus.js";
import { lengthOf, tidy } from "../../text.js";
import { inFront, question, sayKnown, whenReached } from "./answers.js";
import { monthChart } from "./charts.js";
import { byId, element, field, fill, say, show } from "./dom.js";
import { limit, minutesOf, shownMinutes, wrong } from "./form.js";
import { act, client, complain, follow } from "./frame.js";
import { askPermission, permission } from "./notify.js";
import { problemText } from "./problems.js";
import { call } from "./rest.js";
import { lengthText, MODES, nextText, whatNext } from "./session.js";
import { mountTimer } from "./timer.js";
import { askStatistics, onNewDay, whenText } from "./when.js";

/** @typedef {import("./session.js").Mode} Mode */
/** @typedef {import("./session.js").Session} Session */

const PAGE = 10;
// No more are asked for at once: the server refuses it.
const MOST = 100;
// By the server's count.
const LONGEST_TITLE = 200;
const form = /** @type {HTMLFormElement} */ (byId("plan"));
const minutes = field("minutes");
const task = field("task");
const modes = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[name=mode]"));
/** @type {Session[]} */
let history = [];
/** @type {string | null} */
let older = null;
/**
 * The answer that they came with.
 * @type {any}
 */
let shown = null;
/** Whether the user chose a mode or a length; until then the page suggests. */
let chosen = false;

const mode = () => /** @type {Mode} */ (Array.from(modes).find((it) => it.checked)?.value ?? "focus");

/** The length that the form says; null: nothing that can be started. */
function seconds() {
    const given = Number(minutes.value);
    return minutes.value.trim() !== "" && Number.isInteger(given) && given >= 1 && given <= 240 ? given * 60 : null;
}

/** The length to start with, complaining about what is wrong with the form. */
function planned() {
    const usual = usualSeconds(mode(), client.read);
    const long = lengthOf(tidy(task.value)) > LONGEST_TITLE;
    wrong(task, long ? `At most ${LONGEST_TITLE} characters.` : null);
    // A usual length that is no whole number of minutes stands until the user writes another.
    const length = minutes.value === shownMinutes(usual) ? usual : minutesOf(minutes);
    return long ? null : length;
}

function suggest() {
    if (chosen || !sessions.settled()) return;
    const next = whatNext(history, client.serverNow()).mode;
    const length = shownMinutes(usualSeconds(next, client.read));
    if (mode() === next && minutes.value === length) return;
    for (const option of modes) option.checked = option.value === next;
    minutes.value = length;
    timer.render();
}

// What was done

const askSessions = () => call("GET", `/api/focus?limit=${Math.min(MOST, Math.max(PAGE, history.length))}`);
const sessions = question("sessions", askSessions, () => {
    const body = sessions.body();
    if (body !== shown) {
        shown = body;
        ({ rows: history, next: older } = inFront(
            { rows: body?.sessions ?? [], next: body?.next ?? null }, { rows: history, next: older }));
    }
    renderForm();
    renderHistory();
    timer.render();
});
const month = question("month", () => askStatistics(30), () => renderMonth());

const timer = mountTimer({
    plan: () => {
        if (!chosen && !sessions.settled()) return null;
        const next = whatNext(history, client.serverNow());
        const words = next.mode === mode() ? nextText(next, usualSeconds(next.mode, client.read)) : "";
        return { mode: mode(), seconds: seconds() ?? usualSeconds(mode(), client.read), words };
    },
    args() {
        const length = planned();
        if (length === null) return null;
        const title = tidy(task.value);
        return { mode: mode(), duration_seconds: length, ...(title === "" ? {} : { task_title: title }) };
    },
    changed: () => queueMicrotask(() => void refresh()),
});

/** Asks for the newest sessions and the month. */
async function refresh() {
    await Promise.all([sessions.refresh(), month.refresh()]);
}

function renderHistory() {
    const ended = history.filter((it) => it.status !== "active" && it.status !== "paused");
    sayKnown(byId("history-known"), sessions, {
        empty: ended.length === 0 ? "Nothing yet. Start your first session." : null,
        unknown: "Your sessions are not kept on this device. They show when the server is reached.",
    });
    show(byId("older"), older !== null && !sessions.old());
    fill(byId("history"), ended, (it) => it.id, (it) => [it, whenText(it.started_at)], (it) => element("li", { class: "row" },
        element("div", {},
            element("strong", {}, it.task_title ?? MODES[it.mode].name),
            element("p", { class: "hint" }, `${whenText(it.started_at)} · ${MODES[it.mode].name}, ${
                lengthText(it.duration_seconds)}`)),
        element("span", { class: "outcome", "data-outcome": it.status }, outcome(it))));
}

/** @param {Session} session */
function outcome({ status, coins_awarded: coins }) {
    if (status === "completed") return coins > 0 ? `+${coins} coins` : "done";
    return status === "abandoned" ? "given up" : "expired";
}

function renderMonth() {
    const known = month.body();
    sayKnown(byId("month-known"), month, {
        empty: null, unknown: "The numbers are not kept on this device. They show when the server is reached.",
    });
    const facts = known === null ? [] : [
        ["Focused", lengthText(known.focus_seconds)], ["Sessions", String(known.sessions)],
        ["Streak", `${known.streak_days} ${known.streak_days === 1 ? "day" : "days"}`],
        ["Longest", `${known.longest_streak_days} ${known.longest_streak_days === 1 ? "day" : "days"}`],
    ];
    byId("totals").replaceChildren(...facts.map(([name, value]) =>
        element("div", {}, element("dt", {}, String(name)), element("dd", {}, String(value)))));
    byId("month").replaceChildren(...(known === null ? [] : monthChart(known.per_day)));
}

byId("older").addEventListener("click", async () => {
    const { ok, body, problem } = await call("GET", `/api/focus?limit=${PAGE}&before=${older}`);
    if (!ok) return complain(problemText(problem));
    const known = new Set(history.map((it) => it.id));
    history = [...history, ...body.sessions.filter((/** @type {Session} */ it) => !known.has(it.id))];
    older = body.next;
    renderHistory();
});

// The form

function renderForm() {
    const { ready } = client.status();
    const live = client.read("focus", "active") !== undefined;
    show(form, ready && (chosen || sessions.settled()) && (!live || byId("timer").dataset.state === "up"));
    if (live) chosen = false;
    else if (ready) suggest();
}

form.addEventListener("change", (event) => {
    const control = /** @type {HTMLInputElement} */ (event.target);
    if (control === task) return;
    chosen = true;
    if (control.name === "mode") minutes.value = shownMinutes(usualSeconds(mode(), client.read));
    timer.render();
});
minutes.addEventListener("input", () => {
    chosen = true;
    wrong(minutes, null);
    timer.render();
});
form.addEventListener("submit", (event) => {
    event.preventDefault();
    void timer.start();
});

// Notifications

const WORDS = {
    on: "On, here and wherever you allowed it.",
    off: "A notification, also when you look elsewhere.",
    denied: "This browser does not allow it; its settings for this site do.",
    unsupported: "This browser has no notifications.",
};

function renderNotifications() {
    if (!client.status().ready) return;
    const enabled = client.read("settings", "notifications_enabled") === true;
    const allowed = permission();
    const on = enabled && allowed === "granted";
    const never = allowed === "denied" || allowed === "unsupported";
    say(byId("notify-words"), WORDS[never ? allowed : on ? "on" : "off"]);
    show(byId("notify"), !on && !never);
}

byId("notify").addEventListener("click", async () => {
    if (await askPermission() === "granted" && client.read("settings", "notifications_enabled") !== true) {
        await act("settings.set", { key: "notifications_enabled", value: true });
    }
    renderNotifications();
});

follow(() => {
    renderForm();
    renderNotifications();
});
whenReached(() => void refresh());
limit(task, LONGEST_TITLE, () => wrong(task, `At most ${LONGEST_TITLE} characters: the rest was left out.`));
const lookAtTheDay = onNewDay(() => {
    renderHistory();
    void month.refresh();
});
follow(lookAtTheDay);
renderHistory();
renderMonth();
