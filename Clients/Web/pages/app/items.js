// What is known about an item of the market at a moment of the server's clock. Pure.

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
 * Whether an item is offered now: switched on, and its window open.
 * @param {Item} item @param {number} now
 */
export function isOffered({ available, available_from: from, available_until: until }, now) {
    return available !== false && (from === null || from === undefined || Date.parse(from) <= now)
        && (until === null || until === undefined || now < Date.parse(until));
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
 * Why this user cannot buy one now, in words; null: he can.
 * @param {Item} item
 * @param {{balance: number, owned: number}} who
 */
export function obstacle(item, { balance, owned }) {
    if (item.max_per_user !== null && item.max_per_user !== undefined && owned >= item.max_per_user) {
        return item.max_per_user === 1 ? "You have it" : `You have all ${item.max_per_user} you may have`;
    }
    if (item.stock_remaining === 0) return "Sold out";
    if (balance < item.cost_coins) {
        const short = item.cost_coins - balance;
        return short === 1 ? "1 coin short" : `${short} coins short`;
    }
    return null;
}
