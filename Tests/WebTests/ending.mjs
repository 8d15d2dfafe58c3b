// node ending.mjs CASE: the page's word on the end of a session, in a world whose clocks, timers and document a test makes.
// Prints as JSON what was told: [[milliseconds after its time, where, words], …].

const END = Date.parse("2026-01-10T12:25:00.000Z");
const MINUTE = 60_000;

/** The world: a device that sleeps lets its stopwatch and its timers stand still. */
let now = 0;
let opened = 0;
let wall = END - 24 * MINUTE;
let hidden = false;
/** @type {Array<{at: number, act: () => void, id: number}>} */
let due = [];
let ids = 0;
const told = [];
/** What is really left to the end. */
let real = -24 * MINUTE;

/** Each page's stopwatch begins with it. */
const stopwatch = () => now - opened;
performance.now = stopwatch;
Date.now = () => wall;
function timer(act, milliseconds, coarse) {
    let at = now + milliseconds;
    // A page that nobody looks at rings once a minute.
    if (coarse && hidden) at = Math.ceil(at / MINUTE) * MINUTE;
    due.push({ at, act, id: ids += 1 });
    return ids;
}
const untimer = (id) => (due = due.filter((it) => it.id !== id));
globalThis.setTimeout = (act, milliseconds = 0) => timer(act, milliseconds, true);
globalThis.clearTimeout = untimer;

/** Lets time pass. */
async function pass(milliseconds) {
    const end = now + milliseconds;
    for (;;) {
        await undefined;
        const next = due.filter((it) => it.at <= end).sort((one, other) => one.at - other.at)[0];
        const at = next?.at ?? end;
        wall += at - now;
        real += at - now;
        now = at;
        if (next === undefined) break;
        untimer(next.id);
        next.act();
    }
}

function sleep(milliseconds) {
    wall += milliseconds;
    real += milliseconds;
}

class Element extends EventTarget {
    children = [];
    append(...children) {
        this.children.push(...children);
    }
    prepend(...children) {
        for (const it of children) if (this === toasts) told.push([real, "toast", it.children[0].children[0]]);
    }
    setAttribute() {}
    remove() {}
    /** Nothing points at it, and nothing has the keyboard. */
    matches() {
        return false;
    }
    contains() {
        return false;
    }
}
const toasts = new Element();
let title = "Focus";
globalThis.window = {};
globalThis.document = Object.assign(new EventTarget(), {
    getElementById: () => toasts, createElement: () => new Element(),
});
Object.defineProperty(document, "hidden", { get: () => hidden });
Object.defineProperty(document, "title", {
    get: () => title, set: (words) => {
        if (words !== "Focus") told.push([real, "title", words]);
        title = words;
    },
});
function look(is) {
    hidden = !is;
    document.dispatchEvent(new Event("visibilitychange"));
}
globalThis.Worker = class extends EventTarget {
    #timer = 0;
    postMessage(milliseconds) {
        untimer(this.#timer);
        if (milliseconds !== null) this.#timer = timer(() => this.dispatchEvent(new Event("message")), milliseconds, false);
    }
};

const { observe, slept } = await import("../../Clients/Web/sync/clock.js");
const { followEnding } = await import("../../Clients/Web/pages/app/ending.js");

/** A client that notices jumps as the shell does, and whose server answers ten milliseconds later. */
function makeClient({ online }) {
    const documents = new Map([["focus/active", {
        id: "s", mode: "focus", status: "active", duration_seconds: 1500, ends_at: new Date(END).toISOString(),
    }]]);
    const state = { ahead: END + real - stopwatch(), aheadAt: stopwatch(), aheadTold: null };
    let difference = wall - stopwatch();
    let listener = () => undefined;
    const changed = () => listener();
    const client = {
        documents, changed,
        read: (collection, id) => documents.get(`${collection}/${id}`),
        serverNow() {
            const by = wall - stopwatch() - difference;
            difference = wall - stopwatch();
            if (Math.abs(by) > 1_000) {
                slept({ state, now: stopwatch(), changed }, by);
                if (online) {
                    timer(() => {
                        observe({ state, now: stopwatch() }, new Date(END + real).toISOString(), 10);
                        changed();
                    }, 10, false);
                }
            }
            return stopwatch() + state.ahead;
        },
    };
    listener = followEnding(client);
    listener();
    // The shell looks at both clocks every five seconds.
    const again = () => {
        client.serverNow();
        timer(again, 5_000, true);
    };
    again();
    return client;
}

const CASES = {
    async "a clock set forward"() {
        makeClient({ online: true });
        await pass(10_000);
        wall += 60 * MINUTE;
        await pass(25 * MINUTE);
    },
    async "a clock set forward to the end"() {
        makeClient({ online: true });
        await pass(10_000);
        wall += -real + 20_000;
        await pass(25 * MINUTE);
    },
    async "a sleep over the end, without a connection"() {
        makeClient({ online: false });
        await pass(10_000);
        sleep(-real + 5_000);
        await pass(MINUTE);
    },
    async "a short sleep of a hidden tab"() {
        makeClient({ online: false });
        look(false);
        await pass(14 * MINUTE + 1_000);
        sleep(-real - 20_000);
        await pass(5 * MINUTE);
    },
    async "another device completes it a moment earlier"() {
        const client = makeClient({ online: true });
        await pass(-real - 1_500);
        client.documents.delete("focus/active");
        client.changed();
        await pass(MINUTE);
    },
    async "its end is rounded when the server has it"() {
        const client = makeClient({ online: false });
        await pass(-real + 100);
        const session = client.documents.get("focus/active");
        client.documents.set("focus/active", { ...session, ends_at: new Date(END + 700).toISOString() });
        client.changed();
        await pass(MINUTE);
    },
    async "the next page, a moment later"() {
        makeClient({ online: false });
        await pass(-real + 1_000);
        due = [];
        opened = now;
        await pass(200);
        makeClient({ online: false });
        await pass(MINUTE);
    },
    async "a late end, while nobody looks"() {
        makeClient({ online: false });
        look(false);
        await pass(10_000);
        sleep(60 * MINUTE);
        await pass(10 * MINUTE);
        look(true);
        await pass(1_000);
    },
};

await CASES[process.argv[2]]();
console.log(JSON.stringify(told));
process.exit(0);
