// What went wrong, as a person says it. The server writes its problems for whoever programs against it.

import { features } from "../../features/index.js";

/** @typedef {import("../../contract.js").Problem} Problem */

/** @type {Record<string, string | ((problem: Record<string, any>) => string)>} */
const WORDS = Object.assign({
    unauthenticated: "You are signed out here. Sign in again to go on.",
    cross_origin: "This page was opened under another address than the server expects, so nothing was changed.",
    email_taken: "This e-mail address has an account already. Sign in with it, or take another address.",
    wrong_credentials: "No account has this e-mail address and this password.",
    not_found: "This is not there any more.",
    payload_too_large: "This is more than can be sent at once.",
    queue_full: "Too many changes wait to be sent. Connect to the network first.",
    version_mismatch: "This was changed on another device meanwhile. Look at it again.",
    storage_full: "Your account has no room left for this.",
    unknown: "That did not work. Please try again.",
    internal_error: "Something went wrong on the server. Please try again.",
}, ...features.map((feature) => feature.problems));
// Of these the server says what a person wants to know: how many are left, how long to wait.
const SPOKEN = new Set(["item_unavailable", "out_of_stock", "insufficient_coins", "rate_limited", "unavailable"]);
// What only a programmer would say of a field.
const TECHNICAL = /[`{}<>]|\/api\/|[a-z]_[a-z]|\b(JSON|UUID|HTTP|null|string|Idempotency|If-Match|cookie|body|member|request id)\b/i;

/**
 * @param {Problem | null | undefined} problem
 * @returns {string}
 */
export function problemText(problem) {
    const words = problem === null || problem === undefined ? undefined : WORDS[problem.code];
    if (typeof words === "string") return words;
    if (words !== undefined) return words(/** @type {Record<string, any>} */ (problem));
    const { status, code = "", detail = "" } = problem ?? {};
    // What no server said this client says itself. What has no code is about one field of a form.
    const ours = status === 0 || SPOKEN.has(code) || (code === "" && !TECHNICAL.test(detail));
    return ours && detail !== "" ? detail : "The server refused this; nothing was changed.";
}
