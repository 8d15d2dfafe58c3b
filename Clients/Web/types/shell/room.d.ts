export class Room {
    /** @param {Store} store */
    constructor(store: Store);
    /** Whether the next change is sure to be kept. */
    get enough(): boolean;
    /** @param {number} bytes  written since */
    used(bytes: number): void;
    /** A write failed: what the reserve held is free for a second attempt. */
    makeRoom(): Promise<void>;
    #private;
}
export type Store = import("./store.js").Store;
