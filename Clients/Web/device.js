// What this browser is: how its device is called in the list of devices, and whether it holds a socket.

import { browser } from "./shell/page.js";

const PHONE = /Mobi|Android|iPhone|iPad/;

/**
 * Whether its name is a phone's or a tablet's.
 * @param {string} userAgent
 */
export function isPhone(userAgent) {
    return PHONE.test(userAgent);
}

/**
 * Whether this is held in a hand: a finger is what it is pointed at with, first of all. Those poll: a socket would keep
 * their radio awake. Its name decides only where the browser does not say what it can do: a tablet calls itself a desktop,
 * and a desktop may be called anything.
 */
export function isHandheld() {
    const it = browser();
    if (typeof matchMedia !== "function" || it?.maxTouchPoints === undefined) return isPhone(it?.userAgent ?? "");
    return it.maxTouchPoints > 0 && matchMedia("(pointer: coarse)").matches;
}

/**
 * The device as a sign-in names it.
 * @param {string} userAgent
 * @param {boolean} [handheld]  what it can do says so
 * @returns {{name: string, kind: "web" | "mobile"}} for example {name: "Chromium on Linux", kind: "web"}
 */
export function describeDevice(userAgent, handheld = isPhone(userAgent)) {
    const browser = firstMatch(userAgent, BROWSERS) ?? "Browser";
    const system = firstMatch(userAgent, SYSTEMS);
    // A tablet that asks for the pages of a desktop.
    const known = system === "Mac" && handheld ? "iPad" : system;
    return {
        name: known === undefined ? browser : `${browser} on ${known}`,
        kind: handheld ? "mobile" : "web",
    };
}

// The first that matches counts: nearly every browser claims to be Safari, and Chrome's relatives to be Chrome.
const BROWSERS = /** @type {const} */ ([
    [/Edg(?:e|A|iOS)?\//, "Edge"],
    [/OPR\//, "Opera"],
    [/SamsungBrowser\//, "Samsung Internet"],
    [/Firefox\/|FxiOS\//, "Firefox"],
    [/Chromium\//, "Chromium"],
    [/HeadlessChrome\//, "Chromium"],
    [/Chrome\/|CriOS\//, "Chrome"],
    [/Safari\//, "Safari"],
]);

const SYSTEMS = /** @type {const} */ ([
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Android/, "Android"],
    [/CrOS/, "ChromeOS"],
    [/Windows/, "Windows"],
    [/Mac OS X|Macintosh/, "Mac"],
    [/Linux/, "Linux"],
]);

/**
 * @param {string} text
 * @param {ReadonlyArray<readonly [RegExp, string]>} patterns
 */
function firstMatch(text, patterns) {
    return patterns.find(([pattern]) => pattern.test(text))?.[1];
}
