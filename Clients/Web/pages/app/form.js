// What forms have in common: saying what is wrong beside the field, taking no more into it than the server does, and being
// sent once.

import { cut, lengthOf } from "../../text.js";
import { byId } from "./dom.js";

/**
 * Says what is wrong with a field, next to it; null: nothing any more.
 * @param {HTMLElement} input  with a place `#<its id>-problem`
 * @param {string | null} words
 */
export function wrong(input, words) {
    const place = byId(`${input.id}-problem`);
    place.textContent = words;
    place.hidden = words === null;
    if (words === null) {
        input.removeAttribute("aria-invalid");
        return;
    }
    input.setAttribute("aria-invalid", "true");
    input.focus();
}

/**
 * A whole number of minutes as seconds; null, and said, where it is none.
 * @param {HTMLInputElement} input
 */
export function minutesOf(input) {
    const given = Number(input.value);
    const good = input.value.trim() !== "" && Number.isInteger(given) && given >= 1 && given <= 240;
    wrong(input, good ? null : "A whole number of minutes from 1 to 240.");
    return good ? given * 60 : null;
}

/**
 * Seconds as a minutes field shows them.
 * @param {number} seconds
 */
export function shownMinutes(seconds) {
    return String(Math.round((seconds / 60) * 100) / 100);
}

/**
 * Sends a form once at a time, whatever is clicked meanwhile. Its buttons stay focusable.
 * @param {HTMLFormElement} form
 * @param {() => Promise<void>} send
 */
export function onSubmit(form, send) {
    let busy = false;
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (busy) return;
        busy = true;
        const buttons = form.querySelectorAll("button");
        for (const button of buttons) button.setAttribute("aria-disabled", "true");
        try {
            await send();
        } finally {
            busy = false;
            for (const button of buttons) button.removeAttribute("aria-disabled");
        }
    });
}

/**
 * Takes no more into a field than the server does, in whole characters; what was there already stays.
 * @param {HTMLInputElement} input
 * @param {number} most
 * @param {() => void} [full]  something did not fit
 */
export function limit(input, most, full) {
    let before = input.value;
    const hold = () => {
        const now = input.value;
        if (now.length > most && lengthOf(now.slice(0, 2 * most + 64)) > most) {
            // What was put in stands between what was there before and what is after the cursor.
            const after = now.slice(input.selectionEnd ?? now.length);
            let start = 0;
            const end = now.length - after.length;
            while (start < end && now[start] === before[start]) start += 1;
            const head = whole(now.slice(0, start));
            const room = most - lengthOf(head) - lengthOf(after);
            const kept = room >= 0 ? head + cut(now.slice(head.length, end), room) : cut(now, most);
            input.value = room >= 0 ? kept + after : kept;
            input.setSelectionRange(kept.length, kept.length);
            full?.();
        }
        before = input.value;
    };
    // While a character is being composed, half of it stands there.
    input.addEventListener("input", (event) => /** @type {InputEvent} */ (event).isComposing || hold());
    input.addEventListener("compositionend", hold);
}

/**
 * Without the half of a character at its end.
 * @param {string} text
 */
function whole(text) {
    return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
