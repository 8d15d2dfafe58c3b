// Signing in, up and out. The cookie that the server sets is the session; no script ever sees or keeps a token.

import { describeDevice } from "./device.js";

/**
 * A refusal in words (RFC 9457), or what stands in for one when no server answered.
 * @typedef {object} Problem
 * @property {number} status  0 when there was no answer
 * @property {string} code
 * @property {string} detail
 * @property {Array<{pointer: string, detail: string}>} [errors]  which members of the body are wrong
 */

/**
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Problem | null>} null: signed in
 */
export function signIn(email, password) {
    return post("/api/auth/login", { email, password, device: describeDevice(navigator.userAgent) });
}

/**
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Problem | null>} null: the account exists and this device is signed in
 */
export function register(email, password) {
    return post("/api/auth/register", { email, password, device: describeDevice(navigator.userAgent) });
}

/**
 * Ends this device's session.
 * @returns {Promise<Problem | null>} null: signed out, also when the session had ended already
 */
export async function signOut() {
    const problem = await post("/api/auth/logout");
    return problem?.status === 401 ? null : problem;
}

/**
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<Problem | null>}
 */
async function post(path, body) {
    /** @type {RequestInit} */
    const request = { method: "POST", cache: "no-store", signal: AbortSignal.timeout(20_000) };
    if (body !== undefined) {
        request.headers = { "Content-Type": "application/json" };
        request.body = JSON.stringify(body);
    }
    try {
        const response = await fetch(path, request);
        return response.ok ? null : await problemOf(response);
    } catch {
        return { status: 0, code: "unreachable", detail: "The server cannot be reached. Are you online?" };
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
