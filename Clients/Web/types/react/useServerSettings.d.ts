/**
 * @param {ReactLike} React  18 or later
 * @param {Client} client
 * @returns {() => ServerSettings} the hook; all components that use it share one client and one snapshot
 */
export function createUseServerSettings(React: ReactLike, client: Client): () => ServerSettings;
export type Client = import("../client.js").Client;
export type Problem = import("../client.js").Problem;
export type Result = import("../client.js").Result;
export type Accessibility = Record<"reduced_motion" | "high_contrast" | "large_text", boolean>;
export type ServerSettings = {
    /**
     * by key; the same object while nothing changed
     */
    settings: Readonly<Record<string, any>>;
    /**
     * null deletes. Shown at once, undone if it
     * is refused
     */
    updateSetting: (key: string, value: any) => Promise<Result>;
    theme: "light" | "dark" | "system";
    setTheme: (theme: "light" | "dark" | "system") => Promise<Result>;
    accessibility: Readonly<Accessibility>;
    /**
     * the others stay as they are
     */
    setAccessibility: (change: Partial<Accessibility>) => Promise<Result>;
    /**
     * nothing is known yet, not even from this device's store
     */
    isLoading: boolean;
    /**
     * why the last change was not made; null again with the next one
     */
    error: Problem | null;
};
/**
 * what the hook needs of React
 */
export type ReactLike = {
    useSyncExternalStore: Function;
};
