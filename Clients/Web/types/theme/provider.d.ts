/**
 * @param {Pick<Client, "read" | "status" | "subscribe">} client
 * @param {HTMLElement} [root]
 * @returns {() => void} ends it; the page stays as it is
 */
export function provideTheme(client: Pick<Client, "read" | "status" | "subscribe">, root?: HTMLElement | undefined): () => void;
/**
 * @param {string | undefined} choice
 * @param {boolean} prefersDark
 * @returns {"light" | "dark"}
 */
export function resolved(choice: string | undefined, prefersDark: boolean): "light" | "dark";
export type Client = import("../client.js").Client;
