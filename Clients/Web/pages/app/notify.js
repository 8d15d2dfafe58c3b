// Tells the user that a session ended, also when he looks elsewhere: where he wants it (a setting, the same on all of
// his devices) and allowed it (a permission, this browser's own).

import { client } from "./frame.js";

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

/** Whether a session's end is told here. */
export function wanted() {
    return client.read("settings", "notifications_enabled") === true && permission() === "granted";
}

/**
 * @param {{id: string}} session  tabs of one browser that tell of the same one show it once
 * @param {string} title
 * @param {string} body
 */
export async function notify(session, title, body) {
    if (!wanted()) return;
    const options = { body, tag: `lockstep-${session.id}`, icon: "/web/icon.svg" };
    try {
        // Phones know only this way.
        const worker = await navigator.serviceWorker?.getRegistration();
        if (worker?.active) await worker.showNotification(title, options);
        else new Notification(title, options);
    } catch {
        // The page has said it already.
    }
}
