// A server that takes a question about lost changes and never answers it: what is asked afterwards is asked all the same.

import { mock } from "node:test";
import { Conflicts } from "../../Clients/Web/shell/conflicts.js";
import { Transport } from "../../Clients/Web/shell/transport.js";

mock.timers.enable({ apis: ["setTimeout"] });
let hangs = true;
/** @type {string[]} */
const asked = [];
globalThis.fetch = /** @type {any} */ (async (/** @type {URL} */ address, /** @type {RequestInit} */ { method, signal }) => {
    asked.push(`${method} ${address.pathname}`);
    if (hangs) return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    return method === "DELETE" ? new Response(null, { status: 204 }) : Response.json({ conflicts: [{ id: "left" }], next: null });
});

/** @type {any[]} */
let known = [{ id: "gone" }, { id: "left" }];
/** @type {string[]} */
let untold = [];
const transport = new Transport("https://example.org", () => undefined);
const conflicts = new Conflicts({
    call: (method, path, patience) => transport.call(method, path, patience), known: () => known,
    changed: (now) => (known = now),
    dismissals: async ({ more = [], told = [] }) => (untold = [...untold, ...more].filter((id) => !told.includes(id))),
});

const first = conflicts.dismiss("gone");
while (asked.length === 0) await new Promise((next) => setImmediate(next));
const meanwhile = untold;
mock.timers.tick(10_000);
await first;
hangs = false;
await conflicts.fetch();
console.log(JSON.stringify({ asked, meanwhile, untold, known: known.map((it) => it.id) }));
