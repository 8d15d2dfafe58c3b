// The focus page: a session's plan, the timer, what was done this month.

import { monthChart } from "./charts.js";
import { byId, element, field, fill, say, show } from "./dom.js";
import { minutesOf, shownMinutes, wrong } from "./form.js";
import { act, client, complain, follow } from "./frame.js";
import { askPermission, permission } from "./notify.js";
import { call } from "./rest.js";
import { lengthText, MODES, nextText, usualSeconds, whatNext } from "./session.js";
import { mountTimer } from "./timer.js";
import { whenText } from "./when.js";

/** @typedef {import("./session.js").Mode} Mode */
/** @typedef {import("./session.js").Session} Session */

const PAGE = 10;
const form = /** @type {HTMLFormElement} */ (byId("plan"));
const minutes = field("minutes");
const task = field("task");
const modes = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[name=mode]"));
/** @type {Session[]} */
let history = [];
/** @type {string | null} */
let older = null;
/** Whether the user chose a mode or a length himself; until then the page suggests. */
let chosen = false;

const mode = () => /** @type {Mode} */ (Array.from(modes).find((it) => it.checked)?.value ?? "focus");

/** The length that the form says; null: nothing that can be started. */
function seconds() {
    const given = Number(minutes.value);
    return minutes.value.trim() !== "" && Number.isInteger(given) && given >= 1 && given <= 240 ? given * 60 : null;
}

const timer = mountTimer({
    plan: () => {
        const next = whatNext(history, client.serverNow());
        const words = next.mode === mode() ? nextText(next, usualSeconds(next.mode, client.read)) : "";
        return { mode: mode(), seconds: seconds() ?? usualSeconds(mode(), client.read), words };
    },
    args() {
        const length = planned();
        if (length === null) return null;
        const title = task.value.trim();
        return { mode: mode(), duration_seconds: length, ...(title === "" ? {} : { task_title: title }) };
    },
    changed: () => queueMicrotask(() => void refresh()),
});

/** The length to start with, complaining about what is wrong with the form. */
function planned() {
    const usual = usualSeconds(mode(), client.read);
    const long = [...task.value].length > 200;
    wrong(task, long ? "At most 200 characters." : null);
    // A usual length that is no whole number of minutes stands until the user writes another.
    const length = minutes.value === shownMinutes(usual) ? usual : minutesOf(minutes);
    return long ? null : length;
}

function suggest() {
    if (chosen) return;
    const next = whatNext(history, client.serverNow()).mode;
    const length = shownMinutes(usualSeconds(next, client.read));
    if (mode() === next && minutes.value === length) return;
    for (const option of modes) option.checked = option.value === next;
    minutes.value = length;
    timer.render();
}

// What was done

let refreshing = false;
let again = false;

/** Asks for the newest sessions and the month, once at a time. */
async function refresh() {
    again = refreshing;
    if (refreshing) return;
    refreshing = true;
    const [list, month] = await Promise.all([
        call("GET", `/api/focus?limit=${Math.max(PAGE, history.length)}`), call("GET", "/api/focus/stats?days=30")]);
    refreshing = false;
    if (list.ok) {
        history = list.body.sessions;
        older = list.body.next;
        if (client.read("focus", "active") === undefined) suggest();
        renderHistory();
    }
    if (month.ok) renderMonth(month.body);
    timer.render();
    if (again) void refresh();
}

function renderHistory() {
    const ended = history.filter((it) => it.status !== "active" && it.status !== "paused");
    show(byId("history-empty"), ended.length === 0);
    show(byId("older"), older !== null);
    fill(byId("history"), ended, (it) => it.id, (it) => it, (it) => element("li", { class: "row" },
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

/** @param {any} month */
function renderMonth(month) {
    const facts = [
        ["Focused", lengthText(month.focus_seconds)], ["Sessions", String(month.sessions)],
        ["Streak", `${month.streak_days} ${month.streak_days === 1 ? "day" : "days"}`],
        ["Longest", `${month.longest_streak_days} ${month.longest_streak_days === 1 ? "day" : "days"}`],
    ];
    byId("totals").replaceChildren(...facts.map(([name, value]) =>
        element("div", {}, element("dt", {}, String(name)), element("dd", {}, String(value)))));
    byId("month").replaceChildren(...monthChart(month.per_day));
}

byId("older").addEventListener("click", async () => {
    const { ok, body, problem } = await call("GET", `/api/focus?limit=${PAGE}&before=${older}`);
    if (!ok) return complain(problem?.detail ?? null);
    const known = new Set(history.map((it) => it.id));
    history = [...history, ...body.sessions.filter((/** @type {Session} */ it) => !known.has(it.id))];
    older = body.next;
    renderHistory();
});

// The form

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

let reached = false;
follow(() => {
    const { ready, connection } = client.status();
    const live = client.read("focus", "active") !== undefined;
    show(form, !live || byId("timer").dataset.state === "up");
    if (live) chosen = false;
    else if (ready) suggest();
    const now = connection === "realtime" || connection === "polling";
    if (now && !reached) void refresh();
    reached = now;
    renderNotifications();
});
