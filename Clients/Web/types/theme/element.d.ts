export class LockstepTheme extends HTMLElement {
    set client(arg: import("../client.js").Client | null);
    get client(): import("../client.js").Client | null;
    connectedCallback(): void;
    disconnectedCallback(): void;
    #private;
}
export type Client = import("../client.js").Client;
