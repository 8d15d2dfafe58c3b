// Charts as drawings, with the same numbers in a table for who does not see them.

import { drawing, element } from "./dom.js";
import { lengthText } from "./session.js";
import { dayText, dayTextOf } from "./when.js";

/**
 * A month's focus, a bar a day.
 * @param {ReadonlyArray<{date: string, sessions: number, focus_seconds: number}>} days
 * @returns {Element[]}
 */
export function monthChart(days) {
    const longest = Math.max(0, ...days.map((it) => it.focus_seconds));
    const most = Math.max(1, longest);
    const total = days.reduce((sum, it) => sum + it.focus_seconds, 0);
    const width = 300;
    const step = width / Math.max(1, days.length);
    const bars = days.map((day, at) => {
        const height = day.focus_seconds === 0 ? 1.5 : Math.max(3, (96 * day.focus_seconds) / most);
        return drawing("rect", {
            class: day.focus_seconds === 0 ? "bar-none" : "bar-day", x: (at * step + step * 0.14).toFixed(2),
            y: (100 - height).toFixed(2), width: (step * 0.72).toFixed(2), height: height.toFixed(2), rx: 1.5,
        }, drawing("title", {}, `${dayText(day.date)}: ${lengthText(day.focus_seconds)}`));
    });
    const first = days[0];
    const last = days[days.length - 1];
    const title = `Focus on each of the last ${days.length} days`;
    const words = `${lengthText(total)} in all; the longest day has ${lengthText(longest)}.`;
    return [
        picture("month", title, words, "0 0 300 102", bars),
        element("p", { class: "axis hint", "aria-hidden": "true" },
            element("span", {}, first === undefined ? "" : dayText(first.date)),
            element("span", {}, last === undefined ? "" : dayText(last.date))),
        table(title, ["Day", "Sessions", "Focus"], days.filter((it) => it.sessions > 0)
            .map((it) => [dayText(it.date), String(it.sessions), lengthText(it.focus_seconds)])),
    ];
}

/**
 * The balance after each movement, the oldest first, as steps.
 * @param {ReadonlyArray<{created_at: string, balance_after: number, coins_amount: number}>} movements
 * @returns {Element[]}
 */
export function balanceChart(movements) {
    const most = Math.max(1, ...movements.map((it) => it.balance_after));
    const step = 300 / Math.max(1, movements.length);
    const y = (/** @type {number} */ balance) => (99 - (94 * balance) / most).toFixed(2);
    const first = movements[0];
    const start = first === undefined ? 0 : first.balance_after - first.coins_amount;
    const line = movements.reduce((path, it, at) =>
        `${path}H${(at * step).toFixed(2)}V${y(it.balance_after)}`, `M0 ${y(start)}`) + "H300";
    const balance = movements[movements.length - 1]?.balance_after ?? 0;
    const title = `Your balance over the last ${movements.length} movements`;
    return [
        picture("balance", title, `It is ${balance} coins now; the most was ${most}.`, "0 0 300 102", [
            drawing("path", { class: "area", d: `${line}V100H0Z` }), drawing("path", { class: "line", d: line }),
        ]),
        table(title, ["When", "Coins", "Balance"], movements.map((it) =>
            [dayTextOf(it.created_at), String(it.coins_amount), String(it.balance_after)])),
    ];
}

/** @param {string} id @param {string} title @param {string} words @param {string} box @param {Element[]} shapes */
function picture(id, title, words, box, shapes) {
    return drawing("svg", {
        viewBox: box, role: "img", preserveAspectRatio: "none",
        "aria-labelledby": `${id}-chart-title`, "aria-describedby": `${id}-chart-words`,
    },
    drawing("title", { id: `${id}-chart-title` }, title),
    drawing("desc", { id: `${id}-chart-words` }, words), ...shapes);
}

/** @param {string} caption @param {string[]} head @param {string[][]} rows */
function table(caption, head, rows) {
    return element("div", { class: "visually-hidden" }, element("table", {},
        element("caption", {}, caption),
        element("thead", {}, element("tr", {}, ...head.map((it) => element("th", { scope: "col" }, it)))),
        element("tbody", {}, ...rows.map(([name, ...rest]) => element("tr", {},
            element("th", { scope: "row" }, String(name)), ...rest.map((it) => element("td", {}, it)))))));
}
