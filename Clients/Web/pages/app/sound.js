// What is heard at the end of a session: drawn as notes, so that there is nothing to fetch. Which one is a setting.

/** By the setting's value, as they are called. */
export const SOUNDS = { none: "None", bell: "Bell", chime: "Chime", wood: "Wood", bowl: "Bowl" };
/** @typedef {keyof typeof SOUNDS} Sound */

/** @typedef {[hertz: number, at: number, seconds: number, loud: number]} Note */
/** @type {Record<Sound, Note[]>} */
const NOTES = {
    none: [],
    bell: [[880, 0, 1.6, 0.5], [2217, 0, 0.9, 0.12], [880, 0.7, 1.6, 0.4], [2217, 0.7, 0.9, 0.1]],
    chime: [[659, 0, 0.9, 0.4], [784, 0.18, 0.9, 0.4], [988, 0.36, 0.9, 0.4], [1319, 0.54, 1.4, 0.4]],
    wood: [[620, 0, 0.09, 0.7], [620, 0.22, 0.09, 0.7], [830, 0.44, 0.12, 0.7]],
    bowl: [[220, 0, 4, 0.45], [223, 0, 4, 0.25], [587, 0, 2.5, 0.12]],
};
const RUNNING_MS = 500;
const QUIET = 0.0001;

/**
 * @param {(collection: string, id: string) => any} read
 * @returns {Sound}
 */
export function chosenSound(read) {
    const value = read("settings", "focus.sound");
    return typeof value === "string" && Object.hasOwn(SOUNDS, value) ? /** @type {Sound} */ (value) : "none";
}

/**
 * @param {Sound} sound
 * @returns {Promise<boolean>} false: the browser lets nothing be heard here, before somebody has clicked on the page
 */
export async function play(sound) {
    const notes = NOTES[sound];
    if (notes.length === 0 || typeof AudioContext === "undefined") return false;
    const context = new AudioContext();
    try {
        await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, RUNNING_MS))]);
        if (context.state !== "running") return false;
        const ends = notes.map((note) => sounded(context, note));
        await Promise.all(ends);
        return true;
    } finally {
        void context.close();
    }
}

/** @param {AudioContext} context @param {Note} note */
function sounded(context, [hertz, at, seconds, loud]) {
    const begin = context.currentTime + at;
    const gain = context.createGain();
    gain.gain.setValueAtTime(QUIET, begin);
    gain.gain.exponentialRampToValueAtTime(loud, begin + 0.01);
    gain.gain.exponentialRampToValueAtTime(QUIET, begin + seconds);
    const tone = context.createOscillator();
    tone.frequency.value = hertz;
    tone.connect(gain).connect(context.destination);
    const end = new Promise((resolve) => tone.addEventListener("ended", resolve));
    tone.start(begin);
    tone.stop(begin + seconds);
    return end;
}
