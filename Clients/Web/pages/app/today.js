// Today at a glance: the timer, what was done, coins to claim, what the market has.

import { usualSeconds } from "../../features/focus.js";
import { question, sayKnown, whenReached } from "./answers.js";
import { byId, element, fill, say, show } from "./dom.js";
import { client, follow } from "./frame.js";
import { reasonText } from "./items.js";
import { call } from "./rest.js";
import { lengthText, nextText, whatNext } from "./session.js";
import { mountTimer } from "./timer.js";
import { askStatistics, onNewDay, today } from "./when.js";

/** @typedef {import("./session.js").Session} Session */

/** @type {Session[]} */
let recent = [];

const next = () => whatNext(recent, client.serverNow());

const sessions = question("sessions", () => call("GET", "/api/focus?limit=20"), () => {
    recent = sessions.body()?.sessions ?? [];
    timer.render();
});
const month = question("month", () => askStatistics(30), () => renderDay());
const offers = question("offers", () => call("GET", "/api/market/recommendations"), () => renderOffers());

const timer = mountTimer({
    plan() {
        if (!sessions.settled()) return null;
        const { mode } = next();
        const seconds = usualSeconds(mode, client.read);
        return { mode, seconds, words: nextText(next(), seconds) };
    },
    args: () => ({ mode: next().mode }),
    changed: () => queueMicrotask(() => void refresh()),
});

/** Asks for what is no document. */
async function refresh() {
    await Promise.all([sessions.refresh(), month.refresh(), offers.refresh()]);
}

function renderDay() {
    const known = month.body();
    const day = known?.per_day.at(-1);
    // What was kept yesterday says nothing of today.
    const current = day?.date === today() ? day : null;
    sayKnown(byId("day-known"), month, {
        empty: known !== null && current === null ? "A new day: it is counted as soon as the server is reached." : null,
        unknown: "What was done today is not kept on this device. It shows when the server is reached.",
    });
    const facts = current === null ? [] : [
        ["Focused", lengthText(current.focus_seconds)], ["Sessions", String(current.sessions)],
        ["Streak", `${known.streak_days} ${known.streak_days === 1 ? "day" : "days"}`],
    ];
    byId("totals").replaceChildren(...facts.map(([name, value]) =>
        element("div", {}, element("dt", {}, String(name)), element("dd", {}, String(value)))));
    const count = current?.sessions ?? null;
    say(byId("greeting"), count === null || (count === 0 && month.old()) ? "\u00a0"
        : count === 0 ? "A fresh day. One session is a good start."
            : `${count === 1 ? "One session" : `${count} sessions`} done today.`);
}

function renderOffers() {
    const few = (offers.body()?.recommendations ?? []).slice(0, 3);
    sayKnown(byId("recommended-known"), offers, {
        empty: few.length === 0 ? "Nothing at the moment. Coins come with every focus session." : null,
        unknown: "What suits you shows when the server is reached. All that is offered is in the market.",
    });
    fill(byId("recommended"), few, (/** @type {any} */ it) => it.item_id, (it) => it, (it) => element("li", { class: "row" },
        element("div", {},
            element("strong", {}, it.item.name),
            element("p", { class: "hint" }, reasonText(it.reason))),
        element("span", { class: "price" }, `${it.item.cost_coins} coins`)));
}

follow(() => {
    const open = client.list("rewards").filter((it) => it.value.claimed !== true);
    const sum = open.reduce((all, it) => all + it.value.coins_earned, 0);
    show(byId("rewards"), open.length > 0);
    say(byId("rewards-words"), `${sum} coins wait for you.`);
});
whenReached(() => void refresh());
const lookAtTheDay = onNewDay(() => {
    renderDay();
    void month.refresh();
});
follow(lookAtTheDay);
renderDay();
renderOffers();
