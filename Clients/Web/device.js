// What this browser is: how its device is called in the list of devices, and whether it holds a socket.

const PHONE = /Mobi|Android|iPhone|iPad/;

/**
 * Whether this is a phone or a tablet. Those poll: a socket would keep their radio awake.
 * @param {string} userAgent
 */
export function isPhone(userAgent) {
    return PHONE.test(userAgent);
}

/**
 * The device as a sign-in names it.
 * @param {string} userAgent
 * @returns {{name: string, kind: "web" | "mobile"}} for example {name: "Chromium on Linux", kind: "web"}
 */
export function describeDevice(userAgent) {
    const browser = firstMatch(userAgent, BROWSERS) ?? "Browser";
    const system = firstMatch(userAgent, SYSTEMS);
    return {
        name: system === undefined ? browser : `${browser} on ${system}`,
        kind: isPhone(userAgent) ? "mobile" : "web",
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
