// The wire, and nothing else knows it: a socket where there is one, polling where there is none, one cursor for both.
//
// A desktop holds a socket and asks nothing over HTTP while it lives. When it fails, is refused or goes silent, polling
// begins within two seconds and the socket is tried again, until it is back. A phone only polls. Either way changes
// made here leave at once, one push at a time: the server carries a mutation out once, so whatever has no result is
// sent again.

import { Backoff } from "./backoff.js";

/** @typedef {import("./replica.js").Change} Change */
/** @typedef {import("./outbox.js").Mutation} Mutation */
/** @typedef {import("./outbox.js").Result} Result */
/** @typedef {"realtime" | "polling" | "offline"} Connection */

/**
 * What the transport needs of the replica and the outbox, and tells them.
 * @typedef {object} Ends
 * @property {() => string | null} cursor  where the replica stands
 * @property {(limit: {bytes: number, count: number}) => Mutation[]} waiting  the first changes that wait to be sent
 * @property {(change: Change) => boolean} change  applies it; false: the replica stands elsewhere
 * @property {(results: Result[], pulled: boolean) => void} results  `pulled`: what they did has come before
 * @property {(devices: any[]) => void} presence
 * @property {(connection: Connection) => void} connection
 * @property {() => void} signedOut
 */

// What an open socket may leave unanswered, and what an opening one may take, before polling stands in for it.
const PATIENCE_MS = 1_500;
// A handshake over a slow network; polling has stood in for it long before.
const OPENING_MS = 10_000;
const REQUEST_MS = 10_000;
// A message is at most 64 KiB, a body 1 MiB; the rest is for what stands around the mutations.
const SOCKET_LIMIT = { bytes: 63 * 1024, count: 500 };
const POST_LIMIT = { bytes: 900 * 1024, count: 500 };
const ONE = { bytes: 1, count: 1 };

export class Transport {
    #url;
    #ends;
    #realtime;

    /** @type {WebSocket | null} */
    #socket = null;
    /** Whether the socket has brought its first change, and so stands in for polling. */
    #live = false;
    #liveSince = 0;
    #pushing = false;
    /** The cursor that a `sync` on its way asks from. @type {string | null | undefined} */
    #askedFrom = undefined;
    /** One push is carried by one mutation after a refused one, so that a bad one cannot hold up the others. */
    #single = false;
    #socketBackoff = new Backoff();

    /** @type {AbortController | null} the request on its way */
    #request = null;
    /** Something came up while a request was on its way. */
    #pollAgain = false;
    #pollBackoff = new Backoff();
    #reachable = false;

    /** @type {Record<"answer" | "opening" | "reconnect" | "heartbeat" | "poll" | "pushAgain", number | undefined>} */
    #timers = { answer: undefined, opening: undefined, reconnect: undefined, heartbeat: undefined, poll: undefined,
        pushAgain: undefined };
    #stop = new AbortController();

    /**
     * @param {{url: string, realtime: boolean}} how  the server's address, and whether to hold a socket
     * @param {Ends} ends
     */
    constructor(how, ends) {
        this.#url = how.url;
        this.#realtime = how.realtime;
        this.#ends = ends;
    }

    start() {
        const signal = this.#stop.signal;
        addEventListener("online", () => this.#wake(), { signal });
        addEventListener("offline", () => (this.#lose(), this.#poll()), { signal });
        addEventListener("pageshow", (event) => event.persisted && this.#wake(), { signal });
        document.addEventListener("visibilitychange", () => document.hidden || this.#wake(), { signal });
        if (this.#realtime) this.#connect();
        else this.#poll();
    }

    stop() {
        this.#stop.abort();
        this.#request?.abort();
        this.#dropSocket();
        for (const name of Object.keys(this.#timers)) this.#clear(/** @type {keyof typeof this.#timers} */ (name));
    }

    /** Something waits to be sent. */
    push() {
        if (this.#live) this.#pushOverSocket();
        else if (!this.#realtime || this.#reachable) this.#poll();
        // Otherwise the socket that is opening, or the polling that stands in for it, takes it along.
    }

    /** The page came to the foreground, or the network did: whatever was believed about the connection is old. */
    #wake() {
        this.#socketBackoff.reset();
        this.#pollBackoff.reset();
        if (this.#live) return this.#ping();
        this.#poll();
        if (this.#realtime && this.#socket === null) this.#connect();
    }

    // The socket

    #connect() {
        this.#clear("reconnect");
        const address = new URL("/api/realtime", this.#url);
        address.protocol = address.protocol.replace("http", "ws");
        const cursor = this.#ends.cursor();
        if (cursor !== null) address.searchParams.set("cursor", cursor);

        const socket = new WebSocket(address, "lockstep.v1");
        this.#socket = socket;
        this.#askedFrom = undefined;
        socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
        // 4401, signed out, too: the request that follows says it again, and says it for certain.
        socket.onclose = () => this.#lose();
        this.#after("answer", PATIENCE_MS, () => this.#poll());
        this.#after("opening", OPENING_MS, () => this.#lose());
    }

    /** @param {any} message */
    #receive(message) {
        this.#clear("answer");
        switch (message.type) {
        case "welcome":
            this.#clear("heartbeat");
            this.#timers.heartbeat = setInterval(() => this.#ping(), message.heartbeat_seconds * 1000);
            this.#after("answer", PATIENCE_MS, () => this.#poll());
            break;
        case "changes":
            this.#take(message);
            break;
        case "pushed":
            this.#pushing = false;
            this.#single = false;
            this.#ends.results(message.results, true);
            this.#pushOverSocket();
            break;
        case "presence":
            this.#ends.presence(message.devices);
            break;
        case "error":
            if (this.#pushing) this.#pushRefused(message.problem);
            break;
        }
        if (this.#pushing) this.#expectAnswer();
    }

    /** @param {Change} change */
    #take(change) {
        if (this.#ends.change(change)) {
            this.#askedFrom = undefined;
            this.#becomeLive();
            return;
        }
        const cursor = this.#ends.cursor();
        if (cursor === this.#askedFrom) return;
        this.#askedFrom = cursor;
        this.#send({ type: "sync", cursor });
    }

    #becomeLive() {
        if (this.#live) return;
        this.#live = true;
        this.#liveSince = performance.now();
        this.#reachable = true;
        this.#clear("opening");
        this.#clear("poll");
        this.#request?.abort();
        this.#ends.connection("realtime");
        this.#pushOverSocket();
    }

    #pushOverSocket() {
        if (!this.#live || this.#pushing) return;
        const mutations = this.#ends.waiting(this.#single ? ONE : SOCKET_LIMIT);
        if (mutations.length === 0) return;
        this.#pushing = true;
        this.#send({ type: "push", mutations });
    }

    /** @param {import("./account.js").Problem} problem  refuses the push as a whole */
    #pushRefused(problem) {
        this.#pushing = false;
        if (isPassing(problem.status)) {
            this.#after("pushAgain", this.#pollBackoff.next(!document.hidden), () => this.#pushOverSocket());
            return;
        }
        this.#passOver(this.#ends.waiting(this.#single ? ONE : SOCKET_LIMIT), problem);
        this.#pushOverSocket();
    }

    #ping() {
        this.#send({ type: "ping", t: Date.now() });
    }

    /** @param {object} message */
    #send(message) {
        if (this.#socket?.readyState !== WebSocket.OPEN) return;
        this.#socket.send(JSON.stringify(message));
        this.#expectAnswer();
    }

    #expectAnswer() {
        if (this.#timers.answer === undefined) this.#after("answer", PATIENCE_MS, () => this.#lose());
    }

    /** The socket failed, was refused or went silent: polling stands in, and another one is tried. */
    #lose() {
        if (!this.#realtime) return;
        const wasLive = this.#live;
        if (wasLive && performance.now() - this.#liveSince > 5_000) this.#socketBackoff.reset();
        this.#dropSocket();
        // Where polling works the socket may be refused for good: no hurry then.
        const hurry = !document.hidden && !this.#reachable;
        this.#after("reconnect", this.#socketBackoff.next(hurry), () => this.#connect());
        const stoodIn = this.#timers.poll !== undefined || (document.hidden && this.#reachable);
        if (wasLive || !stoodIn) this.#poll();
    }

    #dropSocket() {
        const socket = this.#socket;
        this.#socket = null;
        this.#live = false;
        this.#pushing = false;
        for (const name of /** @type {const} */ (["answer", "opening", "heartbeat", "pushAgain"])) this.#clear(name);
        if (socket === null) return;
        socket.onmessage = null;
        socket.onclose = null;
        socket.close();
    }

    // Polling

    /** Asks at once: what waits goes along, what is new comes back. */
    async #poll() {
        this.#clear("poll");
        if (this.#request !== null) {
            this.#pollAgain = true;
            return;
        }
        const request = new AbortController();
        const deadline = setTimeout(() => request.abort(), REQUEST_MS);
        this.#request = request;
        this.#pollAgain = false;
        let pause;
        try {
            pause = await this.#exchange(request.signal);
        } catch {
            // Nothing came, half of it came, or it came from somebody else, such as a hotel's sign-in page.
            pause = this.#live ? 0 : this.#unreachable(0);
        }
        clearTimeout(deadline);
        this.#request = null;
        if (this.#live || this.#stop.signal.aborted) return;
        // A page that nobody sees asks nothing; `#wake` asks when somebody does.
        if (document.hidden && this.#reachable && this.#ends.waiting(ONE).length === 0) return;
        this.#after("poll", this.#pollAgain && this.#reachable ? 0 : pause, () => this.#poll());
    }

    /**
     * One request and its answer.
     * @param {AbortSignal} signal
     * @returns {Promise<number>} milliseconds until the next one
     */
    async #exchange(signal) {
        const cursor = this.#ends.cursor();
        const mutations = this.#ends.waiting(this.#single ? ONE : POST_LIMIT);
        const response = await this.#ask(cursor, mutations, signal);
        if (response.status === 401) {
            this.#signedOut();
            return 0;
        }
        if (response.status === 304) return this.#reached(Number(response.headers.get("Lockstep-Poll-After-Ms")));
        if (isPassing(response.status)) return this.#unreachable(Number(response.headers.get("Retry-After")) * 1000);
        const answer = await response.json();
        if (!response.ok) {
            if (mutations.length === 0) return this.#unreachable(0);
            this.#passOver(mutations, answer);
            return this.#reached(1);
        }
        signal.throwIfAborted();
        // Between request and answer the socket may have moved the replica: then the results wait for its next change.
        const pulled = this.#ends.change(answer);
        this.#single = false;
        if (mutations.length > 0) {
            this.#ends.results(answer.results, pulled);
            if (answer.results.length === 0) return this.#unreachable(0);
        }
        const more = !pulled || this.#ends.waiting(ONE).length > 0;
        return this.#reached(more ? 1 : answer.poll_after_ms);
    }

    /**
     * @param {string | null} cursor
     * @param {Mutation[]} mutations
     * @param {AbortSignal} signal
     */
    #ask(cursor, mutations, signal) {
        const address = new URL("/api/sync", this.#url);
        /** @type {RequestInit} */
        const request = { cache: "no-store", credentials: "include", redirect: "error", signal };
        if (mutations.length > 0) {
            const body = cursor === null ? { mutations } : { cursor, mutations };
            return fetch(address, {
                ...request, method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
            });
        }
        if (cursor === null) return fetch(address, request);
        address.searchParams.set("cursor", cursor);
        return fetch(address, { ...request, headers: { "If-None-Match": `"${cursor}"` } });
    }

    /** @param {number} pause  as the server says, in milliseconds */
    #reached(pause) {
        const back = !this.#reachable;
        this.#reachable = true;
        this.#pollBackoff.reset();
        if (!this.#live) this.#ends.connection("polling");
        // The server is back: no need to sit out the pause before the next attempt.
        if (back && this.#realtime && this.#socket === null) this.#connect();
        return pause;
    }

    /** @param {number} atLeast  as the server says, in milliseconds */
    #unreachable(atLeast) {
        this.#reachable = false;
        this.#ends.connection("offline");
        return this.#pollBackoff.next(!document.hidden, atLeast || 0);
    }

    // Either

    /**
     * The server refused these mutations as a whole, for good: one by one the next time, and the one that is refused
     * alone gets that as its result, so that it holds up nothing.
     * @param {Mutation[]} mutations
     * @param {import("./account.js").Problem} problem
     */
    #passOver(mutations, problem) {
        if (mutations.length > 1) {
            this.#single = true;
            return;
        }
        this.#single = false;
        this.#ends.results(mutations.map(({ id }) => ({ id, status: "rejected", problem })), true);
    }

    #signedOut() {
        this.stop();
        this.#ends.signedOut();
    }

    /**
     * @param {keyof typeof this.#timers} name
     * @param {number} milliseconds
     * @param {() => void} act
     */
    #after(name, milliseconds, act) {
        this.#clear(name);
        this.#timers[name] = setTimeout(() => {
            this.#timers[name] = undefined;
            act();
        }, milliseconds);
    }

    /** @param {keyof typeof this.#timers} name */
    #clear(name) {
        clearTimeout(this.#timers[name]);
        this.#timers[name] = undefined;
    }
}

/**
 * Whether the same request may succeed later.
 * @param {number} status
 */
function isPassing(status) {
    return status === 408 || status === 425 || status === 429 || status >= 500;
}
