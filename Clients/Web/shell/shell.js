// Carries out what the machine asks for: the one place where a clock, chance, timers, the network, the store and the
// other tabs come together. It decides nothing.

import { initial, step } from "../sync/machine.js";
import { makeId } from "./ids.js";
import { Room } from "./room.js";
import { Tabs } from "./tabs.js";
import { Transport } from "./transport.js";

/** @typedef {import("../sync/types.js").Effect} Effect */
/** @typedef {import("../sync/types.js").Event} Event */
/** @typedef {import("../sync/types.js").Result} Result */
/** @typedef {import("../sync/types.js").State} State */
/** @typedef {import("../sync/types.js").Kept} Kept */
/** @typedef {import("./store.js").Store} Store */

// Between two looks at both clocks: more than this apart, and one of them stood still or was set.
const JUMP_MS = 2_000;

export class Shell {
    /** @type {State} */
    state = initial();
    #how;
    /** @type {Store | null} */
    #store = null;
    #tabs;
    #transport;
    /** @type {Event[]} */
    #events = [];
    #stepping = false;
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    #timers = new Map();
    /**
     * Who waits for a mutation's result.
     * @type {Map<string, (result: Result) => void>}
     */
    #waiting = new Map();
    /**
     * Changes that were made before it was known whose they are.
     * @type {Event[] | null}
     */
    #early = [];
    #difference = Date.now() - performance.now();
    #stop = new AbortController();
    /**
     * Conflicts that were dismissed here, whether or not the server knows.
     * @type {Set<string>}
     */
    #dismissed = new Set();
    #fetching = false;
    #fetchAgain = false;
    /**
     * What is on its way into the store.
     * @type {Effect[]}
     */
    #bringing = [];
    /** @type {Room | null} */
    #room = null;

    /**
     * @param {object} how
     * @param {string} how.url
     * @param {string} how.name  of the store and of the tabs' channel
     * @param {boolean} how.realtime
     * @param {() => Promise<Store>} how.openStore
     * @param {() => void} how.changed
     * @param {() => void} how.signedOut
     */
    constructor(how) {
        this.#how = how;
        this.#transport = new Transport(how.url, (event) => this.happen(event));
        this.#tabs = new Tabs(how.name, {
            lead: () => void this.#lead(),
            follow: () => this.happen({ type: "follow" }),
            heard: (message) => this.happen({ type: "heard", message }),
            seen: () => this.happen({ type: "wake" }),
            unseen: () => this.happen({ type: "hidden" }),
            signedIn: () => this.happen({ type: "signedIn" }),
        });
    }

    get storage() {
        return this.#store?.kind ?? "indexeddb";
    }

    /** How many changes wait to learn whose they are. */
    get early() {
        return this.#early?.length ?? 0;
    }

    get stopped() {
        return this.#stop.signal.aborted;
    }

    async start() {
        this.#tabs.open();
        this.#store = await this.#how.openStore();
        this.#room = new Room(this.#store);
        const last = await this.#store.last().catch(() => null);
        if (last !== null) await this.#load(last, false);
        if (this.stopped) return;
        const signal = this.#stop.signal;
        addEventListener("online", () => this.happen({ type: "wake" }), { signal });
        addEventListener("offline", () => this.happen({ type: "unplugged" }), { signal });
        addEventListener("pageshow", (event) => event.persisted && this.happen({ type: "wake" }), { signal });
        this.#tabs.join();
    }

    stop() {
        if (this.stopped) return;
        this.happen({ type: "stop" });
        this.#stop.abort();
        for (const timer of this.#timers.values()) clearTimeout(timer);
        this.#tabs.close();
    }

    /**
     * @param {{id: string, name: string, args: Record<string, any>, hint?: any}} change
     * @returns {Promise<Result>}
     */
    mutate(change) {
        const event = { type: "mutate", made: this.serverNow(), room: this.#room?.enough ?? false, ...change };
        const result = new Promise((/** @type {(result: Result) => void} */ resolve) => {
            this.#waiting.set(change.id, resolve);
        });
        if (this.#early === null) {
            this.happen(event);
        } else {
            this.#early.push(event);
            this.#how.changed();
        }
        return result;
    }

    serverNow() {
        const { ahead } = this.state;
        return ahead === null ? Date.now() : performance.now() + ahead;
    }

    /** @param {string} id  of a conflict */
    async dismiss(id) {
        this.#dismissed.add(id);
        this.#tell(this.state.conflicts.filter((it) => it.id !== id));
        await this.#fetchConflicts();
    }

    /**
     * One event after the other: what an effect brings about at once waits for the step to be through.
     * @param {Event} event
     */
    happen(event) {
        if (this.stopped) return;
        const difference = Date.now() - performance.now();
        if (Math.abs(difference - this.#difference) > JUMP_MS) this.#events.push({ type: "jumped" });
        this.#difference = difference;
        this.#events.push(event);
        if (this.#stepping) return;
        this.#stepping = true;
        try {
            for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next);
        } finally {
            this.#stepping = false;
        }
    }

    /** @param {Event} event */
    #step(event) {
        const { state, effects } = step(this.state, {
            ...event, now: performance.now(), random: Math.random(), fresh: freshFor(event),
        });
        this.state = state;
        for (const effect of effects) this.#carryOut(effect);
        if (this.#early !== null && state.account !== null) {
            const early = this.#early;
            this.#early = null;
            this.#events.push(...early);
        }
    }

    /** @param {Effect} effect */
    #carryOut(effect) {
        switch (effect.type) {
        case "socket": return this.#transport.open(effect.socket, effect.cursor);
        case "send": return this.#transport.send(effect.socket, effect.message);
        case "hangUp": return this.#transport.hangUp(effect.socket);
        case "request": return void this.#transport.ask(effect);
        case "abort": return this.#transport.abort();
        case "timer": return this.#setTimer(effect.name, effect.milliseconds);
        case "untimer": return clearTimeout(this.#timers.get(effect.name));
        case "tell": return this.#tabs.tell(effect.message);
        case "answer": return this.#answer(effect.result);
        case "renamed": return this.#rename(effect.from, effect.to);
        case "changed": return this.#how.changed();
        case "signedOut": return this.#how.signedOut();
        case "conflicts": return void this.#fetchConflicts();
        case "identified": return void this.#identified(effect);
        case "keep": return void this.#bring(effect);
        default: return void this.#keep(effect);
        }
    }

    /**
     * What else the store is asked for. A replica that could not be saved is pulled again.
     * @param {Effect} effect
     */
    async #keep(effect) {
        const { account } = this.state;
        if (this.#store === null || account === null) return;
        try {
            switch (effect.type) {
            case "save":
                await this.#store.save(account, {
                    cursor: effect.cursor, reset: effect.reset, documents: effect.documents,
                    skew: this.serverNow() - Date.now(),
                });
                break;
            case "forget": await this.#store.forget(account, effect.ids); break;
            case "forked": await this.#store.fork(account); break;
            }
        } catch (error) {
            console.warn("lockstep: the store refused a write; nothing is lost while the page is open", error);
        }
    }

    /**
     * Brings what the user did into the store: all that has gathered in one write, and one write after the other, so that
     * the order holds.
     * @param {Effect} effect
     */
    async #bring(effect) {
        this.#bringing.push(effect);
        if (this.#bringing.length > 1) return;
        while (this.#bringing.length > 0) {
            const batch = this.#bringing.slice();
            for (const { effect, entry } of await this.#keepAll(batch)) {
                this.happen(entry !== null ? { type: "kept", entry, at: effect.at }
                    : { type: "notKept", id: effect.entry.mutation.id, code: "storage_full" });
            }
            this.#bringing.splice(0, batch.length);
        }
    }

    /**
     * @param {Effect[]} batch
     * @returns {Promise<Array<{effect: Effect, entry: Kept | null}>>} null: the store will not have it
     */
    async #keepAll(batch) {
        const { account } = this.state;
        const store = this.#store;
        if (store === null || account === null) return batch.map((effect) => ({ effect, entry: null }));
        this.#room?.used(JSON.stringify(batch).length);
        try {
            const kept = await store.keep(account, batch.map((effect) => effect.entry));
            return batch.map((effect, at) => ({ effect, entry: kept[at] }));
        } catch {
            await this.#room?.makeRoom();
        }
        const outcomes = [];
        for (const effect of batch) {
            const [entry] = await store.keep(account, [effect.entry]).catch(() => [null]);
            outcomes.push({ effect, entry });
        }
        return outcomes;
    }

    async #lead() {
        // What a leader before had in its queue, and whatever another tab put there.
        if (this.state.account !== null) await this.#load(this.state.account, this.state.known);
        this.happen({ type: "lead", realtime: this.#how.realtime, visible: this.#tabs.visible });
    }

    /** @param {string} account @param {boolean} known */
    async #load(account, known) {
        const stored = await this.#store?.load(account).catch(() => null)
            ?? { account, device: null, forked: false, cursor: null, skew: null, documents: [], entries: [] };
        const ahead = stored.skew === null ? null : Date.now() + stored.skew - performance.now();
        this.happen({ type: "loaded", ...stored, ahead, known });
    }

    /** @param {Effect} who */
    async #identified({ account, device, email }) {
        await this.#store?.remember({ account, device, email }).catch(() => undefined);
        if (account !== this.state.account) await this.#load(account, true);
    }

    /** @param {string} name @param {number} milliseconds */
    #setTimer(name, milliseconds) {
        clearTimeout(this.#timers.get(name));
        this.#timers.set(name, setTimeout(() => this.happen({ type: "timer", name }), milliseconds));
    }

    /** @param {Result} result */
    #answer(result) {
        this.#waiting.get(result.id)?.(result);
        this.#waiting.delete(result.id);
    }

    /** @param {string} from @param {string} to */
    #rename(from, to) {
        const waiting = this.#waiting.get(from);
        if (waiting !== undefined) this.#waiting.set(to, waiting);
        this.#waiting.delete(from);
        if (this.state.account !== null) void this.#store?.rename(this.state.account, from, to).catch(() => undefined);
    }

    /** Says what was dismissed, and asks for what is left. Offline it is left for the next time. */
    async #fetchConflicts() {
        if (this.state.role === "none") return;
        // One that is on its way may have been answered before what is asked about.
        this.#fetchAgain = true;
        if (this.#fetching) return;
        this.#fetching = true;
        try {
            while (this.#fetchAgain) {
                this.#fetchAgain = false;
                for (const id of this.#dismissed) {
                    const said = await this.#call("DELETE", `/${encodeURIComponent(id)}`);
                    if (said.ok || said.status === 404) this.#dismissed.delete(id);
                }
                const answer = await this.#call("GET", "");
                if (answer.ok) this.#tell((await answer.json()).conflicts);
            }
        } catch {
            // The next time that the server is reached.
        } finally {
            this.#fetching = false;
        }
    }

    /** @param {any[]} conflicts */
    #tell(conflicts) {
        this.happen({ type: "conflicts", conflicts: conflicts.filter((it) => !this.#dismissed.has(it.id)) });
    }

    /** @param {string} method @param {string} path */
    #call(method, path) {
        return fetch(new URL(`/api/sync/conflicts${path}`, this.#how.url), {
            method, credentials: "include", cache: "no-store", signal: this.#stop.signal,
        });
    }
}

/**
 * As many new ids as results ask for.
 * @param {Event} event
 */
function freshFor(event) {
    const results = event.message?.results ?? event.answer?.body?.results ?? [];
    return results.filter((/** @type {any} */ it) => it?.problem?.code === "device_forked").map(makeId);
}
