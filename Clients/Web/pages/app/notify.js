// Tells the user that a session ended, also when they look elsewhere: where they want it (a setting, the same on
// all of their devices) and allowed it (a permission, this browser's own).

/** @returns {"unsupported" | NotificationPermission} */
export function permission() {
    return "Notification" in window ? Notification.permission : "unsupported";
}

/**
 * Browsers want to be asked by a click.
 * @returns {Promise<"unsupported" | NotificationPermission>}
 */
export async function askPermission() {
    if (permission() !== "default") return permission();
    return Notification.requestPermission();
}

/**
 * @param {{id: string}} session  tabs of one browser that tell of the same one show it once
 * @param {string} title
 * @param {string} body
 */
export async function notify(session, title, body) {
    if (permission() !== "granted") return;
    const options = { body, tag: `lockstep-${session.id}`, icon: "/web/icons/app-192.png" };
    try {
        // Phones know only this way.
        const worker = await navigator.serviceWorker?.getRegistration();
        if (worker?.active) await worker.showNotification(title, options);
        else new Notification(title, options).addEventListener("click", () => window.focus());
    } catch {
        // The page has said it already.
    }
}
