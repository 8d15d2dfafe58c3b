"""The types that the web client's comments promise hold, and are declared for whoever uses it from TypeScript."""

from __future__ import annotations

import filecmp
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "Clients" / "Web"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(it) for it in command], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_every_module_holds_its_types() -> None:
    checked = run("tsc", "-p", WEB)
    assert checked.returncode == 0, checked.stdout


def test_a_wrong_type_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.js"
    wrong.write_text(f'''import {{ createClient }} from "{WEB}/client.js";
/** @type {{number}} */
export const connection = createClient().status().connection;
createClient({{ realtime: "always" }});
''')
    checked = run("tsc", "--strict", "--checkJs", "--allowJs", "--noEmit", "--target", "ES2022", "--moduleResolution", "node",
                  wrong)
    assert checked.returncode != 0
    assert checked.stdout.count("wrong.js") == 2, checked.stdout


WRONG_WORDS = [
    'context.emit({ type: "untimr", nmae: "poll" });', 'context.emit({ type: "untimer", nmae: "poll" });',
    'context.emit({ type: "timer", name: "pol", milliseconds: 1 });', 'context.emit({ type: "timer", name: "poll" });',
    'context.emit({ type: "broadcast", message: { type: "chnage" } });', 'if (event.type === "wkae") context.changed();',
    'if (event.type === "timer") use(event.socket);', 'use(context.state.connection.reason);',
    'use(context.state.link.socket.number);', 'if (event.type !== "wake") never(event);',
]
RIGHT_WORDS = [
    'context.emit({ type: "untimer", name: "poll" });', 'if (event.type === "timer") use(event.name);',
    'if (context.state.connection.is === "offline") use(context.state.connection.reason);',
]


def test_an_event_or_effect_that_there_is_not_is_found(tmp_path: Path) -> None:
    words = tmp_path / "words.js"
    lines = "\n    ".join([*WRONG_WORDS, *RIGHT_WORDS])
    words.write_text(f'''/**
 * @param {{import("{WEB}/sync/types.js").StepContext}} context @param {{import("{WEB}/sync/types.js").Event}} event
 * @param {{(value: unknown) => void}} use @param {{(value: never) => void}} never
 */
export function words(context, event, use, never) {{
    {lines}
}}
''')
    checked = run("tsc", "--strict", "--checkJs", "--allowJs", "--noEmit", "--target", "ES2022", "--moduleResolution", "node",
                  words)
    found = {int(line.split("(")[1].split(",")[0]) - 6 for line in checked.stdout.splitlines() if "words.js(" in line}
    assert found == set(range(len(WRONG_WORDS))), checked.stdout


def test_the_declarations_are_those_of_the_public_modules_alone() -> None:
    exported = {it["types"] for it in json.loads((WEB / "package.json").read_text())["exports"].values() if "types" in it}
    assert exported == {f"./types/{it.relative_to(WEB / 'types')}" for it in (WEB / "types").rglob("*.d.ts")}


def test_the_declarations_are_those_of_the_modules(tmp_path: Path) -> None:
    written = run("scripts/web-types", tmp_path / "types")
    assert written.returncode == 0, written.stdout + written.stderr
    fresh = {it.relative_to(tmp_path / "types") for it in (tmp_path / "types").rglob("*.d.ts")}
    assert fresh == {it.relative_to(WEB / "types") for it in (WEB / "types").rglob("*.d.ts")}, "run scripts/web-types"
    for path in sorted(fresh):
        assert filecmp.cmp(tmp_path / "types" / path, WEB / "types" / path, shallow=False), f"{path}: run scripts/web-types"


def test_a_program_in_typescript_uses_the_client(tmp_path: Path) -> None:
    program = tmp_path / "program.ts"
    program.write_text(f'''import {{ createClient, Client, Status }} from "{WEB}/types/client";
const client: Client = createClient({{ url: "https://example.org", onSignedOut: () => undefined }});
const status: Status = client.status();
client.mutate("settings.set", {{ key: "theme", value: "dark" }}).then((it) => it.problem?.detail);
export const ends: string = client.list("settings").map((it) => it.id + it.version).join() + status.connection;
''')
    checked = run("tsc", "--strict", "--noEmit", "--target", "ES2022", "--moduleResolution", "node", program)
    assert checked.returncode == 0, checked.stdout
