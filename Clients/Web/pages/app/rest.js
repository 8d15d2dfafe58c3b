// What is asked of the server over REST: everything that is no document of the replica.

/** @typedef {import("../../contract.js").Problem} Problem */

const NOT_OURS = "The network answered in the server's place. It may want you to sign in to it first.";

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {string} [key]  of a change that is synced: the same key happens once
 * @returns {Promise<{ok: boolean, body: any, problem: Problem | null}>} never rejects
 */
export async function call(method, path, body, key) {
    const abort = new AbortController();
    const deadline = setTimeout(() => abort.abort(), 20_000);
    /** @type {Record<string, string>} */
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key !== undefined) headers["Idempotency-Key"] = key;
    try {
        const answer = await fetch(path, {
            method, headers, cache: "no-store", signal: abort.signal,
            // oxlint-disable-next-line unicorn/no-invalid-fetch-options -- a GET comes without a body
            body: body === undefined ? null : JSON.stringify(body),
        });
        const type = answer.headers.get("Content-Type") ?? "";
        const said = type.includes("json") ? await answer.json() : null;
        // A network that asks for a sign-in of its own answers everything, in words that are not the server's.
        if (answer.ok && said === null && answer.status !== 204) {
            return { ok: false, body: null, problem: { status: 0, code: "unreachable", detail: NOT_OURS } };
        }
        if (answer.ok) return { ok: true, body: said, problem: null };
        const fallback = { status: answer.status, code: "unknown", detail: "That did not work. Please try again." };
        return { ok: false, body: null, problem: { ...fallback, ...said } };
    } catch {
        const detail = "The server cannot be reached. Are you online?";
        return { ok: false, body: null, problem: { status: 0, code: "unreachable", detail } };
    } finally {
        clearTimeout(deadline);
    }
}
