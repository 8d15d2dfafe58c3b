// The page around a client, where there is one. A worker, a server renderer and a test runner have none: there is nothing to
// look away from, and nothing that would say so.

/** Whether nobody can see the page. */
export function isHidden() {
    return globalThis.document?.hidden === true;
}

/** @param {() => void} listener @param {AbortSignal} signal */
export function onLook(listener, signal) {
    globalThis.document?.addEventListener("visibilitychange", listener, { signal });
}

/** @param {string} name @param {(event: any) => void} listener @param {AbortSignal} signal */
export function onWindow(name, listener, signal) {
    globalThis.addEventListener?.(name, listener, { signal });
}

/**
 * What the browser can do; null: this is none.
 * @returns {any}
 */
export function browser() {
    return globalThis.navigator ?? null;
}
