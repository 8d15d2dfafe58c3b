// A small honest model of the server (contract, sections 4 to 7) for one user: heads, versions, exactly-once, conflicts,
// resets, and what is refused. What it holds at every place is remembered, so that a replica can be held against it.

export const SHARED = new Set(["items", "flags"]);

const ITEM = { available: true, stock_remaining: null, max_per_user: null, consumable: true };

export class ModelServer {
    epoch = 1;
    heads = { user: 0, shared: 0 };
    floor = 0;
    /** @type {Map<string, any>} */
    documents = new Map();
    /** Every value that a document ever had, by version. @type {Map<string, Array<{version: number, value: any}>>} */
    past = new Map();
    /** First results by mutation id. */
    done = new Map();
    /** Ids in the order in which they were first seen, by device. @type {Map<string, string[]>} */
    order = new Map();
    /** @type {Map<string, string>} */
    numbers = new Map();
    conflicts = 0;
    spent = 0;
    /** Told of each change: {documents, shared, mutation}. */
    listeners = new Set();
    /** Told of each decision: {mutation, at, before (what stood, by place), result}. */
    judges = new Set();

    /** @param {() => number} clock  in milliseconds */
    constructor(clock) {
        this.clock = clock;
        this.write([["items", "hat", { ...ITEM, id: "hat", cost_coins: 10 }],
            ["items", "scarf", { ...ITEM, id: "scarf", cost_coins: 3, stock_remaining: 9, max_per_user: 3, consumable: false }]],
        { shared: true });
        this.write([["wallet", "coins", { total_coins: 100, earned_coins: 100, spent_coins: 0 }],
            ["rewards", "first", { id: "first", coins_earned: 5, claimed: false, claimed_at: null }]], {});
    }

    cursor(heads = this.heads) {
        return `${this.epoch}.${heads.user}.${heads.shared}`;
    }

    /** @param {string | null} text */
    pull(text) {
        this.completeDue();
        const [epoch, user, shared] = (text ?? "0.0.0").split(".").map(Number);
        const reset = epoch !== this.epoch || user < this.floor || user > this.heads.user || shared > this.heads.shared;
        const documents = [...this.documents.values()].filter((it) => reset ? it.value !== null
            : it.version > (SHARED.has(it.collection) ? shared : user)).map(plain)
            .sort((one, other) => one.version - other.version);
        return {
            previous: reset ? null : text, cursor: this.cursor(), reset, documents,
        };
    }

    /**
     * @param {string} device @param {any[]} mutations
     * @param {number} most  how many before the database goes away
     */
    push(device, mutations, most = Infinity) {
        return mutations.slice(0, most).map((mutation) => this.perform(device, mutation));
    }

    /** @param {string} device @param {any} mutation */
    perform(device, mutation) {
        const { id, seq } = mutation;
        const before = this.done.get(id);
        if (before !== undefined) return { ...before, replayed: true };
        const number = `${device} ${seq}`;
        let result;
        if (seq !== undefined && this.numbers.has(number)) {
            // Not this mutation's own number: its id would have been known.
            result = { id, status: "rejected", problem: { status: 409, code: "device_forked", detail: "" } };
        } else {
            if (seq !== undefined) this.numbers.set(number, id);
            this.completeDue();
            const before = new Map([...this.documents].map(([place, it]) => [place, it.value]));
            const cursor = this.cursor();
            this.decidedAt = this.clock();
            result = { id, ...this.decide(device, mutation) };
            for (const judge of this.judges) judge({ mutation, at: this.decidedAt, before, cursor, result });
        }
        this.done.set(id, result);
        this.order.set(device, [...(this.order.get(device) ?? []), id]);
        return result;
    }

    /** @param {string} device @param {any} mutation */
    decide(device, { id, name, args, base_version: base, age_ms: age = 0 }) {
        if (name.startsWith("focus.")) return this.focus(device, id, name, args, base, age);
        switch (name) {
        case "settings.set": return this.set(device, id, args.key, args.value, base);
        case "settings.delete": return this.set(device, id, args.key, null, base);
        case "market.purchase": return this.purchase(device, id, args);
        case "market.redeem": return this.redeem(device, id, args);
        case "market.claim": return this.claim(device, id, args);
        default: return refusal(422, "unknown_mutation");
        }
    }

    /** What stands under a place; undefined: nothing. */
    value(collection, id) {
        return this.documents.get(`${collection}\n${id}`)?.value ?? undefined;
    }

    /** Whether somebody else wrote it since the version that the device knew. */
    isStale(now, device, base) {
        const foreign = now === undefined ? 0 : now.device === device ? now.foreign : now.version;
        return base !== undefined && foreign > base;
    }

    conflict(now) {
        this.conflicts += 1;
        return { status: "conflict", version: now.version, document: plain(now) };
    }

    set(device, id, key, value, base) {
        if (key === "theme" && value !== null && !["light", "dark", "system"].includes(value)) {
            return refusal(422, "invalid_setting");
        }
        // What no device can know.
        if (value === "bad") return refusal(409, "storage_full");
        const now = this.documents.get(`settings\n${key}`);
        const same = JSON.stringify(now?.value ?? null) === JSON.stringify(value);
        if (!same && this.isStale(now, device, base) && !(now.value === null && base === 0)) return this.conflict(now);
        if (!same) this.write([["settings", key, value]], { device, mutation: id });
        return { status: "applied", version: this.documents.get(`settings\n${key}`)?.version ?? 0 };
    }

    purchase(device, id, { item_id: name, quantity = 1, expected_cost_coins: expected }) {
        if (!(Number.isInteger(quantity) && quantity > 0 && quantity < 100)) return refusal(422, "invalid_body");
        const item = this.value("items", name);
        if (item === undefined) return refusal(404, "not_found");
        const owned = this.value("inventory", name);
        const wallet = this.value("wallet", "coins");
        const cost = item.cost_coins * quantity;
        if (!item.available) return refusal(409, "item_unavailable");
        if (expected !== undefined && expected !== item.cost_coins) return refusal(409, "price_changed");
        if (item.max_per_user !== null && (owned?.quantity ?? 0) + quantity > item.max_per_user) {
            return refusal(409, "limit_reached");
        }
        if (item.stock_remaining !== null && item.stock_remaining < quantity) return refusal(409, "out_of_stock");
        if (wallet.total_coins < cost) return refusal(409, "insufficient_coins");
        this.spent += cost;
        this.write([
            ["wallet", "coins", { ...wallet, total_coins: wallet.total_coins - cost, spent_coins: wallet.spent_coins + cost }],
            ["inventory", name, {
                item_id: name, redeemed: owned?.redeemed ?? 0, purchased_at: "x", quantity: (owned?.quantity ?? 0) + quantity,
                cost_paid_coins: (owned?.cost_paid_coins ?? 0) + cost,
            }],
        ], { device, mutation: id });
        const { version } = this.documents.get("wallet\ncoins");
        if (item.stock_remaining !== null) {
            this.write([["items", name, { ...item, stock_remaining: item.stock_remaining - quantity }]], { shared: true });
        }
        return { status: "applied", version };
    }

    redeem(device, id, { item_id: name, quantity = 1 }) {
        if (!(Number.isInteger(quantity) && quantity > 0 && quantity < 100)) return refusal(422, "invalid_body");
        const owned = this.value("inventory", name);
        const item = this.value("items", name);
        if (owned === undefined && item === undefined) return refusal(404, "not_found");
        if (item?.consumable === false || (owned?.quantity ?? 0) - (owned?.redeemed ?? 0) < quantity) {
            return refusal(409, "nothing_to_redeem");
        }
        this.write([["inventory", name, { ...owned, redeemed: owned.redeemed + quantity }]], { device, mutation: id });
        return { status: "applied", version: this.heads.user };
    }

    // Focus sessions. Nothing here lasts for an hour, so that none expires.

    /** A session whose time is up is completed, whoever comes first. */
    completeDue() {
        const live = this.value("focus", "active");
        if (live?.status === "active" && Date.parse(live.ends_at) <= this.clock()) this.complete(live, {});
    }

    complete(live, by) {
        const coins = live.mode === "focus" ? Math.floor(live.duration_seconds * 10 / 1500) : 0;
        const wallet = this.value("wallet", "coins");
        const paid = { ...wallet, total_coins: wallet.total_coins + coins, earned_coins: wallet.earned_coins + coins };
        this.ended = new Map([...this.ended, [live.id, "completed"]]);
        this.write([["focus", "active", null], ...(coins > 0 ? [["wallet", "coins", paid]] : [])], by);
    }

    ended = new Map();

    focus(device, id, name, args, base, age) {
        const now = this.documents.get("focus\nactive");
        const live = now?.value ?? undefined;
        const by = { device, mutation: id };
        const done = () => ({ status: "applied", version: this.heads.user });
        const named = args.id !== undefined && args.id !== live?.id;
        const { duration_seconds: seconds = 1500 } = args;
        if (["focus.complete", "focus.abandon"].includes(name) && args.id === undefined) return refusal(422, "invalid_body");
        if (!(Number.isInteger(seconds) && seconds >= 1 && seconds <= 14_400)) return refusal(422, "invalid_body");
        if (named && !this.ended.has(args.id)) return refusal(404, "not_found");
        const completed = name === "focus.complete" && this.ended.get(args.id) === "completed";
        if (this.isStale(now, device, base) && !completed && !(name === "focus.start" && live === undefined)) {
            return this.conflict(now);
        }
        if (completed) return done();
        if (named) return refusal(409, "already_ended");
        if (name === "focus.start") return this.start(id, args, seconds, live, by) ?? done();
        if (live === undefined) return refusal(404, "no_session");
        if (name === "focus.abandon") {
            this.ended.set(live.id, "abandoned");
            this.write([["focus", "active", null]], by);
            return done();
        }
        if (name === "focus.complete") {
            const left = live.status === "paused" ? live.remaining_seconds : (Date.parse(live.ends_at) - this.clock()) / 1000;
            if (left > 2) return refusal(409, "too_early");
            this.complete(live, by);
            return done();
        }
        if ((live.status === "active") !== (name === "focus.pause")) {
            return refusal(409, name === "focus.pause" ? "not_active" : "not_paused");
        }
        this.turn(live, name === "focus.pause", this.clock() - age, by);
        return done();
    }

    start(id, { mode = "focus", task_title: title = null, replace = false }, seconds, live, by) {
        if (live !== undefined && !replace) return refusal(409, "session_live");
        if (live !== undefined) this.ended.set(live.id, "abandoned");
        const at = this.clock();
        this.write([["focus", "active", {
            id, mode, status: "active", duration_seconds: seconds, started_at: time(at), ends_at: time(at + seconds * 1000),
            paused_at: null, remaining_seconds: null, pause_count: 0, paused_seconds: 0, task_title: title, coins_awarded: 0,
            completed_at: null, version: 0,
        }]], by);
        this.turnedAt = at;
        return null;
    }

    /** Pauses or resumes, so long ago, but not before the session's last turn. */
    turn(live, pauses, when, by) {
        const at = Math.max(this.turnedAt, Math.min(when, this.clock()));
        this.turnedAt = at;
        this.decidedAt = at;
        const left = live.remaining_seconds;
        this.write([["focus", "active", pauses ? {
            ...live, status: "paused", ends_at: null, paused_at: time(at), pause_count: live.pause_count + 1,
            remaining_seconds: Math.min(live.duration_seconds, Math.ceil((Date.parse(live.ends_at) - at) / 1000)),
        } : {
            ...live, status: "active", ends_at: time(at + left * 1000), paused_at: null, remaining_seconds: null,
            paused_seconds: live.paused_seconds + Math.max(0, Math.round((at - Date.parse(live.paused_at)) / 1000)),
        }]], by);
    }

    claim(device, id, { reward_id: reward }) {
        const now = this.value("rewards", reward);
        if (now === undefined) return refusal(404, "not_found");
        if (now.claimed) return refusal(409, "already_claimed");
        const wallet = this.documents.get("wallet\ncoins").value;
        this.write([
            ["rewards", reward, { ...now, claimed: true, claimed_at: "x" }],
            ["wallet", "coins", {
                ...wallet, total_coins: wallet.total_coins + now.coins_earned,
                earned_coins: wallet.earned_coins + now.coins_earned,
            }],
        ], { device, mutation: id });
        return { status: "applied", version: this.heads.user };
    }

    /** @param {Array<[string, string, any]>} changes @param {{device?: string, mutation?: string, shared?: boolean}} by */
    write(changes, { device = "server", mutation, shared = false }) {
        const which = shared ? "shared" : "user";
        this.heads = { ...this.heads, [which]: this.heads[which] + 1 };
        const version = this.heads[which];
        const documents = changes.map(([collection, id, value]) => {
            const key = `${collection}\n${id}`;
            const before = this.documents.get(key);
            const foreign = before === undefined ? 0 : before.device === device ? before.foreign : before.version;
            this.documents.set(key, { collection, id, value, version, device, foreign });
            this.past.set(key, [...(this.past.get(key) ?? []), { version, value }]);
            return { collection, id, value, version };
        });
        for (const listener of this.listeners) listener({ documents, shared, mutation });
    }

    /** Tombstones are purged: a cursor from before is reset. */
    purge() {
        const gone = [...this.documents.values()].filter((it) => it.value === null);
        for (const it of gone) this.documents.delete(`${it.collection}\n${it.id}`);
        this.floor = Math.max(this.floor, ...gone.map((it) => it.version));
    }

    /** What stood at a place, live documents alone, as text to compare. @param {string} cursor */
    at(cursor) {
        const [, user, shared] = cursor.split(".").map(Number);
        const live = [];
        for (const [key, values] of this.past) {
            const place = SHARED.has(key.split("\n")[0]) ? shared : user;
            const stood = values.filter((it) => it.version <= place).at(-1);
            if (stood !== undefined && stood.value !== null) live.push([key, stood.version, stood.value]);
        }
        return textOf(live);
    }
}

/** @param {Iterable<any>} documents  a replica's */
export function textOfReplica(documents) {
    return textOf([...documents].filter((it) => it.value !== null)
        .map((it) => [`${it.collection}\n${it.id}`, it.version, it.value]));
}

function textOf(live) {
    return JSON.stringify(live.map(([key, version, value]) => [key, version, Object.entries(value ?? {}).sort().flat(), `${value}`])
        .sort(([one], [other]) => (one < other ? -1 : 1)));
}

function time(milliseconds) {
    return new Date(milliseconds).toISOString();
}

function plain({ collection, id, value, version }) {
    return { collection, id, value, version };
}

function refusal(status, code) {
    return { status: "rejected", problem: { status, code, detail: "" } };
}
