"""What carries the machine out, without a browser: what tabs tell each other, and who leads."""

from __future__ import annotations

import subprocess
from pathlib import Path

WEB = Path(__file__).resolve().parents[2] / "Clients" / "Web"


def said(script: str) -> str:
    """What a module prints that has the client's own modules at hand."""
    ran = subprocess.run(["node", "--input-type=module", "-e", script.replace("WEB", str(WEB))],
                         capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_tab_that_stood_still_knows_how_long_ago_it_was_that_another_spoke() -> None:
    assert said("""
        const { Tabs } = await import("WEB/shell/tabs.js");
        const speaker = new Tabs("tabs", {});
        const hearer = new Tabs("tabs", { heard(message, age) {
            console.log(message.type, age >= 300);
            process.exit(0);
        } });
        speaker.open();
        hearer.open();
        speaker.broadcast({ type: "time", time: 0 });
        const until = Date.now() + 300;
        while (Date.now() < until);
    """) == "time true"


# A shell over `store`, and a server that `pushed` is sent to. `until` waits for what is true in the end.
SHELL = """
    const { createServer } = await import("node:http");
    const { Shell } = await import("WEB/shell/shell.js");
    const { memoryStore } = await import("WEB/shell/memory.js");
    const pushed = [];
    const cursor = "e.1.0";
    const change = { cursor, previous: cursor, reset: false, documents: [] };
    const server = createServer(async (request, answer) => {
        let text = "";
        for await (const it of request) text += it;
        const { mutations = [] } = text === "" ? {} : JSON.parse(text);
        pushed.push(...mutations.map((it) => it.id));
        const body = {
            "/api/auth/me": { user: { id: "a", email: "a@example.org" }, device: { id: "d" } },
            "/api/sync": { ...change, ...(request.url.includes("cursor") || text.includes(cursor) ? {} : { reset: true }),
                results: mutations.map(({ id }) => ({ id, status: "applied", version: 2 })) },
        }[request.url.split("?")[0]];
        answer.writeHead(body ? 200 : 404, { "Content-Type": "application/json", "Lockstep-Poll-After-Ms": "50" });
        answer.end(JSON.stringify(body ?? {}));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address();
    const shellOver = (store, how = {}) => {
        const shell = new Shell({
            url: `http://127.0.0.1:${port}`, name: "shell", realtime: false,
            saving: { now: false, follow() {} }, openStore: () => store, changed() {}, signedOut() {}, ...how,
        });
        void shell.start();
        return shell;
    };
    const until = async (what) => {
        while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const entry = (id) => ({
        mutation: { id, name: "settings.set", args: { key: "theme", value: "dark" } }, made: 0, place: 1,
    });
    const stored = {
        account: "a", device: "d", forked: false, cursor, skew: 0, entries: [entry("m")],
        documents: [{ collection: "settings", id: "theme", value: "light", version: 1 }],
    };
    const never = () => new Promise(() => undefined);
"""


def test_a_store_that_says_nothing_holds_up_nobody_who_is_online() -> None:
    assert said(SHELL + """
        const shell = shellOver({ ...memoryStore(), kind: "indexeddb", last: never, load: never, remember: never });
        await until(() => shell.state.connection.is === "polling" && shell.state.account === "a");
        shell.mutate({ id: "n", name: "settings.set", args: { key: "theme", value: "dark" } });
        await until(() => pushed.includes("n"));
        console.log("sent");
        process.exit(0);
    """) == "sent"


def test_what_a_store_brings_late_is_taken_over() -> None:
    assert said(SHELL + """
        let answer;
        const late = new Promise((resolve) => (answer = resolve));
        const shell = shellOver({
            ...memoryStore(), kind: "indexeddb", remember: async () => undefined,
            last: () => late.then(() => "a"), load: () => late.then(() => stored),
        });
        await until(() => shell.state.connection.is === "polling");
        answer();
        await until(() => pushed.includes("m"));
        console.log("sent");
        process.exit(0);
    """) == "sent"


def test_what_a_store_brings_late_is_shown_without_a_connection_too() -> None:
    assert said(SHELL + """
        server.close();
        let answer;
        const late = new Promise((resolve) => (answer = resolve));
        const shell = shellOver({
            ...memoryStore(), kind: "indexeddb", last: async () => "a", load: () => late.then(() => stored),
        });
        await until(() => shell.state.connection.is === "offline");
        answer();
        await until(() => shell.state.documents.size === 1 && shell.state.overlay.size === 1);
        console.log([...shell.state.overlay.values()].join());
        process.exit(0);
    """) == "dark"


def test_a_change_is_refused_at_the_close_only_where_the_store_never_got_it() -> None:
    assert said(SHELL + """
        server.close();
        let kind = "indexeddb";
        const results = [];
        const shell = shellOver({
            ...memoryStore(), get kind() { return kind; }, last: async () => "a", load: async () => ({ ...stored, entries: [] }),
        });
        await until(() => shell.state.connection.is === "offline");
        const set = (id) => {
            const { result, persisted } = shell.mutate({ id, name: "settings.set", args: { key: id, value: 1 } });
            void result.then((it) => results.push(`${id} ${it.problem.code}`));
            return persisted;
        };
        await set("stored");
        kind = "memory";
        await set("fleeting");
        shell.stop();
        await new Promise((resolve) => setTimeout(resolve, 20));
        console.log(results.join());
        process.exit(0);
    """) == "fleeting closed"


def test_what_is_on_its_way_into_the_store_when_another_user_comes_is_not_sent_as_theirs() -> None:
    assert said(SHELL + """
        let persist;
        const kept = [];
        const shell = shellOver({
            ...memoryStore(), kind: "indexeddb", last: async () => "a", load: async () => ({ ...stored, entries: [] }),
            persist: (account, entries) => new Promise((resolve) => (persist = () => {
                kept.push(account);
                resolve(entries);
            })),
        });
        await until(() => shell.state.connection.is === "polling");
        const { persisted: waits } = shell.mutate({ id: "n", name: "settings.set", args: { key: "theme", value: "dark" } });
        shell.happen({ type: "loaded", ...stored, account: "b", entries: [], ahead: null, known: false });
        persist();
        await waits;
        console.log(kept.join(), shell.state.entries.length);
        process.exit(0);
    """) == "a 0"


def test_a_tab_whose_lead_was_taken_while_it_read_the_store_follows() -> None:
    assert said(SHELL + """
        let steal, read;
        let reads = 0;
        const request = (name, how, act) => new Promise((resolve, reject) => {
            if (how.ifAvailable !== true) return;
            steal = () => reject(new DOMException("stolen", "AbortError"));
            act({});
        });
        Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
        const shell = shellOver({
            ...memoryStore(), last: async () => "a",
            load: () => (reads += 1) === 1 ? Promise.resolve(stored) : new Promise((resolve) => (read = () => resolve(stored))),
        });
        await until(() => read !== undefined);
        steal();
        await until(() => shell.state.role === "follower");
        read();
        await new Promise((resolve) => setTimeout(resolve, 50));
        console.log(shell.state.role);
        process.exit(0);
    """) == "follower"
