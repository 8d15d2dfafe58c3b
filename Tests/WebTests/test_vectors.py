"""The web client's machine against the vectors that every client holds to."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "Clients" / "Vectors"
CASES = [(path.name, case["name"]) for path in sorted(VECTORS.glob("*.json"))
         for case in json.loads(path.read_text())["cases"]]


@functools.cache
def faults() -> dict[tuple[str, str], str | None]:
    run = subprocess.run(
        ["node", str(ROOT / "Tests/WebTests/vectors.mjs"), str(VECTORS)], capture_output=True, text=True, timeout=60,
        check=False)
    assert run.returncode == 0, run.stderr
    return {(it["file"], it["name"]): it["fault"] for it in map(json.loads, run.stdout.splitlines())}


@pytest.mark.parametrize(("file", "name"), CASES, ids=[f"{file[:-5]}: {name}" for file, name in CASES])
def test_the_machine_does_what_the_vector_says(file: str, name: str) -> None:
    fault = faults()[file, name]
    assert fault is None, fault


def test_every_kind_of_event_and_effect_has_a_vector() -> None:
    events, effects = set(), set()
    for path in VECTORS.glob("*.json"):
        for case in json.loads(path.read_text())["cases"]:
            for step in case.get("steps", []):
                if "event" in step:
                    events.add(step["event"]["type"])
                    effects.update(it["type"] for it in step["effects"])
    source = (ROOT / "Clients/Vectors/README.md").read_text()
    for name in ("loaded", "lead", "follow", "mutate", "persisted", "notPersisted", "message", "closed", "answered", "failed", "timer",
                 "wake", "hidden", "unplugged", "jumped", "holds", "signedIn", "stop", "conflicts", "heard"):
        assert f"`{name}" in source and name in events, f"no vector has the event {name}"
    for name in ("socket", "send", "hangUp", "request", "abort", "timer", "untimer", "persist", "forget", "save", "forked",
                 "renamed", "answer", "identified", "conflicts", "tookBack", "signedOut", "broadcast"):
        assert f"`{name}" in source and name in effects, f"no vector has the effect {name}"
