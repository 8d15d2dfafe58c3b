// Keeps the theme and the accessibility switches of a page in step with the user's settings: attributes of the root
// element, which style sheets go by. `data-theme` is light or dark; `data-theme-choice` may be system too;
// `data-accessibility` lists what is on. Nothing flashes: until the replica is there the page stays as it came.

/** @typedef {import("../client.js").Client} Client */

const SWITCHES = ["reduced_motion", "high_contrast", "large_text"];

/**
 * @param {Pick<Client, "read" | "status" | "subscribe">} client
 * @param {HTMLElement} [root]
 * @returns {() => void} ends it; the page stays as it is
 */
export function provideTheme(client, root = document.documentElement) {
    const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

    const render = () => {
        if (client.status().ready) {
            const accessibility = client.read("settings", "accessibility") ?? {};
            note(root, "themeChoice", String(client.read("settings", "theme") ?? "system"));
            note(root, "accessibility", SWITCHES.filter((name) => accessibility[name] === true).join(" "));
        }
        note(root, "theme", resolved(root.dataset.themeChoice, prefersDark.matches));
    };

    prefersDark.addEventListener("change", render);
    const unsubscribe = client.subscribe(render);
    render();
    return () => {
        prefersDark.removeEventListener("change", render);
        unsubscribe();
    };
}

/**
 * @param {string | undefined} choice
 * @param {boolean} prefersDark
 * @returns {"light" | "dark"}
 */
export function resolved(choice, prefersDark) {
    if (choice === "light" || choice === "dark") return choice;
    return prefersDark ? "dark" : "light";
}

/**
 * Observers of an attribute hear of every write, also of one that says the same.
 * @param {HTMLElement} root
 * @param {string} name
 * @param {string} value
 */
function note(root, name, value) {
    if (root.dataset[name] !== value) root.dataset[name] = value;
}
