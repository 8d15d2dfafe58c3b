// The user's settings as a React hook. React is the caller's own: this module needs no build step and brings no
// second copy.
//
//     const useServerSettings = createUseServerSettings(React, client);
//     const { theme, setTheme } = useServerSettings();

/** @typedef {import("../client.js").Client} Client */
/** @typedef {import("../client.js").Problem} Problem */
/** @typedef {import("../client.js").Result} Result */
/** @typedef {Record<"reduced_motion" | "high_contrast" | "large_text", boolean>} Accessibility */

/**
 * @typedef {object} ServerSettings
 * @property {Readonly<Record<string, any>>} settings  by key; the same object while nothing changed
 * @property {(key: string, value: any) => Promise<Result>} updateSetting  null deletes. Shown at once, undone if it
 *   is refused
 * @property {"light" | "dark" | "system"} theme
 * @property {(theme: "light" | "dark" | "system") => Promise<Result>} setTheme
 * @property {Readonly<Accessibility>} accessibility
 * @property {(change: Partial<Accessibility>) => Promise<Result>} setAccessibility  the others stay as they are
 * @property {boolean} isLoading  nothing is known yet, not even from this device's store
 * @property {Problem | null} error  why the last change was not made; null again with the next one
 */

/** @typedef {{useSyncExternalStore: Function}} ReactLike  what the hook needs of React */

/** @type {Accessibility} */
const PLAIN = { reduced_motion: false, high_contrast: false, large_text: false };

/**
 * @param {ReactLike} React  18 or later
 * @param {Client} client
 * @returns {() => ServerSettings} the hook; all components that use it share one client and one snapshot
 */
// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function createUseServerSettings(React, client) {
    /** @type {Problem | null} */
    let error = null;
    /** @type {Set<{listener: () => void}>} */
    const listeners = new Set();
    /** @type {ServerSettings | null} */
    let snapshot = null;
    /** @type {unknown} */
    let list = null;

    /** @param {Problem | null} problem */
    function fail(problem) {
        if (error === problem) return;
        error = problem;
        for (const { listener } of [...listeners]) listener();
    }

    /** @param {string} key @param {any} value */
    async function updateSetting(key, value) {
        fail(null);
        const result = value === null ? client.mutate("settings.delete", { key })
            : client.mutate("settings.set", { key, value });
        return result.then((final) => {
            if (final.status === "rejected") fail(final.problem ?? null);
            if (final.status === "conflict") fail(LOST);
            return final;
        });
    }

    const actions = {
        updateSetting,
        setTheme: (/** @type {"light" | "dark" | "system"} */ theme) => updateSetting("theme", theme),
        setAccessibility: (/** @type {Partial<Accessibility>} */ change) => updateSetting(
            "accessibility", { ...PLAIN, ...client.read("settings", "accessibility"), ...change }),
    };

    function current() {
        const now = client.list("settings");
        const isLoading = !client.status().ready;
        const same = list === now && snapshot?.isLoading === isLoading && snapshot?.error === error;
        if (snapshot !== null && same) return snapshot;
        const settings = list === now && snapshot !== null ? snapshot.settings
            : Object.freeze(Object.fromEntries(now.map(({ id, value }) => [id, value])));
        list = now;
        snapshot = Object.freeze({
            settings, isLoading, error, theme: settings.theme ?? "system",
            accessibility: settings === snapshot?.settings ? snapshot.accessibility
                : Object.freeze({ ...PLAIN, ...settings.accessibility }),
            ...actions,
        });
        return snapshot;
    }

    /**
     * What a server renders, and a browser that takes its markup over: nothing is known there.
     * @type {ServerSettings}
     */
    const unknown = Object.freeze({
        settings: Object.freeze({}), isLoading: true, error: null, theme: /** @type {const} */ ("system"),
        accessibility: Object.freeze({ ...PLAIN }), ...actions,
    });

    /** @param {() => void} listener */
    function subscribe(listener) {
        const one = { listener };
        listeners.add(one);
        const end = client.subscribe(listener);
        return () => {
            listeners.delete(one);
            end();
        };
    }

    return () => React.useSyncExternalStore(subscribe, current, () => unknown);
}

/** @type {Problem} */
const LOST = {
    status: 409, code: "conflict", detail: "Another device changed this at the same time; its change stands.",
};
