// The wire, and nothing else knows it: opens the socket that the machine asks for, makes its requests, and says what
// came.

/** @typedef {import("../sync/types.js").Answer} Answer */
/** @typedef {import("../sync/types.js").Effect} Effect */
/** @typedef {import("../sync/types.js").Event} Event */

// A request may take this long, and longer by what it carries: on a slow line a full queue takes its time.
const REQUEST_MS = 10_000;
const SLOWEST_BYTES_PER_MS = 8;

export class Transport {
    #url;
    #tell;
    /** @type {WebSocket | null} */
    #socket = null;
    #number = 0;
    /** @type {AbortController | null} */
    #request = null;

    /**
     * @param {string} url  the server's address
     * @param {(event: Event) => void} tell
     */
    constructor(url, tell) {
        this.#url = url;
        this.#tell = tell;
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
            if (message !== undefined) this.#tell({ type: "message", socket: number, message });
        };
        // 4401, signed out, too: the request that follows says it again, and says it for certain.
        socket.onclose = () => this.#tell({ type: "closed", socket: number });
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

    /** @param {Effect} effect  a request */
    async ask({ request: number, asking, cursor, mutations }) {
        const abort = new AbortController();
        this.#request = abort;
        const [address, request] = asking === "identify" ? [new URL("/api/auth/me", this.#url), {}]
            : this.#exchange(cursor, mutations);
        const size = typeof request.body === "string" ? request.body.length : 0;
        const deadline = setTimeout(() => abort.abort(), REQUEST_MS + size / SLOWEST_BYTES_PER_MS);
        try {
            const response = await fetch(address, {
                cache: "no-store", credentials: "include", redirect: "error", signal: abort.signal, ...request,
            });
            const body = response.status === 304 ? undefined : parsed(await response.text());
            this.#tell({ type: "answered", request: number, answer: answerOf(response, body) });
        } catch {
            this.#tell({ type: "failed", request: number });
        } finally {
            clearTimeout(deadline);
        }
    }

    abort() {
        this.#request?.abort();
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
