"""The web client where adopters have it: as a package, in Node, in a worker, under a server renderer, from strict TypeScript."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "Clients" / "Web"
MODULES = sorted(name.removeprefix("./") for name in json.loads((WEB / "package.json").read_text())["exports"]
                 if name.endswith(".js"))
# Where Debian has React.
DEBIAN = "/usr/share/nodejs"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The folder of an app that has the client as a package."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/lockstep-web").symlink_to(WEB)
    (tmp_path / "package.json").write_text('{"name": "app", "private": true, "type": "module"}')
    return tmp_path


def node(app: Path, program: str) -> str:
    (app / "program.mjs").write_text(program)
    ran = subprocess.run(["node", "program.mjs"], cwd=app, env={**os.environ, "NODE_PATH": DEBIAN}, capture_output=True,
                         text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def types(app: Path, program: str, resolution: str) -> str:
    """What a strict compiler complains of."""
    (app / "program.ts").write_text(program)
    ran = subprocess.run(
        ["tsc", "--strict", "--noEmit", "--target", "ES2022", "--module", resolution, "--moduleResolution", resolution,
         "program.ts"], cwd=app, capture_output=True, text=True, timeout=100, check=False)
    return ran.stdout


def test_every_module_of_the_package_is_imported_in_node_without_a_browser(app: Path) -> None:
    assert "theme/element.js" in MODULES and "client.js" in MODULES
    said = node(app, "".join(f'await import("lockstep-web/{it}");\n' for it in MODULES) + 'console.log("all");\n')
    assert said == "all\n"


def test_every_module_of_the_package_is_imported_in_a_worker(app: Path) -> None:
    imports = "".join(f'await import("lockstep-web/{it}");\n' for it in MODULES)
    (app / "worker.mjs").write_text(
        'import { parentPort } from "node:worker_threads";\n' + imports + 'parentPort.postMessage("all");\n')
    said = node(app, """
        import { Worker } from "node:worker_threads";
        const worker = new Worker(new URL("./worker.mjs", import.meta.url));
        worker.on("message", (it) => console.log(it)).on("error", (error) => { throw error; });
    """)
    assert said == "all\n"


@pytest.mark.parametrize("resolution", ["node16", "nodenext"])
def test_every_module_of_the_package_has_its_types_for_a_strict_compiler(app: Path, resolution: str) -> None:
    program = "".join(f'export * as m{at} from "lockstep-web/{it}";\n' for at, it in enumerate(MODULES))
    assert types(app, program + 'export * from "lockstep-web";\n', resolution) == ""
    wrong = types(app, 'import { createClient } from "lockstep-web/client.js";\ncreateClient({ realtime: "always" });\n',
                  resolution)
    assert wrong.count("error TS") == 1 and "boolean" in wrong, wrong


def test_without_a_page_a_client_wants_an_address_and_works_with_one(app: Path) -> None:
    said = node(app, """
        import { createServer } from "node:http";
        import { createClient } from "lockstep-web";
        try { createClient(); } catch (error) { console.log(error.message); }
        const answers = {
            "/api/auth/me": { user: { id: "u1", email: "a@example.org" }, device: { id: "d1" } },
            "/api/sync": { cursor: "c1", previous: null, reset: true, changes: [], results: [],
                           documents: [{ collection: "settings", id: "theme", value: "dark", version: 1 }] },
        };
        const server = createServer(({ url }, answer) => {
            const body = answers[url.split("?")[0]];
            answer.writeHead(body ? 200 : 404, { "Content-Type": "application/json", "Lockstep-Poll-After-Ms": "50" });
            answer.end(JSON.stringify(body ?? {}));
        }).listen(0, "127.0.0.1", () => {
            const client = createClient({ url: `http://127.0.0.1:${server.address().port}`, realtime: false });
            const look = () => {
                const { connection, ready } = client.status();
                if (connection !== "polling" || !ready) return;
                end();
                console.log(connection);
                client.close();
                // Nothing of the client keeps this process.
                server.close();
                server.closeAllConnections();
            };
            const end = client.subscribe(look);
        });
    """)
    assert said.splitlines() == ["createClient needs { url }: no page is here that would have one", "polling"]


def test_a_server_renderer_and_the_browser_s_first_look_show_the_same(app: Path) -> None:
    """A browser that takes markup over must begin with what the server wrote, whatever its replica knows by then."""
    said = node(app, """
        import { createRequire } from "node:module";
        import { createUseServerSettings } from "lockstep-web/react/useServerSettings.js";
        const require = createRequire(import.meta.url);
        const React = require("react");
        const { renderToString } = require("react-dom/server");
        const knows = [{ id: "theme", value: "dark", version: 3 }];
        const client = (list) => ({ list: () => list, status: () => ({ ready: list.length > 0 }), read: () => undefined,
                                     subscribe: () => () => undefined });
        const markup = (list) => {
            const useServerSettings = createUseServerSettings(React, client(list));
            const Show = () => {
                const { theme, isLoading } = useServerSettings();
                return React.createElement("p", null, `${theme} ${isLoading}`);
            };
            return renderToString(React.createElement(Show));
        };
        console.log(markup([]));
        console.log(markup(knows));
    """)
    assert said.splitlines() == ["<p>system true</p>"] * 2


def test_who_subscribes_twice_is_called_twice_and_ends_one_of_the_two(app: Path) -> None:
    said = node(app, """
        import { createClient } from "lockstep-web";
        const client = createClient({ url: "http://127.0.0.1:9" });
        let calls = 0;
        const count = () => { calls += 1; };
        const [first, second] = [client.subscribe(count), client.subscribe(count)];
        first();
        first();
        client.close();
        console.log(calls > 0);
        second();
    """)
    assert said == "true\n"


def test_a_guard_without_a_window_guards_nothing_and_harms_nobody(app: Path) -> None:
    said = node(app, """
        import { installStorageGuard } from "lockstep-web/guard/storage-guard.js";
        const guard = installStorageGuard();
        console.log(await guard.ready, JSON.stringify(guard.counts()));
        await guard.flush();
        guard.uninstall();
    """)
    assert said == "false {}\n"


def test_moving_old_keys_ends_where_the_session_has_ended(app: Path) -> None:
    said = node(app, """
        import { createClient } from "lockstep-web";
        import { migrateLocalStorage } from "lockstep-web/guard/migrate.js";
        const client = createClient({ url: "http://127.0.0.1:9" });
        const kept = new Map([["theme", "dark"]]);
        const storage = { getItem: (it) => kept.get(it) ?? null, removeItem: (it) => kept.delete(it) };
        const moving = migrateLocalStorage({ client, storage });
        client.close();
        const { moved, left } = await moving;
        console.log(moved.length, left.map(({ key, problem }) => `${key} ${problem.code}`).join(), kept.has("theme"));
    """)
    assert said == "0 theme closed true\n"
