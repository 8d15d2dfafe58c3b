// Today at a glance: the timer, what was done, coins to claim, what the market has.

import { byId, element, fill, say, show } from "./dom.js";
import { client, follow } from "./frame.js";
import { reasonText } from "./items.js";
import { call } from "./rest.js";
import { lengthText, nextText, usualSeconds, whatNext } from "./session.js";
import { mountTimer } from "./timer.js";

/** @typedef {import("./session.js").Session} Session */

/** @type {Session[]} */
let recent = [];

const next = () => whatNext(recent, client.serverNow());

const timer = mountTimer({
    plan() {
        const { mode } = next();
        const seconds = usualSeconds(mode, client.read);
        return { mode, seconds, words: nextText(next(), seconds) };
    },
    args: () => ({ mode: next().mode }),
    changed: () => queueMicrotask(() => void refresh()),
});

let refreshing = false;
let again = false;

/** Asks for what is no document, once at a time. */
async function refresh() {
    again = refreshing;
    if (refreshing) return;
    refreshing = true;
    const [list, day, offers] = await Promise.all([
        call("GET", "/api/focus?limit=20"), call("GET", "/api/focus/stats?days=1"),
        call("GET", "/api/market/recommendations"),
    ]);
    refreshing = false;
    if (list.ok) recent = list.body.sessions;
    if (day.ok) renderDay(day.body);
    if (offers.ok) renderOffers(offers.body.recommendations);
    timer.render();
    if (again) void refresh();
}

/** @param {any} day */
function renderDay(day) {
    const facts = [
        ["Focused", lengthText(day.focus_seconds)], ["Sessions", String(day.sessions)],
        ["Streak", `${day.streak_days} ${day.streak_days === 1 ? "day" : "days"}`],
    ];
    byId("totals").replaceChildren(...facts.map(([name, value]) =>
        element("div", {}, element("dt", {}, String(name)), element("dd", {}, String(value)))));
    say(byId("greeting"), day.sessions === 0 ? "A fresh day. One session is a good start."
        : `${day.sessions === 1 ? "One session" : `${day.sessions} sessions`} done today.`);
}

/** @param {any[]} offers */
function renderOffers(offers) {
    const few = offers.slice(0, 3);
    show(byId("recommended-empty"), few.length === 0);
    fill(byId("recommended"), few, (it) => it.item_id, (it) => it, (it) => element("li", { class: "row" },
        element("div", {},
            element("strong", {}, it.item.name),
            element("p", { class: "hint" }, reasonText(it.reason))),
        element("span", { class: "price" }, `${it.item.cost_coins} coins`)));
}

let reached = false;
follow(() => {
    const open = client.list("rewards").filter((it) => it.value.claimed !== true);
    const sum = open.reduce((all, it) => all + it.value.coins_earned, 0);
    show(byId("rewards"), open.length > 0);
    say(byId("rewards-words"), `${sum} coins wait for you.`);
    const { connection } = client.status();
    const now = connection === "realtime" || connection === "polling";
    if (now && !reached) void refresh();
    reached = now;
});
