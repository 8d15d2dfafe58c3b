// Rings at a time, also on a page that nobody looks at.

// Beyond this a browser takes a time for none.
const LONGEST_MS = 2 ** 31 - 1;
// A timer stands still while the device sleeps, so a long wait is one of short ones: who is rung looks at the clock.
const SLICE_MS = 5_000;

/**
 * @param {() => void} ring  called also before the time, every few seconds, and perhaps twice: it sets what is left
 * @returns {(milliseconds: number | null) => void} sets it anew; null: not at all
 */
export function makeAlarm(ring) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const worker = makeWorker();
    worker?.addEventListener("message", ring);
    return (milliseconds) => {
        clearTimeout(timer);
        const wait = milliseconds === null ? null : Math.min(Math.max(0, milliseconds), LONGEST_MS);
        if (wait !== null) timer = setTimeout(ring, wait);
        worker?.postMessage(wait === null ? null : Math.min(wait, SLICE_MS));
    };
}

/** Where there is none, the page's own timers ring late out of sight, and all else is as it was. */
function makeWorker() {
    try {
        return new Worker(new URL("./alarm-worker.js", import.meta.url));
    } catch {
        return undefined;
    }
}
