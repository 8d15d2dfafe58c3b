// The tabs of one browser: one of them leads and has the network, the others follow it. The lead is a Web Lock, so it
// passes on when its tab goes; what they tell each other goes over a BroadcastChannel.

import { makeId } from "./ids.js";

/** How long a leader may be silent to a word that it must answer, before another takes the lead from it. */
const SILENCE_MS = 5_000;

/**
 * @typedef {object} Ears
 * @property {() => void} lead
 * @property {() => void} follow
 * @property {(message: any) => void} heard
 * @property {() => void} seen  somebody looks at one of the tabs
 * @property {() => void} unseen  nobody looks at any
 * @property {() => void} signedIn
 */

// What a leader answers, if it lives.
const QUESTIONS = new Set(["queued", "behind", "wake"]);

export class Tabs {
    #name;
    #ears;
    #me = makeId();
    /** @type {BroadcastChannel | null} */
    #channel = null;
    /**
     * Which other tabs somebody looks at.
     * @type {Set<string>}
     */
    #looked = new Set();
    #leading = false;
    /**
     * Ends this tab's lead.
     * @type {() => void}
     */
    #release = () => undefined;
    #stop = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #silence;

    /** @param {string} name @param {Ears} ears */
    constructor(name, ears) {
        this.#name = name;
        this.#ears = ears;
    }

    /** Hears the others from now on. */
    open() {
        if (typeof BroadcastChannel === "undefined") return;
        this.#channel = new BroadcastChannel(this.#name);
        this.#channel.onmessage = ({ data }) => this.#receive(data);
    }

    /** Leads, if no other tab does; and otherwise once none does. */
    join() {
        const signal = this.#stop.signal;
        document.addEventListener("visibilitychange", () => this.#look(!document.hidden), { signal });
        addEventListener("pagehide", () => this.#say({ kind: "look", visible: false }), { signal });
        this.#say({ kind: "join", visible: !document.hidden });
        // Without locks (an address that is not secure) each leads itself: the server carries a mutation out once.
        if (this.#channel === null || navigator.locks === undefined) return this.#lead();
        this.#ask({ ifAvailable: true });
    }

    /** Whether somebody looks at one of the tabs. */
    get visible() {
        return !document.hidden || this.#looked.size > 0;
    }

    /** @param {any} message */
    tell(message) {
        this.#say({ kind: "core", message });
        if (this.#leading || !QUESTIONS.has(message.type)) return;
        this.#silence ??= setTimeout(() => {
            this.#silence = undefined;
            if (!this.#leading && !this.#stop.signal.aborted) this.#ask({ steal: true });
        }, SILENCE_MS);
    }

    close() {
        this.#say({ kind: "look", visible: false });
        this.#stop.abort();
        clearTimeout(this.#silence);
        this.#release();
        this.#channel?.close();
    }

    /** @param {LockOptions} how */
    async #ask(how) {
        try {
            await navigator.locks.request(this.#name, how, (lock) => {
                if (this.#stop.signal.aborted) return undefined;
                if (lock === null) {
                    this.#ears.follow();
                    this.#ask({ signal: this.#stop.signal });
                    return undefined;
                }
                this.#lead();
                return new Promise((resolve) => (this.#release = () => resolve(undefined)));
            });
        } catch {
            // Taken away, for this tab was silent; or closed.
            if (!this.#leading || this.#stop.signal.aborted) return;
            this.#leading = false;
            this.#ears.follow();
            this.#ask({ signal: this.#stop.signal });
        }
    }

    #lead() {
        this.#leading = true;
        clearTimeout(this.#silence);
        this.#silence = undefined;
        this.#say({ kind: "join", visible: !document.hidden });
        this.#ears.lead();
    }

    /** @param {boolean} visible  this tab */
    #look(visible) {
        this.#say({ kind: "look", visible });
        if (visible) this.#ears.seen();
        else if (!this.visible) this.#ears.unseen();
    }

    /** @param {any} data */
    #receive(data) {
        switch (data.kind) {
        case "core":
            if (this.#leading && QUESTIONS.has(data.message.type)) this.#say({ kind: "here" });
            this.#ears.heard(data.message);
            break;
        case "here":
            clearTimeout(this.#silence);
            this.#silence = undefined;
            break;
        case "join":
            this.#say({ kind: "look", visible: !document.hidden });
            this.#note(data);
            break;
        case "look":
            this.#note(data);
            if (!this.visible) this.#ears.unseen();
            break;
        case "signedIn":
            this.#ears.signedIn();
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
        this.#channel?.postMessage({ ...data, from: this.#me });
    }
}

/**
 * Tells every tab that somebody signed in.
 * @param {string} name
 */
export function announceSignIn(name) {
    if (typeof BroadcastChannel === "undefined") return;
    const channel = new BroadcastChannel(name);
    channel.postMessage({ kind: "signedIn" });
    channel.close();
}
