// The devices page: who is signed in, who is there, and how to end that.

import { signOut } from "../../account.js";
import { ask, byId, element, field, fill, say, show, toast } from "./dom.js";
import { onSubmit, wrong } from "./form.js";
import { client, complain, follow, forgetLook, leave } from "./frame.js";
import { call } from "./rest.js";
import { whenText } from "./when.js";

/**
 * @typedef {object} Device
 * @property {string} id
 * @property {string} name
 * @property {"desktop" | "mobile" | "web" | "other"} kind
 * @property {string} created_at
 * @property {string} last_seen_at
 * @property {boolean} online
 * @property {boolean} current
 */

const ASK_AGAIN_MS = 30_000;
const KINDS = { desktop: "Desktop", mobile: "Phone or tablet", web: "Browser", other: "Other" };
/** @type {Device[]} */
let devices = [];
/**
 * The one whose name is being written.
 * @type {string | null}
 */
let renaming = null;
let asked = 0;

async function refresh() {
    asked += 1;
    const mine = asked;
    const { ok, body, problem } = await call("GET", "/api/devices");
    if (mine !== asked) return;
    if (ok) devices = body.devices;
    else if (devices.length === 0) say(byId("devices-empty"), problem?.detail ?? "");
    render();
}

/**
 * Who is there: what the socket said last is newer than the list.
 * @param {Device} device
 */
function isOnline(device) {
    const present = client.devices()?.find((it) => it.id === device.id);
    return client.devices() === null ? device.online : present?.online === true;
}

function render() {
    show(byId("devices-empty"), devices.length === 0);
    const rows = devices.map((it) => ({ ...it, online: isOnline(it), renaming: it.id === renaming }))
        .sort((one, other) => Number(other.current) - Number(one.current) || Number(other.online) - Number(one.online)
            || other.last_seen_at.localeCompare(one.last_seen_at));
    const sense = (/** @type {typeof rows[number]} */ it) => [it.name, it.kind, it.online, it.current, it.renaming,
        it.online ? "" : it.last_seen_at];
    fill(byId("devices"), rows, (it) => it.id, sense, (it) => it.renaming ? renameRow(it) : row(it));
}

/** @param {Device} device */
function row(device) {
    return element("li", { class: "row device", "data-testid": `device-${device.id}` },
        element("div", {},
            element("strong", {}, device.name),
            " ", device.current && element("span", { class: "tag" }, "this device"),
            " ", device.online && element("span", { class: "tag good", "data-testid": "online" }, "online"),
            element("p", { class: "hint" }, KINDS[device.kind] ?? device.kind,
                device.online ? "" : ` · last seen ${whenText(device.last_seen_at)}`)),
        element("div", { class: "buttons" },
            element("button", {
                type: "button", class: "button quiet", "aria-label": `Rename ${device.name}`,
                "data-testid": `rename-${device.id}`, click: () => startRenaming(device.id),
            }, "Rename"),
            element("button", {
                type: "button", class: "button bad", "aria-label": `Sign out ${device.name}`,
                "data-testid": `revoke-${device.id}`, click: () => void revoke(device),
            }, "Sign out")));
}

/** @param {Device} device */
function renameRow(device) {
    const form = element("form", { class: "field grow", novalidate: true },
        element("label", { for: "new-name" }, `New name of ${device.name}`),
        element("input", {
            id: "new-name", type: "text", value: device.name, autocomplete: "off",
            "aria-describedby": "new-name-problem", "data-testid": "new-name",
            keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && startRenaming(null),
        }),
        element("p", { id: "new-name-problem", class: "problem", hidden: true }),
        element("div", { class: "buttons" },
            element("button", { type: "submit", class: "button primary", "data-testid": "save-name" }, "Save"),
            element("button", { type: "button", class: "button", click: () => startRenaming(null) }, "Cancel")));
    onSubmit(form, () => rename(device));
    return element("li", { class: "row" }, form);
}

/** @param {string | null} id */
function startRenaming(id) {
    const before = renaming;
    renaming = id;
    render();
    if (id !== null) field("new-name").select();
    else if (before !== null) document.querySelector(`[data-testid="rename-${before}"]`)?.closest("button")?.focus();
}

/** @param {Device} device */
async function rename(device) {
    const input = field("new-name");
    const name = input.value.trim();
    wrong(input, name === "" ? "A name that you will know it by." : null);
    if (name === "") return;
    const { ok, problem } = await call("PATCH", `/api/devices/${device.id}`, { name });
    if (!ok) return wrong(input, problem?.errors?.[0]?.detail ?? problem?.detail ?? null);
    device.name = name;
    devices = devices.map((it) => it.id === device.id ? { ...it, name } : it);
    startRenaming(null);
    void refresh();
}

/** @param {Device} device */
async function revoke(device) {
    const sure = await ask({
        title: `Sign out ${device.name}?`,
        text: [device.current ? "This is the device you are using." : "It has to sign in again to go on.",
            " What it has not sent yet stays on it."],
        yes: "Sign out", testId: "confirm-revoke",
    });
    if (!sure) return;
    complain(null);
    if (device.current) {
        const refused = await leave(signOut);
        if (refused !== null) return complain(refused.detail);
        client.close();
        await forgetLook();
        location.replace("/login?notice=signed-out");
        return;
    }
    const { ok, problem } = await call("DELETE", `/api/devices/${device.id}`);
    if (!ok && problem?.status !== 404) return complain(problem?.detail ?? null);
    toast(`${device.name} is signed out.`);
    devices = devices.filter((it) => it.id !== device.id);
    render();
    void refresh();
}

let reached = false;
/** @type {unknown} */
let heard = null;
follow(() => {
    const { connection } = client.status();
    const now = connection === "realtime" || connection === "polling";
    const present = client.devices();
    // Somebody came or went: the list may have another one.
    if (now && (!reached || present !== heard)) void refresh();
    reached = now;
    heard = present;
    render();
});
// Devices without a socket sign in and out without a word to the others.
document.addEventListener("visibilitychange", () => reached && !document.hidden && void refresh());
setInterval(() => reached && !document.hidden && void refresh(), ASK_AGAIN_MS);
