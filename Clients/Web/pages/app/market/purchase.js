// Buying: asked once, done once.

import { COINS_PER_SESSION } from "../../../features/focus.js";
import { isOffered, MOST_PIECES, purchaseRefusal } from "../../../features/market.js";
import { ask, element, say, toast } from "../dom.js";
import { act, client } from "../frame.js";

/** @typedef {import("../items.js").Item} Item */

/** @param {Item} item */
export async function buy(item) {
    const price = item.cost_coins;
    const count = element("input", {
        id: "quantity", type: "number", inputmode: "numeric", min: 1, max: MOST_PIECES, step: 1, value: 1,
        "aria-describedby": "purchase-sum", "data-testid": "purchase-quantity",
    });
    const sum = element("p", { id: "purchase-sum", role: "status", "data-testid": "purchase-sum" });
    const pieces = () => {
        const given = Number(count.value);
        return Number.isInteger(given) && given >= 1 && given <= MOST_PIECES ? given : null;
    };
    const reckon = () => {
        const wanted = pieces();
        const excess = wanted === null ? null : tooMany(item, wanted);
        count.setAttribute("aria-invalid", String(wanted === null || excess !== null));
        say(sum, wanted === null ? `How many? A whole number from 1 to ${MOST_PIECES}.` : excess ?? sumText(price * wanted));
    };
    count.addEventListener("input", reckon);
    reckon();
    const many = item.max_per_user !== 1;
    const yes = await ask({
        title: `Buy ${item.name}?`, yes: "Buy", testId: "confirm-purchase",
        text: [
            item.description ? element("p", { class: "hint" }, item.description) : null,
            many && element("div", { class: "field short" }, element("label", { for: "quantity" }, "How many"), count),
            sum,
        ],
        // What there is may have become less while this was open: then it says so.
        ready: () => {
            reckon();
            return tooMany(item, pieces() ?? Infinity) === null;
        },
    });
    const quantity = pieces() ?? 1;
    if (!yes) return;
    if (!isOffered(item, client.serverNow())) {
        toast(`${item.name} is no longer offered.`);
        return;
    }
    const result = await act("market.purchase", {
        item_id: item.id, ...(quantity === 1 ? {} : { quantity }), expected_cost_coins: price,
    });
    if (result.status !== "applied") return;
    const transaction = result.output?.transaction;
    toast(quantity === 1 ? `${item.name} is yours.` : `${quantity} × ${item.name}: yours.`,
        transaction === undefined ? undefined : {
            label: "Undo", testId: "undo-purchase", act: () => void refund({ ...transaction, quantity }, item.name),
        });
}

/**
 * Gives a purchase back.
 * @param {{id: string, item_id: string | null, coins_amount: number, quantity?: number}} transaction
 * @param {string} name
 */
export async function refund(transaction, name) {
    const result = await act("market.refund", { transaction_id: transaction.id }, { transaction });
    if (result.status === "applied") toast(`${name} is given back: ${-transaction.coins_amount} coins.`);
}

/**
 * Why it cannot be so many, in words; null: it can, as far as there are coins.
 * @param {Item} item @param {number} quantity
 */
function tooMany(item, quantity) {
    const now = client.read("items", item.id) ?? item;
    const owned = client.read("inventory", item.id)?.quantity ?? 0;
    switch (purchaseRefusal(now, { quantity, owned, balance: Infinity, now: client.serverNow() })) {
    case "limit_reached":
        return `You may have ${now.max_per_user} of it${owned === 0 ? "" : `, and have ${owned}`}.`;
    case "out_of_stock": return now.stock_remaining === 1 ? "Only 1 is left." : `Only ${now.stock_remaining} are left.`;
    default: return quantity === Infinity ? "How many?" : null;
    }
}

/** @param {number} cost */
function sumText(cost) {
    const balance = client.read("wallet", "coins")?.total_coins ?? 0;
    if (cost <= balance) return `${cost} coins of your ${balance}; ${balance - cost} are left.`;
    const short = cost - balance;
    const sessions = Math.ceil(short / COINS_PER_SESSION);
    return `${cost} coins; you have ${balance}, that is ${short} short: ${sessions} focus ${
        sessions === 1 ? "session" : "sessions"} of 25 min away.`;
}
