// The settings page: shows what the replica says, sends what the user does.

import { signOut } from "../account.js";
import { createClient } from "../client.js";

/** @typedef {Record<"reduced_motion" | "high_contrast" | "large_text", boolean>} Accessibility */

const root = document.documentElement;
const form = /** @type {HTMLFormElement} */ (document.getElementById("settings"));
const badge = /** @type {HTMLElement} */ (document.getElementById("sync-badge"));
const word = /** @type {HTMLElement} */ (document.querySelector("[data-testid=sync-status]"));
const pending = /** @type {HTMLElement} */ (document.querySelector("[data-testid=pending-changes]"));
const transport = /** @type {HTMLElement} */ (document.getElementById("transport"));
const offline = /** @type {HTMLElement} */ (document.getElementById("offline"));
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
const themes = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[name=theme]"));
const switches = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[role=switch]"));

const SENTENCES = {
    starting: "connecting…",
    realtime: "a live connection",
    polling: "asking every so often",
    offline: "nothing at the moment",
};

/** Whether the user signs out himself, on this page. */
let leaving = false;
const client = createClient({ onSignedOut: () => leaving || location.replace("/login?notice=ended") });

/** What the root element says, as the server sent it and as every change leaves it. */
function shown() {
    const names = (root.dataset.accessibility ?? "").split(" ");
    return {
        theme: root.dataset.themeChoice ?? "system",
        accessibility: /** @type {Accessibility} */ ({
            reduced_motion: names.includes("reduced_motion"),
            high_contrast: names.includes("high_contrast"),
            large_text: names.includes("large_text"),
        }),
    };
}

function render() {
    const status = client.status();
    // Before the first pull the page shows what it came with.
    if (status.ready) {
        root.dataset.themeChoice = String(client.read("settings", "theme") ?? "system");
        const accessibility = /** @type {Accessibility} */ (client.read("settings", "accessibility") ?? {});
        root.dataset.accessibility = Array.from(switches, (it) => it.name)
            .filter((name) => accessibility[/** @type {keyof Accessibility} */ (name)] === true).join(" ");
    }
    renderControls();
    renderStatus(status);
}

function renderControls() {
    const { theme, accessibility } = shown();
    for (const option of themes) option.checked = option.value === theme;
    for (const it of switches) it.checked = accessibility[/** @type {keyof Accessibility} */ (it.name)];
}

/** @param {import("../client.js").Status} status */
function renderStatus(status) {
    pending.textContent = String(status.pending);
    transport.textContent = SENTENCES[status.connection];
    badge.dataset.state = status.connection;
    if (status.connection === "starting") return;
    if (word.textContent !== status.connection) word.textContent = status.connection;
    offline.hidden = status.connection !== "offline";
    if (!offline.hidden) offline.textContent = offlineWords(status.pending);
}

/** @param {number} count */
function offlineWords(count) {
    const start = "The server cannot be reached. What you change here is kept while this page is open";
    if (count === 0) return `${start} and sent as soon as it is back.`;
    return `${start}; ${count === 1 ? "1 change waits" : `${count} changes wait`} to be sent.`;
}

/**
 * @param {string} key
 * @param {unknown} value
 */
async function set(key, value) {
    problem.hidden = true;
    const result = await client.mutate("settings.set", { key, value });
    if (result.status === "applied") return;
    problem.textContent = result.status === "conflict"
        ? "Another device changed this at the same time; its change stands."
        : result.problem?.detail ?? "The server refused this change.";
    problem.hidden = false;
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
    const control = /** @type {HTMLInputElement} */ (event.target);
    if (control.name === "theme") set("theme", control.value);
    else set("accessibility", { ...shown().accessibility, [control.name]: control.checked });
});
document.getElementById("theme-toggle")?.addEventListener("click", () => {
    set("theme", root.dataset.theme === "dark" ? "light" : "dark");
});
document.getElementById("sign-out")?.addEventListener("click", async () => {
    const waits = client.status().pending;
    if (waits > 0 && !confirm(`${offlineWords(waits)} Sign out and lose that?`)) return;
    leaving = true;
    const refused = await signOut();
    leaving = false;
    if (refused === null) {
        client.close();
        location.replace("/login?notice=signed-out");
        return;
    }
    problem.textContent = refused.detail;
    problem.hidden = false;
});

client.subscribe(render);
render();
