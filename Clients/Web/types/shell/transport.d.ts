export class Transport {
    /**
     * @param {string} url  the server's address
     * @param {(event: Event) => void} tell
     */
    constructor(url: string, tell: (event: Event) => void);
    /**
     * @param {number} number  what its events are called by
     * @param {string | null} cursor
     */
    open(number: number, cursor: string | null): void;
    /** @param {number} number @param {object} message */
    send(number: number, message: object): void;
    /** @param {number} number */
    hangUp(number: number): void;
    /** @param {Effect} effect  a request */
    ask({ request: number, asking, cursor, mutations }: Effect): Promise<void>;
    abort(): void;
    #private;
}
export type Answer = import("../sync/types.js").Answer;
export type Effect = import("../sync/types.js").Effect;
export type Event = import("../sync/types.js").Event;
