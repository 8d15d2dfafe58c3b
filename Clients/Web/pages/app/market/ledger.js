// The user's coins: what came, what went, and the balance over that.

import { balanceChart } from "../charts.js";
import { byId, element, fill, show } from "../dom.js";
import { client, complain, follow } from "../frame.js";
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

export function startLedger() {
    /** @type {Movement[]} */
    let movements = [];
    /** @type {string | null} */
    let older = null;
    let shown = SHOWN;
    let asked = 0;
    /** @type {() => void} */
    let changed = () => undefined;

    function render() {
        const purse = client.read("wallet", "coins") ?? { total_coins: 0, earned_coins: 0, spent_coins: 0 };
        const facts = [["Balance", purse.total_coins], ["Earned", purse.earned_coins], ["Spent", purse.spent_coins]];
        byId("wallet").replaceChildren(...facts.map(([name, value]) =>
            element("div", {}, element("dt", {}, String(name)), element("dd", {}, String(value)))));
        show(byId("ledger-empty"), movements.length === 0);
        show(byId("older"), movements.length > shown || older !== null);
        fill(byId("ledger"), movements.slice(0, shown), (it) => it.id, (it) => [it, nameOf(it)], draw);
    }

    async function refresh() {
        asked += 1;
        const mine = asked;
        const { ok, body } = await call("GET", `/api/market/transactions?limit=${PAGE}`);
        if (!ok || mine !== asked) return;
        movements = body.transactions;
        older = body.next;
        byId("balance").replaceChildren(...(movements.length > 0 ? balanceChart([...movements].reverse()) : []));
        render();
        changed();
    }

    byId("older").addEventListener("click", async () => {
        shown += PAGE;
        if (shown > movements.length && older !== null) {
            const path = `/api/market/transactions?limit=${PAGE}&before=${encodeURIComponent(older)}`;
            const { ok, body, problem } = await call("GET", path);
            if (!ok) return complain(problem?.detail ?? null);
            const known = new Set(movements.map((it) => it.id));
            movements = [...movements, ...body.transactions.filter((/** @type {Movement} */ it) => !known.has(it.id))];
            older = body.next;
        }
        render();
    });
    follow(render);
    return {
        refresh,
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
