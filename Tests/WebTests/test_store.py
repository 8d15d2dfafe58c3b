"""A browser's store that fails in any way is replaced by memory, and before long; one that is full says so."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent


def opened(case: str) -> dict[str, Any]:
    ran = subprocess.run(["node", "store.mjs", case], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("case", ["opening: full", "opening: unknown", "opening: silent", "reading: full"])
def test_a_store_that_cannot_be_opened_or_read_is_memory_from_then_on(case: str) -> None:
    found = opened(case)
    assert (found["kind"], found["lost"], found["account"], found["kept"]) == ("memory", 1, "a", "kept")


def test_an_opening_that_fails_is_tried_once_more() -> None:
    assert opened("opening: fails once")["kind"] == "indexeddb"
    for case in ("opening: full", "opening: silent"):
        assert opened(case)["opened"] == 2


def test_a_write_finds_a_store_full_which_goes_on_being_the_store() -> None:
    found = opened("writing: full")
    assert (found["kind"], found["lost"], found["kept"]) == ("indexeddb", 0, "QuotaExceededError")
