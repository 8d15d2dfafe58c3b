// The wire, and nothing else knows it: opens the socket that the machine asks for, makes its requests, and says what
// came.

import { reasonOf } from "./reason.js";

/** @typedef {import("../sync/types.js").Answer} Answer */
/** @typedef {import("../sync/types.js").RequestEffect} RequestEffect */
/** @typedef {import("../sync/types.js").Event} Event */

// A request may take this long, and longer by what it carries: on a slow line a full queue takes its time.
const REQUEST_MS = 10_000;
// A question that the server holds, beyond the time for which it may.
const HELD_MS = 5_000;
const SLOWEST_BYTES_PER_MS = 8;

export class Transport {
    #url;
    #report;
    /** @type {WebSocket | null} */
    #socket = null;
    #number = 0;
    /** @type {AbortController | null} */
    #request = null;
    /**
     * What `call` waits for.
     * @type {Set<AbortController>}
     */
    #calls = new Set();
    #closed = false;

    /**
     * @param {string} url  the server's address
     * @param {(event: Event) => void} report
     */
    constructor(url, report) {
        this.#url = url;
        this.#report = report;
    }

    /**
     * @param {number} number  what its events are called by
     * @param {string | null} cursor
     */
    open(number, cursor) {
        const address = new URL("/api/realtime", this.#url);
        address.protocol = address.protocol.replace("http", "ws");
        if (cursor !== null) address.searchParams.set("cursor", cursor);
        const socket = new WebSocket(address, "lockstep.v1");
        this.#socket = socket;
        this.#number = number;
        socket.onmessage = (event) => {
            const message = parsed(event.data);
            if (message !== undefined) this.#report({ type: "message", socket: number, message });
        };
        // 4401, signed out, too: the request that follows says it again, and says it for certain.
        socket.onclose = () => this.#report({ type: "closed", socket: number });
    }

    /** @param {number} number @param {object} message */
    send(number, message) {
        if (number !== this.#number || this.#socket?.readyState !== WebSocket.OPEN) return;
        this.#socket.send(JSON.stringify(message));
    }

    /** @param {number} number */
    hangUp(number) {
        if (number !== this.#number || this.#socket === null) return;
        this.#socket.onmessage = null;
        this.#socket.onclose = null;
        this.#socket.close();
        this.#socket = null;
    }

    /** @param {RequestEffect} effect */
    async ask(effect) {
        const { request: number } = effect;
        const abort = new AbortController();
        this.#request = abort;
        const [address, request] = effect.asking === "identify" ? [new URL("/api/auth/me", this.#url), {}]
            : this.#exchange(effect.cursor, effect.mutations);
        const wait = effect.asking === "hold" ? effect.wait : 0;
        if (wait > 0) address.searchParams.set("wait", String(wait));
        const size = typeof request.body === "string" ? request.body.length : 0;
        const patience = wait > 0 ? wait * 1000 + HELD_MS : REQUEST_MS + size / SLOWEST_BYTES_PER_MS;
        const deadline = setTimeout(() => abort.abort(), patience);
        try {
            const response = await fetch(address, {
                cache: "no-store", credentials: "include", redirect: "error", signal: abort.signal, ...request,
            });
            const body = response.status === 304 ? undefined : parsed(await response.text());
            this.#report({ type: "answered", request: number, answer: answerOf(response, body) });
        } catch (error) {
            this.#report({ type: "failed", request: number, reason: await reasonOf(error, this.#url) });
        } finally {
            clearTimeout(deadline);
        }
    }

    abort() {
        this.#request?.abort();
    }

    /**
     * Any other call of the server. Rejects where no answer came, or none in time.
     * @param {string} method @param {string} path @param {number} patience  in milliseconds
     * @returns {Promise<{ok: boolean, status: number, body: any}>}
     */
    async call(method, path, patience) {
        if (this.#closed) throw new Error("The client is closed.");
        const late = new AbortController();
        this.#calls.add(late);
        const deadline = setTimeout(() => late.abort(), patience);
        try {
            const answer = await fetch(new URL(path, this.#url), {
                method, credentials: "include", cache: "no-store", signal: late.signal,
            });
            const { ok, status } = answer;
            return { ok, status, body: ok && status !== 204 ? await answer.json() : null };
        } finally {
            clearTimeout(deadline);
            this.#calls.delete(late);
        }
    }

    /** Nothing is asked any more, and nothing heard. */
    close() {
        this.#closed = true;
        for (const call of this.#calls) call.abort();
    }

    /**
     * @param {string | null} cursor
     * @param {object[]} mutations
     * @returns {[URL, RequestInit]}
     */
    #exchange(cursor, mutations) {
        const address = new URL("/api/sync", this.#url);
        if (mutations.length > 0) {
            const body = JSON.stringify(cursor === null ? { mutations } : { cursor, mutations });
            return [address, { method: "POST", headers: { "Content-Type": "application/json" }, body }];
        }
        if (cursor === null) return [address, {}];
        address.searchParams.set("cursor", cursor);
        return [address, { headers: { "If-None-Match": `"${cursor}"` } }];
    }
}

/**
 * @param {Response} response
 * @param {any} body
 * @returns {Answer}
 */
function answerOf({ status, headers }, body) {
    /** @param {string} name */
    const number = (name) => {
        const text = headers.get(name);
        return text !== null && /^\d+$/.test(text) ? Number(text) : null;
    };
    return {
        status, body, pollAfter: number("Lockstep-Poll-After-Ms"), retryAfter: number("Retry-After"),
        serverTime: headers.get("Lockstep-Server-Time"),
    };
}

/**
 * @param {string} text
 * @returns {any} undefined where it is no JSON
 */
function parsed(text) {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}
