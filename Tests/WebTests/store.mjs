// node store.mjs CASE: the client's store over an IndexedDB that a test makes. Prints as JSON what became of it.

import { clearTimeout, setTimeout as wait } from "./counted-time.mjs";

const full = () => new DOMException("Encountered full disk while opening backing store.", "QuotaExceededError");
Object.assign(globalThis, { setTimeout: wait, clearTimeout });
globalThis.IDBKeyRange = { bound: () => undefined };
console.warn = () => undefined;

let opened = 0;
/** @param {(request: any, attempt: number) => void} answer */
const openings = (answer) => ({
    open() {
        opened += 1;
        const request = {};
        const attempt = opened;
        wait(() => answer(request, attempt), 1);
        return request;
    },
});
const failing = (error) => openings((request) => {
    request.error = error();
    request.onerror();
});
const working = (request, behave) => {
    request.result = { transaction: (stores, mode) => transaction(mode, behave), close() {} };
    request.onsuccess();
};

/** One that works, or that ends as `behave` says for its mode. */
function transaction(mode, behave) {
    const it = {
        abort() {}, commit() {},
        objectStore: () => new Proxy({}, {
            get: (_, name) => () => {
                const request = { result: name === "getAll" ? [] : undefined, transaction: it };
                wait(() => request.onsuccess?.(), 1);
                return request;
            },
        }),
    };
    wait(() => {
        const end = behave[mode];
        if (end === "silent") return;
        if (end === undefined) return it.oncomplete();
        it.error = end();
        it.onabort();
    }, 5);
    return it;
}

const WORLDS = {
    "opening: full": failing(full),
    "opening: unknown": failing(() => new DOMException("Internal error.", "UnknownError")),
    "opening: silent": openings(() => undefined),
    "opening: fails once": openings((request, attempt) => {
        if (attempt > 1) return working(request, {});
        request.error = full();
        request.onerror();
    }),
    "reading: full": openings((request) => working(request, { readonly: full })),
    "writing: full": openings((request) => working(request, { readwrite: full })),
};

globalThis.indexedDB = WORLDS[process.argv[2]];
const { openStore } = await import("../../Clients/Web/shell/store.js");
let lost = 0;
const store = openStore("lockstep", () => (lost += 1));
await store.last();
const { account } = await store.load("a");
const entry = { mutation: { id: "m", name: "settings.set", args: {} }, made: 0 };
const kept = await store.persist("a", [entry]).then(() => "kept", (error) => error.name);
console.log(JSON.stringify({ kind: store.kind, lost, account, kept, opened }));
process.exit(0);
