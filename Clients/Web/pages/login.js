// The sign-in page: one form for both, signing in and signing up.

import { register, signIn } from "../account.js";
import { installStorageGuard } from "../guard/storage-guard.js";

/** @typedef {import("../account.js").Problem} Problem */

const form = /** @type {HTMLFormElement} */ (document.getElementById("sign-in"));
const email = /** @type {HTMLInputElement} */ (document.getElementById("email"));
const password = /** @type {HTMLInputElement} */ (document.getElementById("password"));
const error = /** @type {HTMLElement} */ (document.getElementById("error"));
const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
const reveal = /** @type {HTMLButtonElement} */ (document.getElementById("reveal"));
const registerButton = /** @type {HTMLButtonElement} */ (document.getElementById("register"));
const signInButton = /** @type {HTMLButtonElement} */ (form.querySelector("[type=submit]"));

const NOTICES = new Map([
    ["signed-out", "You have signed out on this device."],
    ["erased", "Your account and everything in it is erased."],
    ["ended", "You have been signed out here. Sign in again to go on."],
]);

installStorageGuard();

let busy = false;

/** @param {(email: string, password: string) => Promise<Problem | null>} act */
async function attempt(act) {
    if (busy) return;
    clearProblems();
    const address = email.value.trim();
    if (!/^[^\s@]+@[^\s@]+$/.test(address)) {
        complain(email, "Enter your e-mail address, such as name@example.org.");
    } else if (password.value.length < 8) {
        complain(password, "A password has at least 8 characters.");
    } else {
        setBusy(true);
        const problem = await act(address, password.value);
        if (problem === null) {
            location.replace("/app/today");
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
            complain(field, detail);
            return;
        }
    }
    error.textContent = problem.detail;
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
    attempt(signIn);
});
registerButton.addEventListener("click", () => attempt(register));
reveal.addEventListener("click", () => {
    const shown = password.type === "password";
    password.type = shown ? "text" : "password";
    reveal.textContent = shown ? "Hide" : "Show";
    reveal.setAttribute("aria-label", shown ? "Hide the password" : "Show the password");
    password.focus();
});

const words = NOTICES.get(new URLSearchParams(location.search).get("notice") ?? "");
if (words !== undefined) {
    notice.textContent = words;
    notice.hidden = false;
    history.replaceState(null, "", "/login");
}
