// The settings page: shows what the replica says, sends what the user does.

import { signOut } from "../../account.js";
import { usualSeconds } from "../../features/focus.js";
import { lengthOf } from "../../text.js";
import { conflictText } from "./conflicts.js";
import { ask, byId, element, field, fill, say, show, toast } from "./dom.js";
import { minutesOf, onSubmit, shownMinutes, wrong } from "./form.js";
import { act, client, complain, follow, leave, look, offlineWords } from "./frame.js";
import { forgetLook, recall } from "./look.js";
import { askPermission, permission } from "./notify.js";
import { problemText } from "./problems.js";
import { call } from "./rest.js";
import { chosenSound, play, SOUNDS } from "./sound.js";
import { whenText } from "./when.js";
import { deviceZone, isZone, shownZone } from "./zone.js";

/** @typedef {import("../../client.js").Conflict} Conflict */
/** @typedef {import("./session.js").Mode} Mode */

const form = /** @type {HTMLFormElement} */ (byId("settings"));
const themes = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[name=theme]"));
const abilities = [field("reduced-motion"), field("high-contrast"), field("large-text")];
const lengths = [field("focus-length"), field("break-length"), field("long-break-length")];
const notifications = field("notifications");
const zone = field("time-zone");
const sound = /** @type {HTMLSelectElement} */ (/** @type {unknown} */ (field("sound")));

const SENTENCES = {
    starting: "connecting…",
    realtime: "a live connection",
    polling: "asking every so often",
    offline: "nothing at the moment",
};

/**
 * @param {import("./conflicts.js").SettingKey} key  one that has words for when it is lost to another device
 * @param {unknown} value
 */
const set = (key, value) => act("settings.set", { key, value });

function render() {
    const { theme, accessibility } = look();
    for (const option of themes) option.checked = option.value === theme;
    for (const it of abilities) it.checked = accessibility[/** @type {keyof typeof accessibility} */ (it.name)];
    const status = client.status();
    if (status.ready) {
        // What somebody is writing stays as they write it.
        for (const it of lengths) {
            put(it, shownMinutes(usualSeconds(/** @type {Mode} */ (it.name), client.read)));
        }
        sound.value = chosenSound(client.read);
        show(byId("listen"), sound.value !== "none");
        put(zone, String(client.read("settings", "time_zone") ?? ""));
        zone.placeholder = shownZone(client);
    }
    notifications.indeterminate = !status.ready;
    notifications.checked = client.read("settings", "notifications_enabled") === true;
    say(byId("notifications-hint"), notifications.checked && permission() !== "granted"
        ? "When a session ends. This browser has not allowed them yet." : "When a session ends.");
    say(byId("transport"), SENTENCES[status.connection]);
    say(byId("waiting"), String(status.pending));
    say(byId("storage"), status.storage === "memory" ? "nothing: this browser keeps nothing"
        : status.storage === "full" ? "no more: its storage is full" : "a copy, for the time without network");
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
    else if (control.id === sound.id) void setSound(/** @type {import("./sound.js").Sound} */ (control.value));
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

/** @param {import("./sound.js").Sound} choice */
async function setSound(choice) {
    void set("focus.sound", choice);
    await play(choice);
}

byId("listen").addEventListener("click", () => void play(chosenSound(client.read)));

/** @param {HTMLInputElement} input */
function setLength(input) {
    const seconds = minutesOf(input);
    if (seconds !== null) void set(/** @type {`${Mode}.duration_seconds`} */ (`${input.name}.duration_seconds`), seconds);
}

async function setZone() {
    const name = zone.value.trim();
    wrong(zone, name === "" || isZone(name) ? null : "The name of a time zone, such as Europe/Berlin.");
    if (zone.getAttribute("aria-invalid") === "true") return;
    // Without a name the account has none, and gets this browser's as at the first sign-in.
    const chosen = name === "" ? deviceZone() : name;
    if (chosen === null) await act("settings.delete", { key: "time_zone" });
    else await set("time_zone", chosen);
}

// Conflicts

function renderConflicts() {
    const conflicts = client.conflicts();
    show(byId("conflicts"), conflicts.length > 0);
    const sense = (/** @type {Conflict} */ it) => [wordsOf(it), whenText(it.at)];
    fill(byId("conflict-rows"), conflicts, (it) => it.id, sense, (it) => element("li", { class: "row" },
        element("div", {},
            element("strong", {}, wordsOf(it)),
            element("p", { class: "hint" }, whenText(it.at))),
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
    let result = await client.takeBack(conflict);
    if (result.problem?.code === "unknown_past") {
        if (!await ask({
            title: `${conflictText(conflict).title}: put all of it back?`,
            text: ["What stood there before cannot be asked for at the moment. All of it would be as you had chosen then, whatever "
                + "was chosen on other devices since."],
            yes: "Put all back", testId: "confirm-take-back",
        })) return;
        result = await client.takeBack(conflict, { whole: true });
    }
    if (result.status === "applied") return;
    complain(result.status === "rejected" ? problemText(result.problem)
        : "Another device changed it again; that stands.");
}

/** @param {Conflict} conflict */
function wordsOf(conflict) {
    const { title, words } = conflictText(conflict);
    return `${title}: ${words}.`;
}

// The account

byId("sign-out").addEventListener("click", async () => {
    const status = client.status();
    if (status.pending > 0 && !await ask({
        title: "Sign out now?", text: [`${offlineWords(status)} That waits for your next sign-in on this device.`],
        yes: "Sign out", testId: "confirm-sign-out",
    })) return;
    const refused = await leave(signOut, (it) => it === null);
    if (refused !== null) return complain(problemText(refused));
    client.close();
    await forgetLook();
    location.replace("/login?notice=signed-out");
});

/** @param {string} password */
function tooLong(password) {
    return lengthOf(password) > 256 ? "A password has at most 256 characters." : null;
}

/**
 * What is wrong with a new password, by the server's count; null: nothing.
 * @param {string} password
 */
function passwordWords(password) {
    const length = lengthOf(password);
    return length < 8 ? "A password has at least 8 characters." : tooLong(password);
}

onSubmit(/** @type {HTMLFormElement} */ (byId("password")), async () => {
    const [current, next] = [field("current-password"), field("new-password")];
    const words = passwordWords(next.value);
    wrong(next, words);
    const wrongs = current.value === "" ? "Your current password." : tooLong(current.value);
    wrong(current, wrongs);
    if (wrongs !== null || words !== null) return;
    const { ok, problem } = await call(
        "POST", "/api/auth/password", { current_password: current.value, new_password: next.value });
    if (!ok) return blame(problem, { "/current_password": current, "/new_password": next }, current);
    current.value = "";
    next.value = "";
    toast("The password is changed. All other devices are signed out.");
});

onSubmit(/** @type {HTMLFormElement} */ (byId("erase")), async () => {
    const password = field("erase-password");
    const words = password.value === "" ? "Your password, so that nobody else does this." : tooLong(password.value);
    wrong(password, words);
    if (words !== null) return;
    const sure = await ask({
        title: "Erase the account?", text: ["Everything is deleted on the server, and cannot be brought back."],
        yes: "Erase everything", testId: "confirm-erase", grave: true,
    });
    if (!sure) return;
    const { ok, problem } = await leave(
        () => call("DELETE", "/api/account", { password: password.value }), (it) => it.ok);
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
        if (input !== undefined) return wrong(input, passwordWords(input.value) ?? detail);
    }
    complain(problemText(problem));
}

// A page that came without network does not know the address; what was kept does.
if (byId("email").textContent === "") {
    void recall("account").then((kept) => say(byId("email"), kept?.body.email ?? "not known without network"));
}
sound.append(...Object.entries(SOUNDS).map(([value, name]) => element("option", { value }, name)));
// None of them is chosen until it is known which.
sound.value = "";
const zones = /** @type {any} */ (Intl).supportedValuesOf?.("timeZone") ?? [];
byId("time-zones").append(...zones.map((/** @type {string} */ it) => element("option", { value: it })));
follow(render);
