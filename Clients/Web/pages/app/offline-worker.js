// The service worker keeps the app's own files for the time without network, and nothing of any user. A browser that
// refuses it has pages that need the network.

export async function startOfflineWorker() {
    try {
        await navigator.serviceWorker?.register("/sw.js");
    } catch {
        // Then there is none.
    }
}

/** Starts it, and has it answer for the page that is open already. */
export async function claimByOfflineWorker() {
    await startOfflineWorker();
    try {
        const { active } = await navigator.serviceWorker.ready;
        if (navigator.serviceWorker.controller === null) active?.postMessage("claim");
    } catch {
        // Then there is none.
    }
}
