// The client's part of the market. The server's: Modules/Market/Storage/purchases.sql and rewards.sql.

import { moved, MOST_COINS } from "./coins.js";
import { optionalInteger, Refusal, requiredId } from "./fields.js";

/** @typedef {import("../sync/types.js").ShownValue} ShownValue */
/** @typedef {import("../sync/types.js").LocalMutation} LocalMutation */
/** @typedef {import("../sync/types.js").Read} Read */
/** @typedef {import("../sync/types.js").View} View */

/** How many pieces may be bought at once. */
export const MOST_PIECES = 99;
/** For how long a purchase can be given back. */
export const REFUND_MS = 24 * 3_600_000;

/** @type {import("../sync/types.js").Feature} */
export const market = {
    mutations: {
        // A purchase carries the price that its buyer saw.
        "market.purchase": { document: null, effects: purchase, prepared },
        "market.redeem": { document: null, effects: redeem },
        "market.refund": { document: null, effects: refund },
        "market.claim": { document: null, effects: claim },
    },
    shared: ["items"],
    problems: {
        price_changed: ({ cost_coins: cost }) =>
            `The price has changed${Number.isInteger(cost) ? `: a piece costs ${cost} coins now` : ""}. Nothing was bought.`,
        limit_reached: "You have as many of this as one may have.",
        nothing_to_redeem: "There is nothing left of it to use up.",
        not_refundable: "This cannot be given back: it was too long ago, was given back already, or some of it is used up.",
        already_claimed: "You have claimed this already; its coins are yours.",
        too_many_items: "You have as many items of your own as one may have.",
    },
};

/**
 * Why an item cannot be bought: the first of the contract's refusals, as `purchase_refusal` in purchases.sql says it; null
 * where it can.
 * @param {Record<string, any>} item
 * @param {{quantity: number, expected?: number, owned: number, balance: number, now: number}} order
 * @returns {"item_unavailable" | "price_changed" | "limit_reached" | "out_of_stock" | "insufficient_coins" | null}
 */
export function purchaseRefusal(item, { quantity, expected, owned, balance, now }) {
    if (!isOffered(item, now)) return "item_unavailable";
    if (expected !== undefined && expected !== item.cost_coins) return "price_changed";
    if (owned + quantity > (item.max_per_user ?? Infinity)) return "limit_reached";
    if ((item.stock_remaining ?? Infinity) < quantity) return "out_of_stock";
    return balance < item.cost_coins * quantity ? "insufficient_coins" : null;
}

/**
 * Whether an item is offered now: switched on, and its window open.
 * @param {Record<string, any>} item @param {number} now
 */
export function isOffered({ available, available_from: from, available_until: until }, now) {
    return available !== false && (from === null || from === undefined || Date.parse(from) <= now)
        && (until === null || until === undefined || now < Date.parse(until));
}

/** @param {Record<string, any>} args @param {Read} read */
function prepared(args, read) {
    const [, item] = itemOf(String(args.item_id), read);
    return item === undefined ? args : { expected_cost_coins: item.cost_coins, ...args };
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function purchase({ args, made }, { read }) {
    const id = requiredId(args, "item_id");
    const quantity = optionalInteger(args, "quantity", 1, MOST_PIECES) ?? 1;
    const expected = optionalInteger(args, "expected_cost_coins", 0, MOST_COINS);
    const [collection, item] = itemOf(id, read);
    const purse = read("wallet", "coins");
    if (item === undefined) throw new Refusal("not_found");
    if (purse === undefined) return [];
    const owned = read("inventory", id);
    const refusal = purchaseRefusal(item, {
        quantity, expected, owned: owned?.quantity ?? 0, balance: purse.total_coins, now: made,
    });
    if (refusal !== null) throw new Refusal(refusal);
    const cost = item.cost_coins * quantity;
    return [
        ...moved(read, { spent: cost }) ?? [],
        inventory(id, {
            item_id: id, redeemed: 0, ...owned, quantity: (owned?.quantity ?? 0) + quantity,
            cost_paid_coins: (owned?.cost_paid_coins ?? 0) + cost, purchased_at: new Date(made).toISOString(),
        }),
        ...stocked(collection, item, -quantity),
    ];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function redeem({ args }, { read }) {
    const id = requiredId(args, "item_id");
    const quantity = optionalInteger(args, "quantity", 1, MOST_PIECES) ?? 1;
    const owned = read("inventory", id);
    if (owned === undefined && itemOf(id, read)[1] === undefined) throw new Refusal("not_found");
    if (owned === undefined || owned.quantity - owned.redeemed < quantity || read("items", id)?.consumable === false) {
        throw new Refusal("nothing_to_redeem");
    }
    return [inventory(id, { ...owned, redeemed: owned.redeemed + quantity })];
}

/**
 * Transactions are not among the documents: what is given back is known only to a caller who names it in the hint.
 * @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]}
 */
function refund({ args, made, hint }, { read }) {
    const transaction = requiredId(args, "transaction_id");
    const coins = -Number(hint?.transaction?.coins_amount);
    if (!(coins > 0)) return [];
    const { id = transaction, transaction_type: type = "spend", item_id: itemId, created_at: at, quantity = 1 } = hint.transaction;
    if (id !== transaction) return [];
    const owned = read("inventory", itemId);
    // Not all is known of what was used up: the oldest pieces go first, and which they are only the server knows. Nor is it of how
    // many pieces it was about: the hint may be a guess.
    if (type !== "spend" || made - Date.parse(at) >= REFUND_MS || owned === undefined
        || owned.redeemed >= owned.quantity) throw new Refusal("not_refundable");
    const pieces = Math.min(quantity, owned.quantity - owned.redeemed);
    const left = owned.quantity - pieces;
    const [collection, item] = itemOf(itemId, read);
    return [
        ...moved(read, { spent: -coins }) ?? [],
        inventory(itemId, left > 0
            ? { ...owned, quantity: left, cost_paid_coins: owned.cost_paid_coins - coins } : null),
        ...stocked(collection, item, pieces),
    ];
}

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function claim({ args, made }, { read }) {
    const id = requiredId(args, "reward_id");
    const reward = read("rewards", id);
    if (reward === undefined) throw new Refusal("not_found");
    if (reward.claimed) throw new Refusal("already_claimed");
    const earned = moved(read, { earned: reward.coins_earned });
    if (earned === null) return [];
    const value = { ...reward, claimed: true, claimed_at: new Date(made).toISOString() };
    return [{ collection: "rewards", id, value }, ...earned];
}

/**
 * An item of the catalogue or a reward of the user's own, with the collection that holds it.
 * @param {string} id @param {Read} read
 * @returns {[string, any]}
 */
function itemOf(id, read) {
    const shared = read("items", id);
    return shared !== undefined ? ["items", shared] : ["personal_items", read("personal_items", id)];
}

/** @param {string} id @param {unknown} value @returns {ShownValue} */
function inventory(id, value) {
    return { collection: "inventory", id, value };
}

/** @param {string} collection @param {any} item @param {number} pieces @returns {ShownValue[]} none where the stock has no limit */
function stocked(collection, item, pieces) {
    const stock = item?.stock_remaining ?? null;
    return stock === null ? [] : [{ collection, id: item.id, value: { ...item, stock_remaining: stock + pieces } }];
}
