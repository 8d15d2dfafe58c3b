"""What the features of the client say, where no vector can: what both sides list, and what no server has yet."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START = 1_768_047_000_000


def node(source: str) -> Any:
    run = subprocess.run(
        ["node", "--input-type=module", "-e", source], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def shown(name: str, minutes: int) -> list[dict[str, Any]]:
    """What a change shows so long after a session of 25 minutes was started that waits to be sent."""
    documents = {"wallet\ncoins": {"total_coins": 5, "earned_coins": 5, "spent_coins": 0}}
    return node(f"""
        import {{ judge }} from "./Clients/Web/sync/optimistic.js";
        const documents = new Map(Object.entries({json.dumps(documents)}));
        const view = {{ read: (collection, id) => documents.get(`${{collection}}\\n${{id}}`), full: () => false }};
        const started = judge({{ id: "one", name: "focus.start", args: {{}}, made: {START} }}, view);
        documents.set("focus\\nactive", started.effects[0].value);
        const args = {{ "focus.start": {{ replace: true }} }}["{name}"] ?? {{ id: "one" }};
        const then = judge({{ id: "two", name: "{name}", args, made: {START} + {minutes} * 60_000 }}, view);
        console.log(JSON.stringify(then.refusal === null ? then.effects : then.refusal));
    """)


def test_a_start_that_waits_is_not_over_for_the_server_and_pays_nothing_when_another_takes_its_place() -> None:
    effects = shown("focus.start", 26)
    assert [effect["collection"] for effect in effects] == ["focus"]


def test_a_start_that_waits_can_be_given_up_however_late() -> None:
    assert shown("focus.abandon", 26) == [{"collection": "focus", "id": "active", "value": None}]


def test_a_pause_of_a_start_that_waits_shows_nothing_once_its_time_is_up() -> None:
    assert shown("focus.pause", 26) == []
    assert shown("focus.pause", 24)[0]["value"]["status"] == "paused"


def test_both_sides_take_the_same_time_zones_without_an_area() -> None:
    ours = node("""
        import { SINGLE_ZONES } from "./Clients/Web/features/settings.js";
        console.log(JSON.stringify([...SINGLE_ZONES]));
    """)
    source = (ROOT / "Modules/API/TimeZoneName.swift").read_text()
    theirs = re.search(r"let single: Set<Verbatim> = \[(.*?)\]", source, re.DOTALL)
    assert theirs and sorted(ours) == sorted(re.findall(r'"([^"]+)"', theirs[1]))
