export class Shell {
    /**
     * @param {object} how
     * @param {string} how.url
     * @param {string} how.name  of the store and of the tabs' channel
     * @param {boolean} how.realtime
     * @param {() => Promise<Store>} how.openStore
     * @param {() => void} how.changed
     * @param {() => void} how.signedOut
     */
    constructor(how: {
        url: string;
        name: string;
        realtime: boolean;
        openStore: () => Promise<Store>;
        changed: () => void;
        signedOut: () => void;
    });
    /** @type {State} */
    state: State;
    get storage(): "indexeddb" | "memory";
    /** How many changes wait to learn whose they are. */
    get early(): number;
    get stopped(): boolean;
    start(): Promise<void>;
    stop(): void;
    /**
     * @param {{id: string, name: string, args: Record<string, any>, hint?: any}} change
     * @returns {Promise<Result>}
     */
    mutate(change: {
        id: string;
        name: string;
        args: Record<string, any>;
        hint?: any;
    }): Promise<Result>;
    serverNow(): number;
    /** @param {string} id  of a conflict */
    dismiss(id: string): Promise<void>;
    /**
     * One event after the other: what an effect brings about at once waits for the step to be through.
     * @param {Event} event
     */
    happen(event: Event): void;
    #private;
}
export type Effect = import("../sync/types.js").Effect;
export type Event = import("../sync/types.js").Event;
export type Result = import("../sync/types.js").Result;
export type State = import("../sync/types.js").State;
export type Kept = import("../sync/types.js").Kept;
export type Store = import("./store.js").Store;
