// Signing in, up and out. The cookie that the server sets is the session; no script ever sees or keeps a token. What is
// kept is which device this is, so that the next sign-in is the same one, and whose queue waits.

import { describeDevice, isHandheld } from "./device.js";
import { inTime, openStore, storeName } from "./shell/store.js";
import { announceSignIn, announceSignOut } from "./shell/tabs.js";

/** @typedef {import("./contract.js").Problem} Problem */

// Nobody waits longer than that for a browser's store to say or to note who is here.
const STORE_MS = 3_000;

/**
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Problem | null>} null: signed in
 */
export function signIn(email, password) {
    return enter("/api/auth/login", email, password);
}

/**
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Problem | null>} null: the account exists and this device is signed in
 */
export function register(email, password) {
    return enter("/api/auth/register", email, password);
}

/**
 * Ends this device's session, and forgets what was shown. Changes that wait to be sent stay, for the same user's next
 * sign-in here.
 * @returns {Promise<Problem | null>} null: signed out, also when the session had ended already
 */
export async function signOut() {
    const { problem } = await post("/api/auth/logout");
    if (problem !== null && problem.status !== 401) return problem;
    const name = storeName(location.origin);
    announceSignOut(name);
    await inTime(forget(name).catch(() => undefined), STORE_MS, undefined);
    return null;
}

/** @param {string} name */
async function forget(name) {
    const store = openStore(name);
    const last = await store.last();
    if (last !== null) await store.clear(last);
}

/**
 * @param {string} path
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Problem | null>}
 */
async function enter(path, email, password) {
    const name = storeName(location.origin);
    const store = openStore(name);
    const id = await inTime(store.deviceOf(email).catch(() => null), STORE_MS, null);
    const device = { ...describeDevice(navigator.userAgent, isHandheld()), ...(id === null ? {} : { id }) };
    const { problem, answer } = await post(path, { email, password, device });
    if (problem !== null) return problem;
    const known = { account: answer.user.id, device: answer.device.id, email: answer.user.email };
    await inTime(store.remember(known).catch(() => undefined), STORE_MS, undefined);
    announceSignIn(name);
    return null;
}

/**
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<{problem: Problem | null, answer: any}>}
 */
async function post(path, body) {
    const abort = new AbortController();
    const deadline = setTimeout(() => abort.abort(), 20_000);
    /** @type {RequestInit} */
    const request = { method: "POST", cache: "no-store", signal: abort.signal };
    if (body !== undefined) {
        request.headers = { "Content-Type": "application/json" };
        request.body = JSON.stringify(body);
    }
    try {
        const response = await fetch(path, request);
        if (!response.ok) return { problem: await problemOf(response), answer: null };
        return { problem: null, answer: response.status === 204 ? null : await response.json() };
    } catch {
        const detail = "The server cannot be reached. Are you online?";
        return { problem: { status: 0, code: "unreachable", detail }, answer: null };
    } finally {
        clearTimeout(deadline);
    }
}

/**
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
async function problemOf(response) {
    const fallback = { status: response.status, code: "unknown", detail: "That did not work. Please try again." };
    if (!response.headers.get("Content-Type")?.startsWith("application/problem+json")) return fallback;
    const problem = await response.json();
    return { ...fallback, ...problem };
}
