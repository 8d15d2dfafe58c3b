// Carries out what the machine asks for: the one place where a clock, chance, timers, the network, the store and the
// other tabs come together. It decides nothing.

import { initial } from "../sync/machine.js";
import { refusal } from "../sync/queue.js";
import { waiting } from "../sync/replica.js";
import { Conflicts } from "./conflicts.js";
import { Early } from "./early.js";
import { Persister } from "./persister.js";
import { Loading } from "./loading.js";
import { browser, isHidden, onLook, onWindow } from "./page.js";
import { Promises } from "./promises.js";
import { Room } from "./room.js";
import { askToStay, inTime } from "./store.js";
import { Tabs } from "./tabs.js";
import { Transport } from "./transport.js";
import { safeStep } from "./safe-step.js";

/** @typedef {import("../sync/types.js").Effect} Effect */
/** @typedef {import("../sync/types.js").Event} Event */
/** @typedef {import("../sync/types.js").Happening} Happening */
/**
 * @template {{type: string}} Union
 * @template {Union["type"]} Type
 * @typedef {import("../sync/types.js").Of<Union, Type>} Of
 */
/** @typedef {import("./persister.js").Persisting} Persisting */
/** @typedef {import("../sync/types.js").Result} Result */
/** @typedef {import("../sync/types.js").State} State */
/** @typedef {import("./saving.js").Saving} Saving */
/** @typedef {import("./store.js").Store} Store */

// Between two looks at both clocks: more than this apart, and one of them stood still or was set.
const JUMP_MS = 1_000;
// How often they are looked at where nothing happens.
const LOOK_MS = 5_000;
// Beyond this a browser takes a time for none, and the timer rings at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;
// The end of a session waits so long for the store to forget what it showed.
const CLEARING_MS = 150;

export class Shell {
    /** @type {State} */
    state = initial();
    #how;
    /** @type {Store | null} */
    #store = null;
    /** @type {Loading | null} */
    #loading = null;
    #tabs;
    #transport;
    /** @type {Event[]} */
    #events = [];
    #stepping = false;
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    #timers = new Map();
    #promises = new Promises();
    #early = new Early((id) => {
        this.#refuse(id, "unknown_user");
        this.#how.changed();
    });
    /**
     * Why nothing is done any more.
     * @type {"closed" | "signed_out" | null}
     */
    #ended = null;
    /** How often the lead was won or lost. */
    #leads = 0;
    #difference = Date.now() - performance.now();
    /** Whether the browser was asked to keep what is stored. */
    #hasAsked = false;
    #stop = new AbortController();
    /** @type {Persister | null} */
    #persister = null;
    /** @type {Room | null} */
    #room = null;

    /**
     * @param {object} how
     * @param {string} how.url
     * @param {string} how.name  of the store and of the tabs' channel
     * @param {boolean} how.realtime
     * @param {Saving} how.saving
     * @param {(lost: () => void) => Store} how.openStore
     * @param {() => void} how.changed
     * @param {() => void} how.signedOut
     */
    constructor(how) {
        this.#how = how;
        this.#transport = new Transport(how.url, (event) => this.happen(event));
        this.#tabs = new Tabs(how.name, {
            lead: () => void this.#lead(),
            follow: () => {
                this.#leads += 1;
                this.happen({ type: "follow" });
            },
            heard: (message, age) => this.happen({ type: "heard", message, age }),
            seen: () => this.happen({ type: "wake" }),
            unseen: () => this.happen({ type: "hidden" }),
            signedIn: () => this.happen({ type: "signedIn" }),
            signedOut: () => this.happen({ type: "heard", message: { type: "signedOut" } }),
        });
        this.conflicts = new Conflicts({
            call: (method, path, patience) => this.#transport.call(method, path, patience), known: () => this.state.conflicts,
            changed: (conflicts) => this.happen({ type: "conflicts", conflicts }),
            dismissals: (change) => this.#dismissals(change),
        });
    }

    /** @returns {"indexeddb" | "full" | "memory"} */
    get storage() {
        return this.#persister?.full ? "full" : this.#store?.kind ?? "indexeddb";
    }

    /**
     * Whether the server may hold questions. Without locks every tab asks: those that nobody sees would take all the
     * connections that a browser opens to one server.
     */
    get #holds() {
        return !this.#how.saving.now && (browser()?.locks !== undefined || !isHidden());
    }

    /** How many changes wait to learn whose they are. */
    get early() {
        return this.#early.count;
    }

    /** Why nothing is done any more; null while it is. */
    get ended() {
        return this.#ended;
    }

    get stopped() {
        return this.#stop.signal.aborted;
    }

    async start() {
        this.#tabs.open();
        const store = this.#how.openStore(() => queueMicrotask(() => this.#how.changed()));
        this.#store = store;
        this.#room = new Room(store);
        this.#persister = new Persister({
            store, room: this.#room, online: () => this.state.connection.is !== "offline",
            persisted: (effect, entry) => this.#persisted(effect, entry), notPersisted: (effect) => this.#notPersisted(effect),
            changed: () => this.#how.changed(),
        });
        this.#loading = new Loading(store, () => this.state, (event) => this.happen(event));
        await this.#loading.begin();
        if (this.stopped) return;
        const signal = this.#stop.signal;
        onWindow("online", () => this.happen({ type: "wake" }), signal);
        onWindow("offline", () => this.happen({ type: "unplugged" }), signal);
        onWindow("pageshow", (event) => event.persisted && this.happen({ type: "wake" }), signal);
        const looking = setInterval(() => this.#lookAtClocks(), LOOK_MS);
        signal.addEventListener("abort", () => clearInterval(looking));
        const follow = () => this.happen({ type: "holds", holds: this.#holds });
        this.#how.saving.follow(follow, signal);
        onLook(follow, signal);
        this.#tabs.join();
    }

    /** @param {"closed" | "signed_out"} [why] */
    stop(why = "closed") {
        if (this.stopped) return;
        this.#ended = why;
        this.happen({ type: "stop" });
        this.#stop.abort();
        this.#transport.close();
        for (const timer of this.#timers.values()) clearTimeout(timer);
        this.#tabs.close();
        for (const { id } of this.#early.end()) this.#refuse(id, why);
        // What the store has is sent the next time; what only this page had, and did not send, is not.
        for (const { mutation: { id }, own, sent } of waiting(this.state)) {
            if (own && !sent && this.#persister?.inMemoryOnly(id)) this.#refuse(id, why);
        }
    }

    /**
     * The session ended: what this browser showed of it is forgotten, what waits is kept for its user.
     * @param {() => void} then
     */
    async leave(then) {
        const { account } = this.state;
        this.stop("signed_out");
        const cleared = account === null ? Promise.resolve() : this.#store?.clear(account) ?? Promise.resolve();
        await inTime(cleared.catch(() => undefined), CLEARING_MS, undefined);
        then();
    }

    /**
     * @param {{id: string, name: string, args: Record<string, any>, hint?: any}} change
     * @returns {{result: Promise<Result>, persisted: Promise<boolean>}} persisted: it waits to be sent; false: it was refused here
     */
    mutate(change) {
        /** @type {Of<Happening, "mutate">} */
        const event = { type: "mutate", made: this.serverNow(), room: this.#room?.enough ?? false, ...change };
        const promises = this.#promises.of(change.id);
        if (this.#ended !== null) {
            this.#refuse(change.id, this.#ended);
        } else if (this.#early.defer(event)) {
            this.#how.changed();
            this.#early.judge(this.state.connection.is === "offline");
        } else {
            this.happen(event);
        }
        return promises;
    }

    serverNow() {
        this.#lookAtClocks();
        const { ahead } = this.state;
        return ahead === null ? Date.now() : performance.now() + ahead;
    }

    /**
     * One event after the other: what an effect brings about at once waits for the step to be through.
     * @param {Event} event
     */
    happen(event) {
        if (this.stopped) return;
        this.#noticeJump();
        this.#events.push(event);
        this.#stepAll();
    }

    /** The stopwatch stands still while the device sleeps, its clock goes on: their difference is how long it slept. */
    #noticeJump() {
        const difference = Date.now() - performance.now();
        const by = difference - this.#difference;
        this.#difference = difference;
        if (Math.abs(by) <= JUMP_MS) return false;
        this.#events.push({ type: "jumped", by });
        return true;
    }

    #lookAtClocks() {
        if (!this.stopped && this.#noticeJump()) this.#stepAll();
    }

    #stepAll() {
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
        const { state, effects, next } = safeStep(this.state, event);
        this.state = state;
        for (const effect of effects) this.#carryOut(effect);
        this.#events.push(...next);
        if (state.account !== null) this.#events.push(...this.#early.end());
        else this.#early.judge(state.connection.is === "offline");
    }

    /** @param {Effect} effect */
    #carryOut(effect) {
        switch (effect.type) {
        case "socket": return this.#open(effect);
        case "send": return this.#transport.send(effect.socket, effect.message);
        case "hangUp": return this.#transport.hangUp(effect.socket);
        case "request": return void this.#transport.ask(effect);
        case "abort": return this.#transport.abort();
        case "timer": return this.#setTimer(effect.name, effect.milliseconds);
        case "untimer": return clearTimeout(this.#timers.get(effect.name));
        case "broadcast": return this.#tabs.broadcast(effect.message);
        case "answer": return this.#promises.answer(effect.result);
        case "renamed": return this.#rename(effect.from, effect.to);
        case "changed": return this.#how.changed();
        case "signedOut": return this.#how.signedOut();
        case "tookBack": return void this.conflicts.dismiss(effect.conflict);
        case "conflicts": return void (this.state.role === "none" || this.conflicts.fetch());
        case "identified": return void this.#identified(effect);
        case "persist": return this.#persist(effect);
        case "save": return void this.#write((store, account) => store.save(account, {
            cursor: effect.cursor, reset: effect.reset, documents: effect.documents, skew: this.serverNow() - Date.now(),
        }));
        case "forget":
            this.#persister?.forget(effect.ids);
            return void this.#write((store, account) => store.forget(account, effect.ids));
        case "forked": return void this.#write((store, account) => store.fork(account));
        default: return unknown(effect);
        }
    }

    /** @param {Of<Effect, "persist">} effect */
    #persist(effect) {
        if (!this.#hasAsked) void askToStay();
        this.#hasAsked = true;
        const { account } = this.state;
        if (account !== null) void this.#persister?.persist({ ...effect, account });
        else this.happen({ type: "notPersisted", id: effect.entry.mutation.id, code: "unknown_user" });
    }

    /**
     * What else the store is asked for. A replica that could not be saved is pulled again.
     * @param {(store: Store, account: string) => Promise<unknown>} act
     */
    async #write(act) {
        const { account } = this.state;
        if (this.#store === null || account === null) return;
        try {
            await act(this.#store, account);
        } catch (error) {
            console.warn("lockstep: the store refused a write; nothing is lost while the page is open", error);
        }
    }

    /** @param {import("./store.js").Dismissals} change */
    async #dismissals(change) {
        const { account } = this.state;
        return account === null ? [] : await this.#store?.dismissals(account, change).catch(() => []) ?? [];
    }

    /**
     * A browser may know no sockets, or forbid this one: that is one that failed.
     * @param {Of<Effect, "socket">} effect
     */
    #open({ socket, cursor }) {
        try {
            this.#transport.open(socket, cursor);
        } catch {
            this.happen({ type: "closed", socket });
        }
    }

    /** @param {Persisting} effect @param {import("../sync/types.js").StoredEntry} entry */
    #persisted(effect, entry) {
        const { id } = entry.mutation;
        this.#promises.persisted(id);
        const others = effect.account !== this.state.account;
        if ((this.#ended !== null || others) && this.#persister?.inMemoryOnly(id)) this.#refuse(id, this.#ended ?? "signed_out");
        // It waits in the store for whoever made it.
        if (!others) this.happen({ type: "persisted", entry, at: effect.at });
    }

    /** @param {Persisting} effect */
    #notPersisted(effect) {
        const { id } = effect.entry.mutation;
        if (this.#ended !== null) this.#refuse(id, this.#ended);
        this.happen({ type: "notPersisted", id, code: "storage_full" });
    }

    async #lead() {
        // What a leader before had in its queue, and whatever another tab put there.
        const { account, known } = this.state;
        this.#leads += 1;
        const lead = this.#leads;
        if (account !== null) await this.#loading?.load(account, known, () => this.state.account === account);
        // The lead may have been taken away meanwhile.
        if (lead !== this.#leads) return;
        const { realtime } = this.#how;
        this.happen({ type: "lead", realtime, visible: this.#tabs.visible, holds: this.#holds });
    }

    /** @param {Of<Effect, "identified">} who */
    async #identified({ account, device, email }) {
        // Before what is loaded, and not waited for.
        void this.#store?.remember({ account, device, email }).catch(() => undefined);
        if (account !== this.state.account) await this.#loading?.load(account, true);
    }

    /** @param {import("../sync/types.js").TimerName} name @param {number} milliseconds */
    #setTimer(name, milliseconds) {
        clearTimeout(this.#timers.get(name));
        const wait = Math.min(milliseconds, LONGEST_TIMER_MS);
        this.#timers.set(name, setTimeout(() => this.happen({ type: "timer", name }), wait));
    }

    /** @param {string} id @param {"closed" | "signed_out" | "unknown_user"} code */
    #refuse(id, code) {
        this.#promises.answer(refusal(id, code));
    }

    /** @param {string} from @param {string} to */
    #rename(from, to) {
        this.#promises.rename(from, to);
        if (this.state.account !== null) void this.#store?.rename(this.state.account, from, to).catch(() => undefined);
    }
}

/**
 * An effect that this shell has never heard of: the type checker sees to it that there is none.
 * @param {never} effect
 */
function unknown(effect) {
    console.warn("lockstep: the machine asks for what nobody knows", effect);
}
