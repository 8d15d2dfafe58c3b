// Text as people count it, and as the server does: by Unicode scalars, neither by UTF-16 halves nor by what looks like one
// character. Pure.

const graphemes = "Segmenter" in Intl ? new Intl.Segmenter("en", { granularity: "grapheme" }) : null;

/**
 * How long the server says that this is.
 * @param {string} text
 */
export function lengthOf(text) {
    let length = 0;
    for (const _ of text) length += 1;
    return length;
}

/**
 * The characters as a person sees them: a flag, a family, a letter with its accents is one.
 * @param {string} text
 * @returns {Iterable<string>}
 */
function* characters(text) {
    if (graphemes === null) yield* text;
    else for (const { segment } of graphemes.segment(text)) yield segment;
}

/** @param {string} text */
export function firstCharacter(text) {
    for (const it of characters(text.slice(0, 64))) return it;
    return "";
}

/**
 * As much as fits, in whole characters.
 * @param {string} text
 * @param {number} most  by the server's count
 */
export function cut(text, most) {
    let room = most;
    let end = 0;
    // Nobody's paste of a megabyte is walked through: a scalar has two halves at most, so this is more than fits.
    for (const it of characters(text.slice(0, 2 * (most + 1)))) {
        room -= lengthOf(it);
        if (room < 0) return text.slice(0, end);
        end += it.length;
    }
    return text;
}

/**
 * The beginning, where it is long.
 * @param {string} text
 * @param {number} most
 */
export function shortened(text, most) {
    const kept = cut(text, most);
    return kept === text ? text : `${kept.trimEnd()}…`;
}

/**
 * What somebody wrote, as it may be sent: without half characters and those that are no text.
 * @param {string} text
 */
export function tidy(text) {
    return text.replace(/\p{Surrogate}/gu, "\ufffd").replace(/\0/g, "").trim();
}
