// A small honest model of the server (contract, sections 6 and 7) for one user: heads, versions, exactly-once,
// conflicts,
// resets. What it holds at every place is remembered, so that a replica can be held against it.

export const SHARED = new Set(["items", "flags"]);

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

    constructor() {
        this.write([["items", "hat", { id: "hat", cost_coins: 10, stock_remaining: null }]], { shared: true });
        this.write([["wallet", "coins", { total_coins: 100, earned_coins: 100, spent_coins: 0 }],
            ["rewards", "first", { id: "first", coins_earned: 5, claimed: false, claimed_at: null }]], {});
    }

    cursor(heads = this.heads) {
        return `${this.epoch}.${heads.user}.${heads.shared}`;
    }

    /** @param {string | null} text */
    pull(text) {
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
            result = { id, ...this.decide(device, mutation) };
        }
        this.done.set(id, result);
        this.order.set(device, [...(this.order.get(device) ?? []), id]);
        return result;
    }

    /** @param {string} device @param {any} mutation */
    decide(device, { id, name, args, base_version: base }) {
        switch (name) {
        case "settings.set": return this.set(device, id, args.key, args.value, base);
        case "settings.delete": return this.set(device, id, args.key, null, base);
        case "market.purchase": return this.purchase(device, id, args);
        case "market.claim": return this.claim(device, id, args);
        default: return refusal(422, "unknown_mutation");
        }
    }

    set(device, id, key, value, base) {
        if (value === "bad") return refusal(422, "invalid_setting");
        const now = this.documents.get(`settings\n${key}`);
        const same = JSON.stringify(now?.value ?? null) === JSON.stringify(value);
        const foreign = now === undefined ? 0 : now.device === device ? now.foreign : now.version;
        if (base !== undefined && !same && foreign > base && !(now.value === null && base === 0)) {
            this.conflicts += 1;
            return { status: "conflict", version: now.version, document: plain(now) };
        }
        if (!same) this.write([["settings", key, value]], { device, mutation: id });
        return { status: "applied", version: this.documents.get(`settings\n${key}`)?.version ?? 0 };
    }

    purchase(device, id, { item_id: item, quantity = 1, expected_cost_coins: expected }) {
        const { cost_coins: price } = this.documents.get(`items\n${item}`).value;
        if (expected !== undefined && expected !== price) return refusal(409, "price_changed");
        const wallet = this.documents.get("wallet\ncoins").value;
        const cost = price * quantity;
        if (wallet.total_coins < cost) return refusal(409, "insufficient_coins");
        const owned = this.documents.get(`inventory\n${item}`)?.value;
        this.spent += cost;
        this.write([
            ["wallet", "coins", { ...wallet, total_coins: wallet.total_coins - cost, spent_coins: wallet.spent_coins + cost }],
            ["inventory", item, {
                item_id: item, redeemed: 0, purchased_at: "x", quantity: (owned?.quantity ?? 0) + quantity,
                cost_paid_coins: (owned?.cost_paid_coins ?? 0) + cost,
            }],
        ], { device, mutation: id });
        return { status: "applied", version: this.heads.user };
    }

    claim(device, id, { reward_id: reward }) {
        const now = this.documents.get(`rewards\n${reward}`).value;
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

function plain({ collection, id, value, version }) {
    return { collection, id, value, version };
}

function refusal(status, code) {
    return { status: "rejected", problem: { status, code, detail: "" } };
}
