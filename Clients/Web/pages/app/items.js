// What is known about an item of the market at a moment of the server's clock. Pure.

import { purchaseRefusal } from "../../features/market.js";

/** @typedef {Record<string, any>} Item */

/** @type {Record<string, string>} */
const REASONS = {
    bought_together: "Goes well with what you bought",
    frequently_purchased: "You buy this often",
    trending: "Many buy this at the moment",
    affordable: "You can afford this now",
};

/** @param {string} reason */
export function reasonText(reason) {
    return REASONS[reason] ?? "For you";
}

/**
 * Milliseconds until some item's window opens or closes; Infinity: none will.
 * @param {Iterable<Item>} items @param {number} now
 */
export function untilNextWindow(items, now) {
    let least = Infinity;
    for (const { available_from: from, available_until: until } of items) {
        for (const time of [from, until]) {
            const left = time === null || time === undefined ? -1 : Date.parse(time) - now;
            if (left > 0) least = Math.min(least, left);
        }
    }
    return least;
}

/**
 * Letters without case and accents, for searching.
 * @param {string} text
 */
export function folded(text) {
    return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ß", "ss");
}

/**
 * Whether all words stand in its name, description or category.
 * @param {Item} item @param {string} words
 */
export function fits(item, words) {
    const text = folded(`${item.name} ${item.description ?? ""} ${item.category ?? ""}`);
    return folded(words).split(/\s+/).every((word) => text.includes(word));
}

/**
 * Why this user cannot buy one now, in words; null: they can.
 * @param {Item} item
 * @param {{balance: number, owned: number, now: number}} who
 */
export function obstacle(item, { balance, owned, now }) {
    const most = item.max_per_user;
    switch (purchaseRefusal(item, { quantity: 1, balance, owned, now })) {
    case "item_unavailable": return "No longer offered";
    case "limit_reached": return most === 1 ? "You have it" : `You have all ${most} you may have`;
    case "out_of_stock": return "Sold out";
    case "insufficient_coins": return item.cost_coins - balance === 1 ? "1 coin short" : `${item.cost_coins - balance} coins short`;
    default: return null;
    }
}
