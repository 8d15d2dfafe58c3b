// <lockstep-theme>: the theme provider as an element. With `client` set it uses that one; otherwise it makes one of its
// own, for the server that its attribute `url` names or the page's own.

import { createClient } from "../client.js";
import { provideTheme } from "./provider.js";

/** @typedef {import("../client.js").Client} Client */

// Where there are no elements (Node, a worker, a server renderer) this one is never made, and the import harms nobody.
const Element = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

export class LockstepTheme extends Element {
    /** @type {Client | null} */
    #client = null;
    /** @type {Client | null} */
    #own = null;
    /** @type {(() => void) | null} */
    #end = null;

    get client() {
        return this.#client;
    }

    set client(client) {
        this.disconnectedCallback();
        this.#client = client;
        if (this.isConnected) this.connectedCallback();
    }

    connectedCallback() {
        if (this.#end !== null) return;
        const url = this.getAttribute("url");
        const client = this.#client ?? (this.#own = createClient(url === null ? {} : { url }));
        this.#end = provideTheme(client);
    }

    disconnectedCallback() {
        this.#end?.();
        this.#end = null;
        this.#own?.close();
        this.#own = null;
    }
}

const registry = globalThis.customElements;
if (registry?.get("lockstep-theme") === undefined) registry?.define("lockstep-theme", LockstepTheme);
