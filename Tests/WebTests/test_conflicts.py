"""What changes of a user lost, as the web client asks for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def test_a_question_that_is_never_answered_stops_no_later_one() -> None:
    run = subprocess.run(["node", str(HERE / "conflicts.mjs")], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    one = "DELETE /api/sync/conflicts/gone"
    assert json.loads(run.stdout) == {
        "asked": [one, one, "GET /api/sync/conflicts"], "meanwhile": ["gone"], "untold": [], "known": ["left"]}
