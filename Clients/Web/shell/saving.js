// Whether this device is to spare data or power: then nothing is asked but every so often, also while somebody looks.

import { browser } from "./page.js";

/**
 * @typedef {object} Saving
 * @property {boolean} now
 * @property {(changed: () => void, signal: AbortSignal) => void} follow
 */

// A fifth left, and no charger: where systems begin to save by themselves.
const LOW = 0.2;

/** Whether the user asked their browser to spare the network. */
export function savesData() {
    return browser()?.connection?.saveData === true || asksForLess()?.matches === true;
}

/**
 * @param {boolean} [fixed]  what whoever opens the client says, instead of what the device does
 * @returns {Saving}
 */
export function watchSaving(fixed) {
    if (fixed !== undefined) return { now: fixed, follow: () => undefined };
    let low = false;
    return {
        get now() {
            return low || savesData();
        },
        follow(changed, signal) {
            browser()?.connection?.addEventListener?.("change", changed, { signal });
            asksForLess()?.addEventListener?.("change", changed, { signal });
            void watchBattery((is) => {
                if (is === low) return;
                low = is;
                changed();
            }, signal);
        },
    };
}

/** @param {(low: boolean) => void} say @param {AbortSignal} signal */
async function watchBattery(say, signal) {
    try {
        const battery = await browser()?.getBattery?.();
        if (battery === undefined || signal.aborted) return;
        const look = () => say(!battery.charging && battery.level <= LOW);
        for (const name of ["levelchange", "chargingchange"]) battery.addEventListener(name, look, { signal });
        look();
    } catch {
        // A browser that does not tell: nothing is known to be low.
    }
}

function asksForLess() {
    return typeof matchMedia === "function" ? matchMedia("(prefers-reduced-data: reduce)") : undefined;
}
