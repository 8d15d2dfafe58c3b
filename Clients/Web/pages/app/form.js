// What forms have in common: saying what is wrong beside the field, and being sent once.

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
