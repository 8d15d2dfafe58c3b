/**
 * Tells every tab that somebody signed in.
 * @param {string} name
 */
export function announceSignIn(name: string): void;
export class Tabs {
    /** @param {string} name @param {Ears} ears */
    constructor(name: string, ears: Ears);
    /** Hears the others from now on. */
    open(): void;
    /** Leads, if no other tab does; and otherwise once none does. */
    join(): void;
    /** Whether somebody looks at one of the tabs. */
    get visible(): boolean;
    /** @param {any} message */
    tell(message: any): void;
    close(): void;
    #private;
}
export type Ears = {
    lead: () => void;
    follow: () => void;
    heard: (message: any) => void;
    /**
     * somebody looks at one of the tabs
     */
    seen: () => void;
    /**
     * nobody looks at any
     */
    unseen: () => void;
    signedIn: () => void;
};
