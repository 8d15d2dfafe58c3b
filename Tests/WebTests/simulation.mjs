// Long because a world is one thing: its time, its network, its devices and what must hold of them read together.
//
// node simulation.mjs FIRST COUNT: runs schedules FIRST … FIRST+COUNT−1. Each is a world of a model server, a few devices of
// one or two tabs that run the real machine, and a network that delays, drops, duplicates, cuts and answers late; tabs
// crash, stores keep what was written. In the end the network heals, and then: every replica is the server's, every
// queue is empty, every change that was kept has happened once, in its device's order. All the while a replica equals
// what the server held at its cursor, and what the server decides is what a device shows. A failure prints the schedule's number, which repeats it exactly.

import { isDeepStrictEqual } from "node:util";
import { initial, step } from "../../Clients/Web/sync/machine.js";
import { judge } from "../../Clients/Web/sync/optimistic.js";
import { read, waiting } from "../../Clients/Web/sync/replica.js";
import { ModelServer, textOfReplica } from "./model.mjs";

const CHAOS_MS = 60_000;
// By then everything has settled, or never will.
const END_MS = 400_000;
const KEYS = ["theme", "a", "b", "c"];

class World {
    now = 0;
    server = new ModelServer(() => this.now);
    healed = false;
    /** A heap of what is due: [time, order, act]. */
    due = [];
    order = 0;
    devices = [];
    sockets = new Set();
    /** Every change that a user made: id → {stored, malformed}. */
    made = new Map();
    /** Ids that became others. */
    renamed = new Map();
    made_count = 0;
    /** What was shown of a change when it was made: id → {cursor, effects}. */
    shown = new Map();

    constructor(seed) {
        this.seed = seed;
        this.random = generator(seed);
        this.trouble = {
            drop: this.random() * 0.3, cut: this.random() * 0.15, slow: this.random() * 3_000,
            // Something on the way does not let an answer take longer.
            longest: this.random() < 0.3 ? this.random() * 20_000 : Infinity,
        };
        this.server.judges.add((decision) => this.compare(decision));
        this.server.listeners.add((change) => {
            for (const socket of this.sockets) socket.changed(change);
        });
    }

    after(milliseconds, act) {
        push(this.due, [this.now + milliseconds, this.order++, act]);
    }

    chance(probability) {
        return this.random() < probability;
    }

    /** The time that something takes on the way. */
    way() {
        return this.healed ? 1 + this.random() * 20 : 1 + this.random() ** 3 * this.trouble.slow;
    }

    lost() {
        return !this.healed && this.chance(this.trouble.drop);
    }

    run() {
        const count = 1 + Math.floor(this.random() * 3);
        for (let n = 0; n < count; n += 1) this.devices.push(new Device(this, `device-${n}`));
        for (let n = 0; n < 6 + this.random() * 18; n += 1) this.after(this.random() * CHAOS_MS, () => this.use());
        for (let n = 0; n < this.random() * 10; n += 1) this.after(this.random() * CHAOS_MS, () => this.strike());
        this.after(CHAOS_MS, () => this.heal());
        while (this.due.length > 0 && this.now < END_MS) {
            const [time, , act] = pop(this.due);
            this.now = time;
            act();
            if (this.healed && this.settled()) break;
        }
        this.judge();
    }

    /** A user does something somewhere. */
    use() {
        const device = pick(this, this.devices);
        const tab = pick(this, device.tabs.filter((it) => it.alive));
        if (tab === undefined) return;
        const burst = this.chance(0.2) ? 1 + Math.floor(this.random() * 6) : 1;
        for (let n = 0; n < burst; n += 1) {
            const key = pick(this, KEYS);
            const [name, args] = pick(this, [
                ["settings.set", { key, value: this.chance(0.05) ? "bad" : { n: this.order } }],
                ["settings.set", { key, value: pick(this, ["light", "dark"]) }],
                ["settings.set", { key, value: this.chance(0.1) ? "malformed" : 1 }],
                ["settings.delete", { key }],
                ["market.purchase", { item_id: pick(this, ["hat", "scarf"]), quantity: pick(this, [1, 1, 2, 5]) }],
                ["market.purchase", { item_id: pick(this, ["hat", "glove"]), quantity: pick(this, [1, 0, 100, "2"]) }],
                ["market.redeem", { item_id: pick(this, ["hat", "scarf", "glove"]) }],
                ["market.claim", { reward_id: pick(this, ["first", "none"]) }],
                ...this.ofSession(tab),
            ]);
            tab.mutate(name, args);
        }
    }

    /** What a user does with the session that they see, or would like to. */
    ofSession(tab) {
        const { id } = read(tab.state, "focus", "active") ?? {};
        return [
            ["focus.start", { duration_seconds: pick(this, [0, 2, 20, 150]), replace: this.chance(0.5) }],
            ["focus.pause", this.chance(0.5) ? {} : { id }], ["focus.resume", this.chance(0.5) ? {} : { id }],
            ["focus.complete", { id }], ["focus.abandon", { id }],
        ].map(([name, args]) => [name, args.id === undefined && "id" in args ? {} : args]);
    }

    /** What was decided is what a device shows over the same documents; and did show, where it held them. */
    compare({ mutation, at, before, cursor, result }) {
        const { id, name, args } = mutation;
        const { effects, refusal } = judge({ id, name, args, made: at }, {
            read: (collection, it) => before.get(`${collection}\n${it}`) ?? undefined, full: () => false,
        });
        if (result.status === "conflict") return;
        this.compareShown(mutation, effects, result);
        const code = result.problem?.code;
        expect(refusal === null || refusal === code, `${name} is refused as expected`, [args, refusal, code]);
        const shown = this.shown.get(id);
        if (shown?.cursor === cursor && !name.startsWith("focus.")) this.compareShown(mutation, shown.effects, result);
    }

    compareShown({ name, args }, effects, { status, problem }) {
        if (problem?.code === "storage_full") return;
        if (status === "rejected") return expect(effects.length === 0, `${name}, refused, shows nothing`, [args, problem, effects]);
        for (const { collection, id, value } of effects) {
            const now = this.server.value(collection, id) ?? null;
            // A session that goes on from a moment so long ago that its end is over may be completed already.
            const isOver = value?.status === "active" && Date.parse(value.ends_at) <= this.now;
            const timeless = (it) => it === null || typeof it !== "object" ? it : { ...it, purchased_at: "", claimed_at: "" };
            expect(isDeepStrictEqual(timeless(isOver && now === null ? null : value), timeless(now)), `${name} is carried out as shown`, [args, value, now]);
        }
    }

    /** Something goes wrong, or merely happens. */
    strike() {
        const device = pick(this, this.devices);
        const tab = pick(this, device.tabs.filter((it) => it.alive));
        const blow = Math.floor(this.random() * 9);
        if (blow === 0) for (const socket of [...this.sockets]) socket.cut();
        if (blow === 1) this.server.purge();
        if (blow === 2) {
            this.server.epoch += 1;
            for (const socket of [...this.sockets]) socket.cut();
        }
        if (blow === 3) {
            const hat = this.server.value("items", "hat");
            const now = { ...hat, cost_coins: pick(this, [10, 12]), available: this.chance(0.8) };
            this.server.write([["items", "hat", now]], { shared: true });
        }
        if (blow === 4) this.server.write([["settings", pick(this, KEYS), { n: this.order }]], {});
        if (blow === 5 && tab !== undefined) tab.crash();
        if (blow === 6 && tab !== undefined) tab.happen({ type: pick(this, ["wake", "hidden", "unplugged", "jumped"]) });
        if (blow === 6 && tab !== undefined && this.chance(0.3)) tab.happen({ type: "holds", holds: this.chance(0.5) });
        if (blow === 7) device.open();
        if (blow === 8 && this.devices.length < 4) this.devices.push(new Device(this, device.name, device.store));
    }

    heal() {
        this.healed = true;
        for (const device of this.devices) {
            if (!device.tabs.some((it) => it.alive)) device.open();
            for (const tab of device.tabs) if (tab.alive) tab.happen({ type: "wake" });
        }
    }

    settled() {
        const cursor = this.server.cursor();
        return this.devices.every((device) => device.writes === 0 && device.tabs.every((tab) => !tab.alive
            || (tab.state.cursor === cursor && tab.state.entries.length === 0 && tab.state.persisting.length === 0)));
    }

    judge() {
        const { server } = this;
        const right = server.at(server.cursor());
        for (const device of this.devices) {
            expect(device.store.entries.length === 0, `${device.label}: the store's queue is empty`, device.store.entries);
            for (const tab of device.tabs.filter((it) => it.alive)) {
                expect(waiting(tab.state).length === 0, `${tab.label}: nothing waits`, tab.state.entries);
                expect(tab.state.entries.length === 0 && tab.state.overlay.size === 0, `${tab.label}: nothing is shown over`);
                expect(textOfReplica(tab.state.documents.values()) === right, `${tab.label}: holds what the server holds`);
                for (const it of tab.state.documents.values()) {
                    const shown = read(tab.state, it.collection, it.id) ?? null;
                    expect(JSON.stringify(shown) === JSON.stringify(it.value), `${tab.label}: shows what it holds`);
                }
                expect([...tab.waiting].every((id) => !this.made.get(id).stored), `${tab.label}: every promise was kept`,
                    [...tab.waiting]);
            }
        }
        for (const [id, { stored, malformed }] of this.made) {
            if (malformed) expect(!server.done.has(this.latest(id)), `change ${id}, which nobody can read, has not happened`);
            else if (stored) expect(server.done.has(this.latest(id)), `change ${id} has happened`);
        }
        for (const [id, result] of server.done) {
            expect(this.made.has(id) || [...this.renamed.values()].includes(id), `the server knows no id of its own: ${id}`, result);
        }
        const wallet = server.documents.get("wallet\ncoins").value;
        expect(wallet.spent_coins === server.spent && wallet.total_coins >= 0, "every coin was spent once");
        for (const device of this.devices) this.judgeOrder(device);
    }

    /** What was done in one tab reached the server in that order. */
    judgeOrder(device) {
        if (device.copied) return;
        const arrived = server_order(this, device);
        for (const tab of new Set(device.store.placed.map((it) => it.tab))) {
            const own = device.store.placed.filter((it) => it.tab === tab).map((it) => it.id);
            const places = arrived.map((id) => own.indexOf(id)).filter((place) => place >= 0);
            expect(places.every((place, at) => at === 0 || places[at - 1] < place), `${tab}: kept its order`, places);
        }
    }

    latest(id) {
        return this.renamed.has(id) ? this.latest(this.renamed.get(id)) : id;
    }
}

function server_order(world, device) {
    return world.server.order.get(device.name) ?? [];
}

/** One browser: a store, and tabs that share it. */
class Device {
    tabs = [];
    writes = 0;
    count = 0;

    constructor(world, name, copyOf = null) {
        this.world = world;
        this.name = name;
        this.copied = copyOf !== null;
        this.label = `${name}${this.copied ? " (a copy)" : ""}`;
        this.store = copyOf !== null ? structuredClone(copyOf) : {
            cursor: null, documents: new Map(), entries: [], seq: 0, forked: false, placed: [],
        };
        // Both go by the same name from now on, so what each of them keeps in order can no longer be told apart.
        if (this.copied) for (const device of world.devices) if (device.name === name) device.copied = true;
        this.realtime = world.chance(0.6);
        this.holds = world.chance(0.7);
        this.open();
        if (world.chance(0.3)) this.open();
    }

    open() {
        this.tabs = this.tabs.filter((it) => it.alive);
        if (this.tabs.length < 3) this.tabs.push(new Tab(this, this.count++));
    }

    /** A write to the store, done a moment later and in order; a crash of its tab before that undoes it. */
    write(tab, act) {
        this.writes += 1;
        this.world.after(this.world.random() * 4, () => {
            this.writes -= 1;
            if (tab.alive) tab.writing.shift()();
        });
        tab.writing.push(act);
    }

    /** The lead passes to the tab that has waited longest. */
    elect() {
        this.world.after(1, () => {
            if (this.tabs.some((it) => it.alive && it.leads)) return;
            this.tabs.find((it) => it.alive && it.joined)?.lead();
        });
    }
}

class Tab {
    alive = true;
    leads = false;
    joined = false;
    state = initial();
    timers = new Map();
    writing = [];
    waiting = new Set();
    /** @type {Socket | null} */
    socket = null;
    said = 0;

    constructor(device, number) {
        this.device = device;
        this.world = device.world;
        this.label = `${device.label}, tab ${number}`;
        this.offset = this.world.random() * 1e6;
        this.load();
        this.world.after(1, () => {
            if (!this.alive) return;
            this.joined = true;
            if (device.tabs.some((it) => it !== this && it.alive && it.leads)) this.happen({ type: "follow" });
            device.elect();
        });
    }

    load() {
        const { store, name } = this.device;
        this.happen({
            type: "loaded", account: "user", device: name, forked: store.forked, cursor: store.cursor, ahead: null,
            documents: [...store.documents.values()], entries: [...store.entries], known: this.state.known,
        });
    }

    lead() {
        this.leads = true;
        this.load();
        this.happen({ type: "lead", realtime: this.device.realtime, visible: true, holds: this.device.holds });
    }

    crash() {
        this.alive = false;
        this.leads = false;
        this.socket?.gone();
        this.device.elect();
    }

    mutate(name, args) {
        const id = `m${this.world.made_count++}`;
        this.world.made.set(id, { stored: false, malformed: args.value === "malformed" });
        this.waiting.add(id);
        this.happen({ type: "mutate", id, name, args, made: this.world.now, room: this.world.chance(0.8) });
        const { entries, cursor } = this.state;
        if (entries.length === 1 && entries[0].mutation.id === id) {
            this.world.shown.set(id, { cursor, effects: entries[0].effects });
        }
    }

    happen(event) {
        if (!this.alive) return;
        const results = event.message?.results ?? event.answer?.body?.results ?? [];
        const fresh = results.filter((it) => it.problem?.code === "device_forked").map(() => `m${this.world.made_count++}`);
        const { state, effects } = step(this.state, {
            ...event, now: this.world.now + this.offset, random: this.world.random(), fresh,
        });
        this.state = state;
        for (const effect of effects) this.carryOut(effect);
    }

    carryOut(effect) {
        const { device } = this;
        switch (effect.type) {
        case "persist": return this.persist(effect);
        case "save": return this.save(effect);
        case "forget": return device.write(this, () => {
            device.store.entries = device.store.entries.filter((it) => !effect.ids.includes(it.mutation.id));
        });
        case "forked": return device.write(this, () => (device.store.forked = true));
        case "renamed": return this.rename(effect);
        case "answer": return this.answer(effect.result);
        case "broadcast": return this.broadcast(effect.message);
        case "timer": return this.timer(effect);
        case "untimer": return this.timers.delete(effect.name);
        case "socket": return (this.socket = new Socket(this, effect));
        case "send": return this.socket?.number === effect.socket && this.socket.send(effect.message);
        case "hangUp": return this.socket?.number === effect.socket && this.socket.gone();
        case "request": return this.request(effect);
        case "signedOut": throw new Failure("nobody signed out", effect);
        case "abort": case "changed": case "conflicts": case "identified": return undefined;
        default: throw new Failure(`no such effect: ${effect.type}`, effect);
        }
    }

    persist({ entry, at }) {
        const { store } = this.device;
        this.device.write(this, () => {
            store.seq += 1;
            const kept = { ...entry, place: store.seq, mutation: { ...entry.mutation, ...(store.forked ? {} : { seq: store.seq }) } };
            store.entries = [...store.entries, kept];
            store.placed.push({ id: entry.mutation.id, tab: this.label });
            this.world.made.get(entry.mutation.id).stored = true;
            this.happen({ type: "persisted", entry: kept, at });
        });
    }

    save({ cursor, reset, documents }) {
        const { server } = this.world;
        const held = textOfReplica(this.state.documents.values());
        if (cursor.startsWith(`${server.epoch}.`)) {
            expect(held === server.at(cursor), `${this.label} holds at ${cursor} what the server held there`, held);
        }
        const { store } = this.device;
        this.device.write(this, () => {
            if (reset) store.documents = new Map();
            for (const it of documents) store.documents.set(`${it.collection}\n${it.id}`, it);
            store.cursor = cursor;
        });
    }

    rename({ from, to }) {
        this.world.renamed.set(from, to);
        if (this.waiting.delete(from)) this.waiting.add(to);
        this.world.made.set(to, this.world.made.get(from));
        const { store } = this.device;
        this.device.write(this, () => {
            store.entries = store.entries.map((it) => {
                const { seq: _, ...rest } = it.mutation;
                return it.mutation.id === from ? { ...it, mutation: { ...rest, id: to } } : it;
            });
        });
    }

    answer(result) {
        if (!this.waiting.delete(result.id)) return;
        if (result.problem?.status === 0) return;
        if (result.problem?.code === "malformed") {
            return expect(this.world.made.get(result.id).malformed, `${this.label}: only what is malformed is passed over`, result);
        }
        const final = this.world.server.done.get(result.id);
        expect(final?.status === result.status, `${this.label}: the promise says what the server said`, [final, result]);
    }

    /** To the other tabs: in order, never lost. */
    broadcast(message) {
        const copy = structuredClone(message);
        const time = Math.max(this.said, this.world.now + this.world.random() * 5);
        this.said = time + 0.001;
        for (const tab of this.device.tabs) {
            if (tab !== this) this.world.after(time - this.world.now, () => tab.happen({ type: "heard", message: copy }));
        }
    }

    timer({ name, milliseconds }) {
        const mark = {};
        this.timers.set(name, mark);
        this.world.after(milliseconds, () => {
            if (this.timers.get(name) !== mark) return;
            this.timers.delete(name);
            this.happen({ type: "timer", name });
        });
    }

    request({ request, asking, cursor, mutations = [], wait }) {
        const { world } = this;
        if (asking === "hold") return this.hold(request, cursor, wait);
        const fail = () => this.happen({ type: "failed", request });
        if (world.lost()) return world.after(200 + world.random() * 10_000, fail);
        const sent = structuredClone(mutations);
        world.after(world.way(), () => {
            const answer = this.serve(asking, cursor, sent);
            // A proxy that thought its first attempt was lost.
            if (!world.healed && world.chance(0.05)) world.after(world.way(), () => this.serve(asking, cursor, sent));
            if (world.lost()) return world.after(200 + world.random() * 10_000, fail);
            world.after(world.way(), () => this.happen({ type: "answered", request, answer: structuredClone(answer) }));
        });
    }

    /** A question that the server holds until something changes, and that what stands between may cut. */
    hold(request, cursor, wait) {
        const { world } = this;
        if (world.lost()) return world.after(200 + world.random() * 10_000, () => this.happen({ type: "failed", request }));
        world.after(world.way(), () => {
            const end = () => {
                if (!world.server.listeners.delete(end)) return;
                const answer = this.serve("pull", cursor, []);
                if (world.lost()) return world.after(200, () => this.happen({ type: "failed", request }));
                world.after(world.way(), () => this.happen({ type: "answered", request, answer: structuredClone(answer) }));
            };
            world.server.listeners.add(end);
            if (world.server.cursor() !== cursor) end();
            const patience = wait * 1000;
            if (world.healed || patience < world.trouble.longest) return world.after(patience, end);
            world.after(world.trouble.longest, () => {
                if (!world.server.listeners.delete(end)) return;
                if (world.chance(0.5)) return this.happen({ type: "failed", request });
                const answer = { status: 504, body: undefined, pollAfter: null, retryAfter: null, serverTime: null };
                this.happen({ type: "answered", request, answer });
            });
        });
    }

    serve(asking, cursor, mutations) {
        const { server } = this.world;
        const answer = (status, body) => ({ status, body, pollAfter: 30_000, retryAfter: null, serverTime: null });
        if (!this.world.healed && this.world.chance(0.05)) {
            return answer(this.world.chance(0.5) ? 503 : 429, { code: "unavailable" });
        }
        if (!this.world.healed && this.world.chance(0.03)) return answer(200, undefined);
        if (asking === "identify") return answer(200, { user: { id: "user" }, device: { id: this.device.name } });
        if (mutations.some(isMalformed)) return answer(422, MALFORMED);
        const most = !this.world.healed && this.world.chance(0.1) ? Math.floor(this.world.random() * 3) : Infinity;
        const results = server.push(this.device.name, mutations, most);
        const pull = server.pull(cursor);
        if (asking === "pull" && !pull.reset && pull.cursor === cursor) return answer(304, undefined);
        return answer(200, { results, ...pull, poll_after_ms: 5_000 });
    }
}

/** A socket's two ends, and what lies between them: in order, until it is cut. */
class Socket {
    open = true;
    cursor = null;
    owes = false;
    times = { up: 0, down: 0 };

    constructor(tab, { socket, cursor }) {
        this.tab = tab;
        this.world = tab.world;
        this.number = socket;
        if (this.world.lost()) return void this.world.after(this.world.random() * 3_000, () => this.cut());
        this.pass("up", () => {
            this.world.sockets.add(this);
            this.say({ type: "welcome", device_id: tab.device.name, heartbeat_seconds: 25 });
            this.pull(cursor);
        });
    }

    /** From the browser. */
    send(message) {
        const copy = structuredClone(message);
        this.pass("up", () => this.receive(copy));
    }

    /** The browser hung up, or is gone. */
    gone() {
        this.open = false;
        this.world.sockets.delete(this);
    }

    /** The network did: the browser hears of it, or notices by itself. */
    cut() {
        if (!this.open) return;
        this.gone();
        if (this.world.chance(0.7)) this.world.after(this.world.way(), () => this.tab.happen({ type: "closed", socket: this.number }));
    }

    pass(direction, act) {
        if (!this.open) return;
        if (!this.world.healed && this.world.chance(this.world.trouble.cut * 0.2)) return this.cut();
        const time = Math.max(this.times[direction], this.world.now + this.world.way());
        this.times[direction] = time + 0.001;
        this.world.after(time - this.world.now, () => this.open && act());
    }

    say(message) {
        const copy = structuredClone(message);
        this.pass("down", () => this.tab.happen({ type: "message", socket: this.number, message: copy }));
    }

    receive(message) {
        const { server } = this.world;
        switch (message.type) {
        case "ping": return this.say({ type: "pong", t: message.t });
        case "sync": return this.pull(message.cursor ?? null);
        case "push": {
            if (!this.world.healed && this.world.chance(0.05)) {
                return this.say({ type: "error", problem: { status: 503, code: "unavailable" } });
            }
            if (message.mutations.some(isMalformed)) return this.say({ type: "error", problem: MALFORMED });
            const most = !this.world.healed && this.world.chance(0.1) ? Math.floor(this.world.random() * 3) : Infinity;
            const results = server.push(this.tab.device.name, message.mutations, most);
            // The changes that carry the effects come first.
            if (this.owes) this.pull(this.cursor);
            return this.say({ type: "pushed", results });
        }
        default: throw new Failure("no such message", message);
        }
    }

    pull(cursor) {
        const change = this.world.server.pull(cursor);
        this.cursor = change.cursor;
        this.owes = false;
        this.say({ type: "changes", mutation_ids: [], ...change });
    }

    changed({ documents, shared, mutation }) {
        if (this.cursor === null) return;
        // It cannot be written to just now, or what is shared is merged: one change for several, a moment later.
        if (this.owes || shared || this.world.chance(0.2)) {
            if (!this.owes) this.world.after(this.world.random() * 100, () => this.owes && this.open && this.pull(this.cursor));
            this.owes = true;
            return;
        }
        const previous = this.cursor;
        this.cursor = this.world.server.cursor();
        this.say({
            type: "changes", previous, cursor: this.cursor, reset: false, documents,
            mutation_ids: mutation === undefined ? [] : [mutation],
        });
    }
}

const MALFORMED = { status: 422, code: "malformed", detail: "" };

/** Whether the server refuses the whole push that holds this one. */
function isMalformed({ args }) {
    return args.value === "malformed";
}

class Failure extends Error {
    constructor(what, seen) {
        super(`${what}${seen === undefined ? "" : `: ${JSON.stringify(seen)}`}`);
    }
}

function expect(holds, what, seen) {
    if (!holds) throw new Failure(`not so: ${what}`, seen);
}

function pick(world, list) {
    return list[Math.floor(world.random() * list.length)];
}

/** Mulberry32: the same numbers for the same seed. */
function generator(seed) {
    let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

const before = (one, other) => one[0] < other[0] || (one[0] === other[0] && one[1] < other[1]);

function push(heap, entry) {
    let at = heap.push(entry) - 1;
    while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!before(heap[at], heap[parent])) break;
        [heap[at], heap[parent]] = [heap[parent], heap[at]];
        at = parent;
    }
}

function pop(heap) {
    const top = heap[0];
    const last = heap.pop();
    if (heap.length > 0) {
        heap[0] = last;
        for (let at = 0; ;) {
            const child = [2 * at + 1, 2 * at + 2].filter((it) => it < heap.length)
                .sort((one, other) => (before(heap[one], heap[other]) ? -1 : 1))[0];
            if (child === undefined || !before(heap[child], heap[at])) break;
            [heap[at], heap[child]] = [heap[child], heap[at]];
            at = child;
        }
    }
    return top;
}

const [first, count] = process.argv.slice(2).map(Number);
const totals = { schedules: 0, changes: 0, conflicts: 0, rejected: 0, renamed: 0, events: 0 };
for (let seed = first; seed < first + count; seed += 1) {
    const world = new World(seed);
    try {
        world.run();
    } catch (failure) {
        console.error(`schedule ${seed}, at ${Math.round(world.now)} ms: ${failure.stack}`);
        console.error(`again: node Tests/WebTests/simulation.mjs ${seed} 1`);
        process.exit(1);
    }
    totals.schedules += 1;
    totals.changes += world.server.done.size;
    totals.conflicts += world.server.conflicts;
    totals.rejected += [...world.server.done.values()].filter((it) => it.status === "rejected").length;
    totals.renamed += world.renamed.size;
    totals.events += world.order;
}
console.log(JSON.stringify(totals));
