"""What reads bytes from outside, fed with hostile ones: here the same each time (`make fuzz`: ten minutes of new ones)."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def fuzz(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/fuzz", *arguments], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_a_hundred_thousand_inputs_crash_hang_and_break_nothing() -> None:
    result = fuzz(FUZZ_RUNS="100000")
    assert result.returncode == 0, result.stdout + result.stderr
    runs = {target: int(count) for target, count in re.findall(r"^(\w+): done (\d+) runs", result.stdout, re.MULTILINE)}
    print(runs)
    assert set(runs) == {"json", "text", "frames"} and min(runs.values()) >= 100_000


@pytest.mark.timeout(600)
def test_an_input_that_breaks_a_rule_is_shown_with_the_command_that_repeats_it() -> None:
    result = fuzz(FUZZ_RUNS="10000000", FUZZ_TARGETS="planted")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN: an input has three bytes" in result.stdout and "Base64: " in result.stdout
    command = re.search(r"^lockstep: to repeat it: scripts/fuzz (planted \S+)$", result.stdout, re.MULTILINE)
    assert command, result.stdout
    again = fuzz(*command[1].split())
    assert again.returncode != 0 and "BROKEN: an input has three bytes" in again.stderr
    Path(ROOT, command[1].split()[1]).unlink()
