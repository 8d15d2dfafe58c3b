// The devices page: who is signed in, who is there, and how to end that.

import { signOut } from "../../account.js";
import { lengthOf, tidy } from "../../text.js";
import { isReached, question, sayKnown, whenReached } from "./answers.js";
import { ask, byId, element, field, fill, toast } from "./dom.js";
import { onSubmit, wrong } from "./form.js";
import { client, complain, follow, leave } from "./frame.js";
import { forgetLook } from "./look.js";
import { problemText } from "./problems.js";
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
// By the server's count.
const LONGEST_NAME = 100;
const KINDS = { desktop: "Desktop", mobile: "Phone or tablet", web: "Browser", other: "Other" };
/** @type {Device[]} */
let devices = [];
/**
 * The one whose name is being written.
 * @type {string | null}
 */
let renaming = null;
const list = question("devices", () => call("GET", "/api/devices"), () => {
    const known = list.body();
    if (known !== shown) {
        shown = known;
        devices = known?.devices ?? [];
    }
    render();
});
/**
 * The answer that they came with.
 * @type {any}
 */
let shown = null;

/**
 * Who is there: what the socket said last is newer than the list.
 * @param {Device} device
 */
function isOnline(device) {
    // Without network nobody knows.
    if (list.old()) return false;
    const present = client.devices()?.find((it) => it.id === device.id);
    return client.devices() === null ? device.online : present?.online === true;
}

function render() {
    sayKnown(byId("devices-known"), list, {
        empty: null, unknown: "Your devices are not kept on this one. They show when the server is reached.",
    });
    const rows = devices.map((it) => ({ ...it, online: isOnline(it), renaming: it.id === renaming }))
        .sort((one, other) => Number(other.current) - Number(one.current) || Number(other.online) - Number(one.online)
            || other.last_seen_at.localeCompare(one.last_seen_at));
    // Whatever is heard of a device, the name that somebody is writing stays.
    const sense = (/** @type {typeof rows[number]} */ it) => it.renaming ? "renaming" : [
        it.name, it.kind, it.online, it.current, it.online ? "" : whenText(it.last_seen_at)];
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
    const name = tidy(input.value);
    const words = name === "" ? "A name that you will know it by."
        : lengthOf(name) > LONGEST_NAME ? `At most ${LONGEST_NAME} characters.` : null;
    wrong(input, words);
    if (words !== null) return;
    const { ok, problem } = await call("PATCH", `/api/devices/${device.id}`, { name });
    if (!ok) return wrong(input, problemText(problem));
    device.name = name;
    devices = devices.map((it) => it.id === device.id ? { ...it, name } : it);
    startRenaming(null);
    void list.refresh();
}

/** @param {Device} device */
async function revoke(device) {
    const sure = await ask({
        title: `Sign out ${device.name}?`,
        text: [device.current ? "This is the device you are using." : "It has to sign in again to go on.",
            " What it has not sent yet stays on it."],
        yes: "Sign out", testId: "confirm-revoke", grave: true,
    });
    if (!sure) return;
    complain(null);
    if (device.current) {
        const refused = await leave(signOut, (it) => it === null);
        if (refused !== null) return complain(problemText(refused));
        client.close();
        await forgetLook();
        location.replace("/login?notice=signed-out");
        return;
    }
    const { ok, problem } = await call("DELETE", `/api/devices/${device.id}`);
    if (!ok && problem?.status !== 404) return complain(problemText(problem));
    toast(`${device.name} is signed out.`);
    devices = devices.filter((it) => it.id !== device.id);
    render();
    void list.refresh();
}

/** @type {unknown} */
let heard = client.devices();
follow(() => {
    const present = client.devices();
    // Somebody came or went: the list may have another one.
    if (isReached() && present !== heard) void list.refresh();
    heard = present;
    render();
});
whenReached(() => void list.refresh());
// Devices without a socket sign in and out without a word to the others.
setInterval(() => isReached() && !document.hidden && void list.refresh(), ASK_AGAIN_MS);
