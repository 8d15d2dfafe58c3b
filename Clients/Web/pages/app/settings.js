// The settings page: shows what the replica says, sends what the user does.

import { signOut } from "../../account.js";
import { ask, byId, element, field, fill, say, show, toast } from "./dom.js";
import { minutesOf, onSubmit, shownMinutes, wrong } from "./form.js";
import { act, client, complain, follow, forgetLook, leave, look, offlineWords } from "./frame.js";
import { askPermission, permission } from "./notify.js";
import { call } from "./rest.js";
import { MODES, usualSeconds } from "./session.js";

/** @typedef {import("../../client.js").Conflict} Conflict */
/** @typedef {import("./session.js").Mode} Mode */

const form = /** @type {HTMLFormElement} */ (byId("settings"));
const themes = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[name=theme]"));
const abilities = [field("reduced-motion"), field("high-contrast"), field("large-text")];
const lengths = [field("focus-length"), field("break-length"), field("long-break-length")];
const notifications = field("notifications");
const zone = field("time-zone");

const SENTENCES = {
    starting: "connecting…",
    realtime: "a live connection",
    polling: "asking every so often",
    offline: "nothing at the moment",
};

/** @param {string} key @param {unknown} value */
const set = (key, value) => act("settings.set", { key, value });

function render() {
    const { theme, accessibility } = look();
    for (const option of themes) option.checked = option.value === theme;
    for (const it of abilities) it.checked = accessibility[/** @type {keyof typeof accessibility} */ (it.name)];
    const status = client.status();
    if (status.ready) {
        // What somebody is writing stays as he writes it.
        for (const it of lengths) {
            put(it, shownMinutes(usualSeconds(/** @type {Mode} */ (it.name), client.read)));
        }
        put(zone, String(client.read("settings", "time_zone") ?? ""));
    }
    notifications.checked = client.read("settings", "notifications_enabled") === true;
    say(byId("notifications-hint"), notifications.checked && permission() !== "granted"
        ? "When a session ends. This browser has not allowed them yet." : "When a session ends.");
    say(byId("transport"), SENTENCES[status.connection]);
    say(byId("waiting"), String(status.pending));
    say(byId("storage"), status.storage === "memory" ? "nothing: this browser keeps nothing"
        : "a copy, for the time without network");
    renderConflicts();
}

/** @param {HTMLInputElement} input @param {string} value */
function put(input, value) {
    if (document.activeElement === input || input.getAttribute("aria-invalid") === "true") return;
    if (input.value !== value) input.value = value;
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
    const control = /** @type {HTMLInputElement} */ (event.target);
    if (control.name === "theme") void set("theme", control.value);
    else if (control === notifications) void setNotifications(control.checked);
    else if (control === zone) void setZone();
    else if (lengths.includes(control)) setLength(control);
    else void set("accessibility", { ...look().accessibility, [control.name]: control.checked });
});

/** @param {boolean} on */
async function setNotifications(on) {
    if (on && await askPermission() === "denied") {
        complain("This browser does not allow notifications here. Others that you use may.");
    }
    void set("notifications_enabled", on);
}

/** @param {HTMLInputElement} input */
function setLength(input) {
    const seconds = minutesOf(input);
    if (seconds !== null) void set(`${input.name}.duration_seconds`, seconds);
}

async function setZone() {
    const name = zone.value.trim();
    wrong(zone, name === "" || isZone(name) ? null : "The name of a time zone, such as Europe/Berlin.");
    if (zone.getAttribute("aria-invalid") === "true") return;
    if (name === "") await act("settings.delete", { key: "time_zone" });
    else await set("time_zone", name);
}

/** @param {string} name */
function isZone(name) {
    try {
        new Intl.DateTimeFormat("en-GB", { timeZone: name });
        return /^[A-Za-z]/.test(name);
    } catch {
        return false;
    }
}

// Conflicts

function renderConflicts() {
    const conflicts = client.conflicts();
    show(byId("conflicts"), conflicts.length > 0);
    fill(byId("conflict-rows"), conflicts, (it) => it.id, (it) => it, (it) => element("li", { class: "row" },
        element("div", {},
            element("strong", {}, deedText(it)),
            element("p", { class: "hint" }, `It stands at: ${valueText(it.current?.value)}`)),
        element("div", { class: "buttons" },
            element("button", {
                type: "button", class: "button", "data-testid": `take-back-${it.id}`,
                click: () => void takeBack(it),
            }, "Take back"),
            element("button", {
                type: "button", class: "button quiet", "data-testid": `dismiss-${it.id}`,
                click: () => {
                    complain(null);
                    void client.dismissConflict(it.id);
                },
            }, "Dismiss"))));
}

/** @param {Conflict} conflict */
async function takeBack(conflict) {
    complain(null);
    const result = await client.takeBack(conflict);
    if (result.status === "applied") return;
    complain(result.problem?.detail ?? "Another device changed it again; that stands.");
}

/**
 * What a lost change meant.
 * @param {Conflict} conflict
 */
function deedText({ mutation: { name, args }, lost_value: lost }) {
    if (name === "settings.set") return `${args.key}: ${valueText(lost ?? args.value)}`;
    if (name === "settings.delete") return `${args.key}: removed`;
    const verb = name.split(".")[1] ?? name;
    return `Focus session: ${verb}`;
}

/**
 * A value in a few characters.
 * @param {any} value
 */
function valueText(value) {
    if (value === null || value === undefined) return "nothing";
    if (typeof value === "object" && "mode" in value && "status" in value) {
        return `${MODES[/** @type {Mode} */ (value.mode)]?.name ?? value.mode}, ${value.status}`;
    }
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

// The account

byId("sign-out").addEventListener("click", async () => {
    const status = client.status();
    if (status.pending > 0 && !await ask({
        title: "Sign out now?", text: [`${offlineWords(status)} That waits for your next sign-in on this device.`],
        yes: "Sign out", testId: "confirm-sign-out",
    })) return;
    const refused = await leave(signOut);
    if (refused !== null) return complain(refused.detail);
    client.close();
    await forgetLook();
    location.replace("/login?notice=signed-out");
});

onSubmit(/** @type {HTMLFormElement} */ (byId("password")), async () => {
    const [current, next] = [field("current-password"), field("new-password")];
    wrong(next, [...next.value].length < 8 ? "A password has at least 8 characters." : null);
    wrong(current, current.value === "" ? "Your current password." : null);
    if (current.value === "" || [...next.value].length < 8) return;
    const { ok, problem } = await call(
        "POST", "/api/auth/password", { current_password: current.value, new_password: next.value });
    if (!ok) return blame(problem, { "/current_password": current, "/new_password": next }, current);
    current.value = "";
    next.value = "";
    toast("The password is changed. All other devices are signed out.");
});

onSubmit(/** @type {HTMLFormElement} */ (byId("erase")), async () => {
    const password = field("erase-password");
    wrong(password, password.value === "" ? "Your password, so that nobody else does this." : null);
    if (password.value === "") return;
    const sure = await ask({
        title: "Erase the account?", text: ["Everything is deleted on the server, and cannot be brought back."],
        yes: "Erase everything", testId: "confirm-erase",
    });
    if (!sure) return;
    const { ok, problem } = await leave(() => call("DELETE", "/api/account", { password: password.value }));
    if (!ok) return blame(problem, { "/password": password }, password);
    client.close();
    await signOut();
    await forgetLook();
    location.replace("/login?notice=erased");
});

/**
 * Puts a refusal beside the field that it is about.
 * @param {import("./rest.js").Problem | null} problem
 * @param {Record<string, HTMLInputElement>} fields  by pointer
 * @param {HTMLInputElement} password  what `wrong_credentials` is about
 */
function blame(problem, fields, password) {
    if (problem?.code === "wrong_credentials") return wrong(password, "This is not your password.");
    for (const { pointer, detail } of problem?.errors ?? []) {
        const input = fields[pointer];
        if (input !== undefined) return wrong(input, detail);
    }
    complain(problem?.detail ?? null);
}

// A page that came without network does not know the address.
if (byId("email").textContent === "") {
    void call("GET", "/api/auth/me").then(({ ok, body }) => {
        say(byId("email"), ok ? body.user.email : "not known without network");
    });
}
const zones = /** @type {any} */ (Intl).supportedValuesOf?.("timeZone") ?? [];
byId("time-zones").append(...zones.map((/** @type {string} */ it) => element("option", { value: it })));
follow(render);
