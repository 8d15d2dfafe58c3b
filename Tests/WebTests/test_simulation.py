"""The machine of the web client in thousands of worlds of bad networks, and the proof that a broken one is found."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEDULES = int(os.environ.get("LOCKSTEP_SCHEDULES", "10000" if "LOCKSTEP_LONG" in os.environ else "2000"))
FIRST = int(os.environ.get("LOCKSTEP_FIRST_SCHEDULE", "1"))


def simulate(first: int, count: int, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", str(root / "Tests/WebTests/simulation.mjs"), str(first), str(count)], capture_output=True, text=True,
        timeout=600, check=False)


@pytest.mark.timeout(600)
def test_thousands_of_schedules_end_with_every_device_and_the_server_equal() -> None:
    workers = os.cpu_count() or 1
    share = -(-SCHEDULES // workers)
    with ThreadPoolExecutor(workers) as pool:
        runs = list(pool.map(lambda n: simulate(FIRST + n * share, share), range(workers)))
    for run in runs:
        # What it says names the schedule, and the command that repeats it.
        assert run.returncode == 0, run.stderr
    totals = [json.loads(run.stdout) for run in runs]
    assert sum(it["schedules"] for it in totals) >= SCHEDULES
    # Worlds in which nothing goes wrong prove nothing.
    for member in ("conflicts", "rejected", "renamed"):
        assert sum(it[member] for it in totals) > SCHEDULES / 20, f"too few {member}: {totals}"


BREAKS = [
    ("a change is applied wherever the replica stands", "replica.js",
     "if (!change.reset && change.previous !== state.cursor) {", "if (false) {"),
    ("results that are a prefix empty the queue", "queue.js",
     "const final = ours.filter((result) => !forks.includes(result));",
     "const final = ours.length === 0 ? [] : waiting(state).map((it) => ({ ...ours[0], id: it.mutation.id }));"),
    ("a change is forgotten when it is sent", "outbox.js",
     "state.entries = state.entries.map((entry) => chosen.has(entry) && !entry.sent ? { ...entry, sent: true } : entry);",
     "state.entries = state.entries.filter((entry) => !chosen.has(entry));"),
    ("a lost reply makes a new change", "outbox.js",
     "...rest, ...(seq", "...rest, id: state.entries[0].sent && now % 7 < 1 ? `${rest.id}!` : rest.id, ...(seq"),
    ("a reset keeps what was there", "replica.js",
     "new Map(change.reset ? [] : state.documents)", "new Map(state.documents)"),
    ("what was shown stays after its result", "replica.js",
     "const even = pulled && state.inStep;", "const even = false;"),
    ("a refused push refuses all that it carried", "outbox.js",
     "sendable(state).slice(0, 1).map(", "sendable(state).map("),
    ("more is shown as bought than one may have", "market.js",
     "if (owned + quantity > (item.max_per_user ?? Infinity)) return", "if (false) return"),
    ("what cannot be consumed is shown as used up", "market.js",
     '|| read("items", id)?.consumable === false', ""),
    ("a session of no length is shown", "focus.js",
     'optionalInteger(args, "duration_seconds", 1, LONGEST_SECONDS) ??', "args.duration_seconds ??"),
    ("a tab that begins to lead does not ask the store", "machine.js",
     "for (const stored of event.entries) enqueue",
     "if (context.state.cursor === null) for (const stored of event.entries) enqueue"),
]


@pytest.mark.parametrize(("what", "file", "right", "wrong"), BREAKS, ids=[it[0].replace(" ", "-") for it in BREAKS])
def test_a_broken_machine_is_found_by_the_simulation(
    tmp_path: Path, what: str, file: str, right: str, wrong: str,
) -> None:
    for folder in ("sync", "features"):
        shutil.copytree(ROOT / "Clients/Web" / folder, tmp_path / "Clients/Web" / folder)
    for name in ("package.json", "text.js"):
        shutil.copy(ROOT / "Clients/Web" / name, tmp_path / "Clients/Web")
    shutil.copytree(ROOT / "Tests/WebTests", tmp_path / "Tests/WebTests", ignore=shutil.ignore_patterns("*.py", "__*"))
    source = next((tmp_path / "Clients/Web").rglob(file))
    text = source.read_text()
    assert text.count(right) == 1, f"{file} no longer says {right!r}"
    source.write_text(text.replace(right, wrong))
    run = simulate(1, 1500, tmp_path)
    assert run.returncode == 1, f"{what}: nobody noticed in 1,500 schedules: {run.stdout}{run.stderr}"
    assert re.search(r"schedule \d+, at \d+ ms: Error: not so: .*\n", run.stderr), run.stderr
