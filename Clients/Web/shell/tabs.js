// The tabs of one browser: one of them leads and has the network, the others follow it. The lead is a Web Lock, so it
// passes on when its tab goes; what they tell each other goes over a BroadcastChannel.

import { makeId } from "./ids.js";
import { browser, isHidden, onLook, onWindow } from "./page.js";

// While somebody looks at a tab that follows, it asks so often whether its leader lives.
const PULSE_MS = 2_500;
// A leader that is silent for so long to a word that it must answer has the lead taken from it.
const SILENCE_MS = 4_000;
// A timer that rings so late says that this tab stood still itself.
const LATE_MS = 500;
// Whether there is a lead to be had is known at once, where locks work.
const LOCK_MS = 3_000;

/**
 * @typedef {object} TabListeners
 * @property {() => void} lead
 * @property {() => void} follow
 * @property {(message: any, age: number) => void} heard  `age`: milliseconds since it was said
 * @property {() => void} seen  somebody looks at one of the tabs
 * @property {() => void} unseen  nobody looks at any
 * @property {() => void} signedIn
 * @property {() => void} signedOut
 */

// What a leader answers, if it lives.
const QUESTIONS = new Set(["queued", "behind", "wake"]);

export class Tabs {
    #name;
    #listeners;
    #me = makeId();
    /** @type {BroadcastChannel | null} */
    #channel = null;
    /**
     * Which other tabs somebody looks at.
     * @type {Set<string>}
     */
    #looked = new Set();
    #leading = false;
    /** Whether this tab waits in the row for the lead. */
    #queued = false;
    /**
     * Ends this tab's lead.
     * @type {() => void}
     */
    #release = () => undefined;
    #stop = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #silence;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    #pulse;

    /** @param {string} name @param {TabListeners} listeners */
    constructor(name, listeners) {
        this.#name = name;
        this.#listeners = listeners;
    }

    /** Hears the others from now on. */
    open() {
        this.#channel = channelOf(this.#name);
        if (this.#channel !== null) this.#channel.onmessage = ({ data }) => this.#receive(data);
    }

    /** Leads, if no other tab does; and otherwise once none does. */
    join() {
        const signal = this.#stop.signal;
        onLook(() => this.#look(!isHidden()), signal);
        onWindow("pagehide", () => this.#say({ kind: "look", visible: false }), signal);
        this.#say({ kind: "join", visible: !isHidden() });
        // Without locks (an address that is not secure) each leads itself: the server carries a mutation out once.
        if (this.#channel === null || typeof browser()?.locks?.request !== "function") return this.#lead();
        this.#pulse = setInterval(() => {
            if (!this.#leading && !isHidden()) this.#ping();
        }, PULSE_MS);
        // Where locks say nothing at all, it leads.
        setTimeout(() => {
            if (!this.#leading && !this.#queued && !this.#stop.signal.aborted) this.#lead();
        }, LOCK_MS);
        void this.#ask({ ifAvailable: true });
    }

    /** Whether somebody looks at one of the tabs. */
    get visible() {
        return !isHidden() || this.#looked.size > 0;
    }

    /** @param {any} message */
    broadcast(message) {
        // On the one clock that all tabs share, however long each of them stands still.
        this.#say({ kind: "core", message, said: Date.now() });
        if (!this.#leading && QUESTIONS.has(message.type)) this.#expect();
    }

    close() {
        this.#say({ kind: "look", visible: false });
        this.#stop.abort();
        clearTimeout(this.#silence);
        clearInterval(this.#pulse);
        this.#release();
        this.#channel?.close();
        this.#channel = null;
    }

    /** The leader owes a word. */
    #expect() {
        if (this.#silence !== undefined) return;
        const since = performance.now();
        this.#silence = setTimeout(() => {
            this.#silence = undefined;
            if (this.#leading || this.#stop.signal.aborted) return;
            // This tab itself stood still, and has not heard yet what was said meanwhile.
            if (performance.now() - since > SILENCE_MS + LATE_MS) this.#ping();
            else void this.#ask({ steal: true });
        }, SILENCE_MS);
    }

    #ping() {
        this.#say({ kind: "pulse" });
        this.#expect();
    }

    /** @param {LockOptions} how */
    async #ask(how) {
        try {
            await navigator.locks.request(this.#name, how, (lock) => {
                if (this.#stop.signal.aborted) return undefined;
                if (how.signal !== undefined) this.#queued = false;
                if (lock === null) {
                    this.#follow();
                    return undefined;
                }
                this.#lead();
                return new Promise((resolve) => (this.#release = () => resolve(undefined)));
            });
        } catch {
            if (this.#stop.signal.aborted) return;
            if (how.signal !== undefined) this.#queued = false;
            // Taken away, for this tab was silent. Or there are no locks, whatever the browser says.
            if (this.#leading) this.#follow();
            else if (how.steal === true || !this.#queued) this.#lead();
        }
    }

    #follow() {
        this.#leading = false;
        this.#listeners.follow();
        if (this.#queued) return;
        this.#queued = true;
        void this.#ask({ signal: this.#stop.signal });
    }

    #lead() {
        if (this.#leading) return;
        this.#leading = true;
        clearTimeout(this.#silence);
        this.#silence = undefined;
        this.#say({ kind: "join", visible: !isHidden() });
        this.#say({ kind: "here" });
        this.#listeners.lead();
    }

    /** @param {boolean} visible  this tab */
    #look(visible) {
        this.#say({ kind: "look", visible });
        if (visible) this.#listeners.seen();
        else if (!this.visible) this.#listeners.unseen();
    }

    /** @param {any} data  what another version of this client says may be anything */
    #receive(data) {
        switch (data?.kind) {
        case "core":
            if (this.#leading && QUESTIONS.has(data.message?.type)) this.#say({ kind: "here" });
            this.#listeners.heard(data.message, Math.max(0, Date.now() - data.said) || 0);
            break;
        case "here":
            clearTimeout(this.#silence);
            this.#silence = undefined;
            break;
        case "pulse":
            if (this.#leading) this.#say({ kind: "here" });
            break;
        case "join":
            this.#say({ kind: "look", visible: !isHidden() });
            this.#note(data);
            break;
        case "look":
            this.#note(data);
            if (!this.visible) this.#listeners.unseen();
            break;
        case "signedIn":
            this.#listeners.signedIn();
            break;
        case "signedOut":
            this.#listeners.signedOut();
            break;
        }
    }

    /** @param {{from: string, visible: boolean}} look */
    #note({ from, visible }) {
        if (visible) this.#looked.add(from);
        else this.#looked.delete(from);
    }

    /** @param {any} data */
    #say(data) {
        try {
            this.#channel?.postMessage({ ...data, from: this.#me });
        } catch (error) {
            console.warn("lockstep: the other tabs could not be told", error);
        }
    }
}

/**
 * Tells every tab that somebody signed in.
 * @param {string} name
 */
export function announceSignIn(name) {
    announce(name, "signedIn");
}

/**
 * Tells every tab that the user has signed out, before any of them asks the server.
 * @param {string} name
 */
export function announceSignOut(name) {
    announce(name, "signedOut");
}

/** @param {string} name @param {string} kind */
function announce(name, kind) {
    const channel = channelOf(name);
    channel?.postMessage({ kind });
    channel?.close();
}

/**
 * @param {string} name
 * @returns {BroadcastChannel | null} null: this browser has none, or not here
 */
function channelOf(name) {
    try {
        return new BroadcastChannel(name);
    } catch {
        return null;
    }
}
