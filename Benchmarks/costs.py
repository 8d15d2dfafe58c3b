"""What a job cost: the CPU (user and system) of the server, of PostgreSQL and of the load beside them, and a table's row of it."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import Cluster, Server, processes

TICKS = os.sysconf("SC_CLK_TCK")
HEAD = ("| job | a second | pgbench, the same statements | ratio | server CPU µs a unit | PostgreSQL CPU µs a unit | p50 ms | p99 ms | "
        "the load's share of a core | remark |")


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU, and on the clock."""

    server: float
    postgres: float
    load: float
    elapsed: float

    def load_share(self) -> float:
        return self.load / max(self.elapsed, 1e-9)


class Meter:
    """Counts from when it was made."""

    def __init__(self, server: Server, cluster: Cluster) -> None:
        self._server, self._cluster = server, cluster
        self._began = self._now()

    def read(self) -> Cost:
        return Cost(*(now - before for now, before in zip(self._now(), self._began, strict=True)))

    def _now(self) -> tuple[float, float, float, float]:
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        load = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        return self._server.cpu_seconds(), postgres_seconds(self._cluster), load, time.monotonic()


def postgres_seconds(cluster: Cluster) -> float:
    """Of every process of the cluster, those that have ended too: the postmaster has reaped them."""
    assert cluster.process is not None, "it does not run"
    postmaster = cluster.process.pid
    ticks = 0
    for pid in processes.tree(postmaster):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # utime and stime; of the postmaster those of its dead children as well.
        ticks += sum(int(field) for field in fields[11:(15 if pid == postmaster else 13)])
    return ticks / TICKS


@dataclass
class Row:
    """Of the table. `rates`: units a second; `server` and `postgres`: µs of CPU a unit; `p50` and `p99` in ms; one value a round."""

    job: str
    rates: Sequence[float] = ()
    yard: str = ""
    ratio: str = ""
    server: Sequence[float] = ()
    postgres: Sequence[float] = ()
    p50: Sequence[float] = ()
    p99: Sequence[float] = ()
    load: Sequence[float] = ()
    remark: str = ""

    def __str__(self) -> str:
        share = ""
        if self.load:
            middle = statistics.median(self.load)
            share = f"{middle:.0%}" + (" (the load is what is measured)" if middle > 0.85 else "")
        cells = [self.job, spread(self.rates, "{:,.0f}"), self.yard, self.ratio, spread(self.server, "{:.0f}"),
                 spread(self.postgres, "{:.0f}"), spread(self.p50, "{:.2f}"), spread(self.p99, "{:.1f}"), share, self.remark]
        return "| " + " | ".join(cells) + " |"


def head() -> str:
    return HEAD + "\n" + "|---" * (HEAD.count("|") - 1) + "|"


def spread(values: Sequence[float], form: str) -> str:
    """The median, with the least and the most."""
    if not values:
        return ""
    low, middle, high = (form.format(value) for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low}–{high})"


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
