// The picture of an item: the server's own, or one that is drawn from its name and category, always the same for the same.

import { firstCharacter } from "../../../text.js";
import { drawing, element } from "../dom.js";

/** @typedef {import("../items.js").Item} Item */

const SIZE = 44;
const HUES = 6;

/** @param {Item} item */
export function emblem(item) {
    // Of this server alone: a second slash, or what browsers take for one, would be another's.
    if (typeof item.icon_url !== "string" || !/^\/[^/\\]/.test(item.icon_url)) return drawn(item);
    /** @type {HTMLImageElement} */
    const picture = element("img", {
        class: "emblem", src: item.icon_url, alt: "", width: SIZE, height: SIZE, loading: "lazy",
        error: () => picture.replaceWith(drawn(item)),
    });
    return picture;
}

/**
 * Its first character before three shapes, in its category's colour.
 * @param {Item} item
 */
function drawn(item) {
    const name = String(item.name);
    const hue = numberOf(String(item.category ?? name)) % HUES;
    let seed = numberOf(name);
    const next = (/** @type {number} */ below) => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return (seed >>> 8) % below;
    };
    const shapes = Array.from({ length: 3 }, (_, at) => at === 0
        ? drawing("circle", { class: "shape", cx: next(SIZE), cy: next(SIZE), r: 9 + next(10) })
        : drawing("rect", {
            class: "shape", x: next(SIZE) - 8, y: next(SIZE) - 8, width: 10 + next(14), height: 10 + next(14), rx: 3,
            transform: `rotate(${next(90)} ${SIZE / 2} ${SIZE / 2})`,
        }));
    return drawing("svg", {
        class: "emblem drawn", viewBox: `0 0 ${SIZE} ${SIZE}`, "data-hue": hue, "aria-hidden": "true", focusable: "false",
        "data-drawn": true,
    }, ...shapes, drawing("text", {
        x: SIZE / 2, y: SIZE / 2, "text-anchor": "middle", "dominant-baseline": "central", translate: "no",
    }, (firstCharacter(name.trim()) || "?").toUpperCase()));
}

/** @param {string} text */
function numberOf(text) {
    return [...text].reduce((sum, letter) => (Math.imul(sum, 31) + (letter.codePointAt(0) ?? 0)) >>> 0, 7);
}
