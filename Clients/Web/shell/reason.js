// Why a request brought nothing, as far as a runtime tells. A browser says of no network, no such server and a certificate
// that it refuses the same; of another origin's server it can be found out whether it is there at all.

/** @typedef {import("../sync/types.js").Reason} Reason */

const PROBE_MS = 3_000;
const CERTIFICATE = /CERT|SIGNATURE|SELF_SIGNED/;

/**
 * @param {any} error  of `fetch`
 * @param {string} url  the server's address
 * @returns {Promise<Reason>}
 */
export async function reasonOf(error, url) {
    // Node says it in the cause.
    if (CERTIFICATE.test(String(error?.cause?.code ?? ""))) return "certificate";
    const here = globalThis.location;
    if (error?.name === "AbortError" || here === undefined) return "unreachable";
    if (new URL(url, here.href).origin === here.origin) return "unreachable";
    const late = new AbortController();
    const deadline = setTimeout(() => late.abort(), PROBE_MS);
    try {
        // Asked so that no permission is needed: it is there, and does not let this page read what it says.
        await fetch(new URL("/healthz", url), { mode: "no-cors", cache: "no-store", credentials: "omit", signal: late.signal });
        return "origin_refused";
    } catch {
        return "unreachable";
    } finally {
        clearTimeout(deadline);
    }
}
