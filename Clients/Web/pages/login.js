// The ways in: /login, where both signing in and signing up are possible with the same two fields, and /signup, which tells a
// password manager that the password is a new one. Where somebody was going, they go on to afterwards.

import { register, signIn } from "../account.js";
import { installStorageGuard } from "../guard/storage-guard.js";
import { lengthOf } from "../text.js";
import { forgetLook } from "./app/look.js";
import { startOfflineWorker } from "./app/offline-worker.js";
import { problemText } from "./app/problems.js";

/** @typedef {import("../account.js").Problem} Problem */

const form = /** @type {HTMLFormElement} */ (document.getElementById("entry"));
const email = /** @type {HTMLInputElement} */ (document.getElementById("email"));
const password = /** @type {HTMLInputElement} */ (document.getElementById("password"));
const error = /** @type {HTMLElement} */ (document.getElementById("error"));
const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
const reveal = /** @type {HTMLButtonElement} */ (document.getElementById("reveal"));
const registerButton = /** @type {HTMLElement} */ (document.getElementById("register"));
const signInButton = /** @type {HTMLElement} */ (document.getElementById("sign-in"));
/** Whether this is the page of who is new. */
const isSignUp = form.dataset.first === "register";

const NOTICES = new Map([
    ["signed-out", "You have signed out on this device."],
    ["erased", "Your account and everything in it is erased."],
    ["ended", "You have been signed out here. Sign in again to go on."],
]);

installStorageGuard();

// In bytes, as the server counts.
const LONGEST_ADDRESS = 254;
let busy = false;

/** @param {(email: string, password: string) => Promise<Problem | null>} act */
async function attempt(act) {
    if (busy) return;
    clearProblems();
    const address = email.value.trim();
    if (!/^[^\s@]+@[^\s@]+$/.test(address)) {
        complain(email, "Enter your e-mail address, such as name@example.org.");
    } else if (new TextEncoder().encode(address.slice(0, 255)).length > LONGEST_ADDRESS) {
        complain(email, "This is longer than an e-mail address can be.");
    } else if (lengthOf(password.value) < 8) {
        complain(password, "A password has at least 8 characters.");
    } else if (lengthOf(password.value) > 256) {
        complain(password, "A password has at most 256 characters.");
    } else {
        setBusy(true);
        const problem = await act(address, password.value);
        if (problem === null) {
            location.replace(next);
        } else {
            setBusy(false);
            show(problem);
        }
    }
}

/** @param {Problem} problem */
function show(problem) {
    for (const { pointer, detail } of problem.errors ?? []) {
        const field = pointer === "/email" ? email : pointer === "/password" ? password : null;
        if (field !== null) {
            complain(field, problemText({ ...problem, code: "", detail }));
            return;
        }
    }
    error.textContent = problemText(problem);
    error.hidden = false;
    switch (problem.code) {
    case "wrong_credentials":
        password.focus();
        password.select();
        break;
    case "email_taken":
        email.focus();
        break;
    default:
        error.focus();
    }
}

/**
 * @param {HTMLInputElement} field
 * @param {string} words
 */
function complain(field, words) {
    const place = /** @type {HTMLElement} */ (document.getElementById(`${field.id}-problem`));
    place.textContent = words;
    place.hidden = false;
    field.setAttribute("aria-invalid", "true");
    field.focus();
}

function clearProblems() {
    notice.hidden = true;
    error.hidden = true;
    for (const field of [email, password]) {
        field.removeAttribute("aria-invalid");
        /** @type {HTMLElement} */ (document.getElementById(`${field.id}-problem`)).hidden = true;
    }
}

/** @param {boolean} now  the buttons stay focusable meanwhile, so that the keyboard's place is not lost */
function setBusy(now) {
    busy = now;
    for (const button of [signInButton, registerButton]) button.setAttribute("aria-disabled", String(now));
}

form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(isSignUp ? register : signIn);
});
if (!isSignUp) {
    registerButton.addEventListener("click", () => {
        // Who has written nothing yet wants the page for that.
        if (email.value === "" && password.value === "") return location.assign(withNext("/signup"));
        password.autocomplete = "new-password";
        void attempt(register);
    });
}
reveal.addEventListener("click", () => {
    const shown = password.type === "password";
    password.type = shown ? "text" : "password";
    reveal.textContent = shown ? "Hide" : "Show";
    reveal.setAttribute("aria-label", shown ? "Hide the password" : "Show the password");
    password.focus();
});

// Where to go on. The address says it once; after that the entry in the history does, so that a reload keeps it and nobody
// passes it on with a link.

const HOME = "/app/today";

/**
 * A page of the app of this very server; whatever else a link may say is its first page.
 * @param {unknown} address
 */
function safe(address) {
    if (typeof address !== "string") return HOME;
    try {
        const { origin, pathname, search, hash } = new URL(address, location.origin);
        return origin === location.origin && pathname.startsWith("/app/") ? pathname + search + hash : HOME;
    } catch {
        return HOME;
    }
}

/** @param {string} page */
function withNext(page) {
    return next === HOME ? page : `${page}?next=${encodeURIComponent(next)}`;
}

const asked = new URLSearchParams(location.search);
const given = asked.get("next");
// A browser that is sent here keeps the fragment of the page that it wanted.
const next = safe(given === null ? history.state?.next : given.includes("#") ? given : given + location.hash);
const words = NOTICES.get(asked.get("notice") ?? history.state?.notice ?? "");
if (location.search !== "" || location.hash !== "") {
    history.replaceState({ next, notice: asked.get("notice") }, "", location.pathname);
}
if (words !== undefined) {
    notice.textContent = words;
    notice.hidden = false;
}
if (signInButton instanceof HTMLAnchorElement) signInButton.href = withNext("/login");
// The server shows this page to nobody who is signed in: what was kept for the time without network is somebody's no more.
void forgetLook();
void startOfflineWorker();
