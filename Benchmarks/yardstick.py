"""What PostgreSQL alone gives: pgbench with the statements that the server runs.

Their text is not written down here: it is taken from PostgreSQL's log while the server answers, with what was bound, and so cannot
become another than the server's.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import Cluster, Database, eventually
from harness.postgres import binaries

# A line of the log that begins with a tab goes on with the one before.
EXECUTED = re.compile(r"LOG:  execute [^:]+: (?P<text>.*(?:\n\t.*)*)(?:\n.*DETAIL:  [Pp]arameters: (?P<values>.*(?:\n\t.*)*))?")
VALUE = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
PLACE = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Statement:
    """As the server prepared it, and what was bound to its places the last time: text, None for NULL."""

    text: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Script:
    """For pgbench: its text, and its variables."""

    text: str
    variables: Mapping[str, str]


def asked(cluster: Cluster, database: Database, ask: Callable[[], object], times: int = 25) -> list[Statement]:
    """The statements that each call of `ask` makes the server run, in their order: those that it ran so many times."""
    try:
        _log(database, "all")
        ask()
        eventually(lambda: _said(cluster, 0, ask), what="statements in PostgreSQL's log")
        start = cluster.log_path.stat().st_size
        for _ in range(times):
            ask()
        found = _said(cluster, start)
    finally:
        _log(database, "none")
    counts = Counter(statement.text for statement in found)
    last = {statement.text: statement for statement in found if counts[statement.text] >= times * 0.9}
    if not last:
        raise RuntimeError(f"no statement came with each request: {counts}")
    return list(last.values())


def script(statements: list[Statement], instead: Mapping[str, str] | None = None, prelude: str = "") -> Script:
    """What is bound is a variable of pgbench's, so that it is bound there too. `instead`: SQL that stands for a value in which its
    key occurs; `prelude`: lines of pgbench's own."""
    lines, variables = [prelude] if prelude else [], {}
    for number, statement in enumerate(statements):

        def place(found: re.Match[str], values: tuple[str | None, ...] = statement.values, number: int = number) -> str:
            value = values[int(found[1]) - 1]
            if value is None:
                return "NULL"
            for part, expression in (instead or {}).items():
                if part in value:
                    return expression
            name = f"s{number}p{found[1]}"
            variables[name] = value
            return f":{name}"

        lines.append(PLACE.sub(place, statement.text).replace("\n", " ") + ";")
    return Script("\n".join(lines) + "\n", variables)


def pgbench(database: Database, script: Script, folder: Path, clients: int, seconds: int) -> float:
    """Runs of the whole script a second."""
    path = folder / "script.sql"
    path.write_text(script.text)
    said = subprocess.run(
        [binaries() / "pgbench", "-n", "-M", "prepared", "-f", path, "-c", str(clients), "-j", "2", "-T", str(seconds),
         *(f"--define={name}={value}" for name, value in script.variables.items()), database.url],
        capture_output=True, text=True, check=False, env=database.environment)
    found = re.search(r"tps = ([0-9.]+)", said.stdout)
    if said.returncode != 0 or not found:
        raise RuntimeError(f"pgbench: {said.stderr}\n{script.text}")
    return float(found[1])


def _log(database: Database, which: str) -> None:
    database.rows(f"ALTER SYSTEM SET log_statement = '{which}'")
    database.rows("SELECT pg_reload_conf()")


def _said(cluster: Cluster, start: int, ask: Callable[[], object] | None = None) -> list[Statement]:
    if ask is not None:
        ask()
    with cluster.log_path.open("rb") as log:
        log.seek(start)
        text = log.read().decode(errors="replace")
    found = []
    for match in EXECUTED.finditer(text):
        values = {int(number): None if value == "NULL" else value[1:-1].replace("''", "'")
                  for number, value in VALUE.findall(match["values"] or "")}
        places = max((int(number) for number in PLACE.findall(match["text"])), default=0)
        if set(range(1, places + 1)) <= set(values):
            found.append(Statement(match["text"].replace("\n\t", "\n"), tuple(values[at] for at in range(1, places + 1))))
    return found
