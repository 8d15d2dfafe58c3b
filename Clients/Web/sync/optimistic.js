// What a mutation will have done, as far as a device can tell before the server has said so. Pure: the same mutation
// over the same documents gives the same effects, on every device and after every reload.

/**
 * A value as it will be once a mutation is applied.
 * @typedef {{collection: string, id: string, value: unknown}} Effect
 */

/**
 * What the effects of a mutation are computed from.
 * @typedef {object} Deed
 * @property {string} id  the mutation's; what it creates has the same
 * @property {string} name
 * @property {Record<string, any>} args
 * @property {number} made  the server's clock when it was made, in milliseconds
 * @property {any} [hint]  what the caller knows and the server need not be told: a refund's transaction
 */

/** @typedef {(collection: string, id: string) => any} Read  a value as the user sees it now; undefined: there is none */

const FOCUS_SECONDS = { focus: 1500, break: 300, long_break: 900 };
// A session may be completed this long before its end (contract, section 4).
const EARLY_MS = 2_000;
const COINS_PER_SESSION = 10;
const SECONDS_PER_SESSION = 1500;

/**
 * @param {Deed} deed
 * @param {Read} read
 * @returns {Effect[]} empty where this device cannot tell, or expects a refusal
 */
export function effectsOf(deed, read) {
    const rule = rules.get(deed.name);
    return rule === undefined ? [] : rule(deed, read);
}

/** @type {Map<string, (deed: Deed, read: Read) => Effect[]>} */
const rules = new Map([
    ["settings.set", ({ args }) => [{ collection: "settings", id: String(args.key), value: args.value }]],
    ["settings.delete", ({ args }) => [{ collection: "settings", id: String(args.key), value: null }]],
    ["focus.start", start],
    ["focus.pause", pause],
    ["focus.resume", resume],
    ["focus.complete", complete],
    ["focus.abandon", abandon],
    ["market.purchase", purchase],
    ["market.redeem", redeem],
    ["market.refund", refund],
    ["market.claim", claim],
]);

// Focus

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function start({ id, args, made }, read) {
    const live = read("focus", "active");
    if (live !== undefined && args.replace !== true) return [];
    const mode = /** @type {keyof typeof FOCUS_SECONDS} */ (args.mode ?? "focus");
    const own = read("settings", `${mode}.duration_seconds`);
    const seconds = args.duration_seconds ?? (Number.isInteger(own) ? own : FOCUS_SECONDS[mode]);
    return [focus({
        id, mode, status: "active", duration_seconds: seconds, started_at: time(made),
        ends_at: time(made + seconds * 1000), paused_at: null, remaining_seconds: null, pause_count: 0,
        paused_seconds: 0, task_title: args.task_title ?? null, coins_awarded: 0, completed_at: null, version: 0,
    })];
}

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function pause({ args, made }, read) {
    const live = session(args, read);
    if (live?.status !== "active") return [];
    const left = Math.ceil((Date.parse(live.ends_at) - made) / 1000);
    if (left <= 0) return [];
    return [focus({
        ...live, status: "paused", ends_at: null, paused_at: time(made),
        remaining_seconds: Math.min(left, live.duration_seconds), pause_count: live.pause_count + 1,
    })];
}

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function resume({ args, made }, read) {
    const live = session(args, read);
    if (live?.status !== "paused") return [];
    const paused = Math.max(0, Math.round((made - Date.parse(live.paused_at)) / 1000));
    return [focus({
        ...live, status: "active", ends_at: time(made + live.remaining_seconds * 1000), paused_at: null,
        remaining_seconds: null, paused_seconds: live.paused_seconds + paused,
    })];
}

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function complete({ args, made }, read) {
    const live = session(args, read);
    if (live?.status !== "active" || Date.parse(live.ends_at) - made > EARLY_MS) return [];
    const coins = live.mode === "focus"
        ? Math.floor((COINS_PER_SESSION * live.duration_seconds) / SECONDS_PER_SESSION) : 0;
    return [focus(null), ...wallet(read, { earned: coins })];
}

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function abandon({ args }, read) {
    return session(args, read) === undefined ? [] : [focus(null)];
}

/**
 * The live session, where it is the one that is meant.
 * @param {Record<string, any>} args @param {Read} read
 */
function session(args, read) {
    const live = read("focus", "active");
    return live !== undefined && (args.id === undefined || args.id === live.id) ? live : undefined;
}

/** @param {unknown} value @returns {Effect} */
function focus(value) {
    return { collection: "focus", id: "active", value };
}

// Market

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function purchase({ args, made }, read) {
    const [collection, item] = itemOf(String(args.item_id), read);
    const count = args.quantity ?? 1;
    const purse = read("wallet", "coins");
    if (item === undefined || purse === undefined) return [];
    const cost = item.cost_coins * count;
    if (purse.total_coins < cost || (item.stock_remaining ?? count) < count) return [];
    const owned = read("inventory", args.item_id);
    const effects = wallet(read, { spent: cost });
    effects.push({
        collection: "inventory", id: args.item_id, value: {
            item_id: args.item_id, redeemed: 0, ...owned, quantity: (owned?.quantity ?? 0) + count,
            cost_paid_coins: (owned?.cost_paid_coins ?? 0) + cost, purchased_at: time(made),
        },
    });
    if (item.stock_remaining !== null && item.stock_remaining !== undefined) {
        const left = { ...item, stock_remaining: item.stock_remaining - count };
        effects.push({ collection, id: args.item_id, value: left });
    }
    return effects;
}

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function redeem({ args }, read) {
    const owned = read("inventory", args.item_id);
    const count = args.quantity ?? 1;
    if (owned === undefined || owned.quantity - owned.redeemed < count) return [];
    return [{
        collection: "inventory", id: args.item_id, value: { ...owned, redeemed: owned.redeemed + count },
    }];
}

/**
 * Transactions are not among the documents: what is given back is known only to a caller who names it in the hint.
 * @param {Deed} deed @param {Read} read @returns {Effect[]}
 */
function refund({ hint }, read) {
    const coins = -Number(hint?.transaction?.coins_amount);
    if (!(coins > 0)) return [];
    const effects = wallet(read, { spent: -coins });
    const id = hint.transaction.item_id;
    const owned = read("inventory", id);
    const count = hint.transaction.quantity ?? 1;
    if (owned === undefined) return effects;
    const left = owned.quantity - count;
    const value = left > 0
        ? { ...owned, quantity: left, cost_paid_coins: owned.cost_paid_coins - coins } : null;
    return [...effects, { collection: "inventory", id, value }];
}

/** @param {Deed} deed @param {Read} read @returns {Effect[]} */
function claim({ args, made }, read) {
    const reward = read("rewards", args.reward_id);
    if (reward === undefined || reward.claimed) return [];
    const value = { ...reward, claimed: true, claimed_at: time(made) };
    return [{ collection: "rewards", id: args.reward_id, value }, ...wallet(read, { earned: reward.coins_earned })];
}

/**
 * An item of the catalogue or a reward of the user's own, with the collection that holds it.
 * @param {string} id @param {Read} read
 * @returns {[string, any]}
 */
export function itemOf(id, read) {
    const shared = read("items", id);
    return shared !== undefined ? ["items", shared] : ["personal_items", read("personal_items", id)];
}

/**
 * @param {Read} read
 * @param {{earned?: number, spent?: number}} change
 * @returns {Effect[]} none where nothing changes
 */
function wallet(read, { earned = 0, spent = 0 }) {
    if (earned === 0 && spent === 0) return [];
    const now = read("wallet", "coins") ?? { total_coins: 0, earned_coins: 0, spent_coins: 0 };
    return [{
        collection: "wallet", id: "coins", value: {
            ...now, total_coins: now.total_coins + earned - spent, earned_coins: now.earned_coins + earned,
            spent_coins: now.spent_coins + spent,
        },
    }];
}

/** @param {number} milliseconds */
function time(milliseconds) {
    return new Date(milliseconds).toISOString();
}
