// The user's coins: what came, what went, and the balance over that.

import { inFront, question, sayKnown } from "../answers.js";
import { balanceChart } from "../charts.js";
import { byId, element, fill, show } from "../dom.js";
import { client, complain, follow } from "../frame.js";
import { problemText } from "../problems.js";
import { call } from "../rest.js";
import { whenText } from "../when.js";
import { itemOf } from "./inventory.js";
import { rewardText } from "./rewards.js";

/**
 * @typedef {object} Movement
 * @property {string} id
 * @property {"earn" | "spend" | "refund"} transaction_type
 * @property {number} coins_amount
 * @property {number} balance_after
 * @property {string} reason
 * @property {string | null} item_id
 * @property {string} created_at
 */

const PAGE = 50;
const SHOWN = 8;

// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function startLedger() {
    /** @type {Movement[]} */
    let movements = [];
    /** @type {string | null} */
    let older = null;
    let shown = SHOWN;
    /**
     * The answer that they came with.
     * @type {any}
     */
    let known = null;
    /** @type {() => void} */
    let changed = () => undefined;

    const newest = question("ledger", () => call("GET", `/api/market/transactions?limit=${PAGE}`), () => {
        const body = newest.body();
        if (body !== known) {
            known = body;
            const newestOnes = body?.transactions ?? [];
            ({ rows: movements, next: older } = inFront(
                { rows: newestOnes, next: body?.next ?? null }, { rows: movements, next: older }));
            byId("balance").replaceChildren(...(newestOnes.length > 0 ? balanceChart([...newestOnes].reverse()) : []));
        }
        render();
        changed();
    });

    function render() {
        const purse = client.read("wallet", "coins") ?? { total_coins: 0, earned_coins: 0, spent_coins: 0 };
        const facts = !client.status().ready ? [] : [["Balance", purse.total_coins], ["Earned", purse.earned_coins], ["Spent", purse.spent_coins]];
        byId("wallet").replaceChildren(...facts.map(([name, value]) =>
            element("div", {}, element("dt", {}, String(name)), element("dd", {}, String(value)))));
        sayKnown(byId("ledger-known"), newest, {
            empty: movements.length === 0 ? "No coins have moved yet. A focus session of 25 min earns 10." : null,
            unknown: "What came and went is not kept on this device. It shows when the server is reached.",
        });
        show(byId("older"), movements.length > shown || (older !== null && !newest.old()));
        fill(byId("ledger"), movements.slice(0, shown), (it) => it.id,
            (it) => [it, nameOf(it), whenText(it.created_at)], draw);
    }

    byId("older").addEventListener("click", async () => {
        shown += PAGE;
        if (shown > movements.length && older !== null) {
            const path = `/api/market/transactions?limit=${PAGE}&before=${encodeURIComponent(older)}`;
            const { ok, body, problem } = await call("GET", path);
            if (!ok) return complain(problemText(problem));
            const here = new Set(movements.map((it) => it.id));
            movements = [...movements, ...body.transactions.filter((/** @type {Movement} */ it) => !here.has(it.id))];
            older = body.next;
        }
        render();
    });
    follow(render);
    return {
        refresh: newest.refresh,
        /** The newest first. */
        movements: () => movements,
        /** @param {() => void} listener */
        onChange(listener) {
            changed = listener;
        },
    };
}

/** @param {Movement} movement */
function draw(movement) {
    const coins = movement.coins_amount;
    return element("li", { class: "row" },
        element("div", {},
            element("strong", {}, nameOf(movement)), element("p", { class: "hint" }, whenText(movement.created_at))),
        element("span", { class: "outcome", "data-outcome": coins > 0 ? "completed" : "spent" },
            `${coins > 0 ? "+" : coins < 0 ? "−" : ""}${Math.abs(coins)}`));
}

/** @param {Movement} movement */
function nameOf({ reason, item_id: id }) {
    const name = id === null ? null : itemOf(id)?.name ?? "an item";
    if (reason === "focus_session") return "Focus session";
    if (reason === "purchase") return `Bought ${name}`;
    if (reason === "refund") return `Gave back ${name}`;
    return reason.startsWith("reward:") ? rewardText(reason.slice("reward:".length)) : reason;
}
