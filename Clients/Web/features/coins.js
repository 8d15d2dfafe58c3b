// What the wallet holds, whichever feature moves the coins. The server's: wallet_move in Modules/Market/Storage/wallet.sql.

/** @typedef {import("../sync/types.js").ShownValue} ShownValue */
/** @typedef {import("../sync/types.js").Read} Read */

export const MOST_COINS = Number.MAX_SAFE_INTEGER;

/**
 * The wallet once these coins have come or gone.
 * @param {Read} read
 * @param {{earned?: number, spent?: number}} change
 * @returns {ShownValue[] | null} none where nothing changes; null: it holds no more
 */
export function moved(read, { earned = 0, spent = 0 }) {
    if (earned === 0 && spent === 0) return [];
    const now = read("wallet", "coins") ?? { total_coins: 0, earned_coins: 0, spent_coins: 0 };
    if (now.earned_coins > MOST_COINS - earned) return null;
    return [{
        collection: "wallet", id: "coins", value: {
            ...now, total_coins: now.total_coins + earned - spent, earned_coins: now.earned_coins + earned,
            spent_coins: now.spent_coins + spent,
        },
    }];
}
