"""From the start of a process, on a database that has everything, until /readyz says yes; and what it takes of memory then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from costs import Row, postgres_seconds, spread

from harness import RawSocket

if TYPE_CHECKING:
    from bench import Bench


def run(bench: Bench) -> list[Row]:
    row = Row("start until ready (a unit: a start)")
    resident = []
    for _ in range(max(3, bench.rounds)):
        with bench.fresh_server(start=False) as server:
            postgres = postgres_seconds(bench.cluster)
            began = time.monotonic()
            server.start(wait=False)
            while not ready(server.url):
                time.sleep(0.002)
            row.p50 = [*row.p50, (time.monotonic() - began) * 1000]
            row.server = [*row.server, server.cpu_seconds() * 1e6]
            row.postgres = [*row.postgres, (postgres_seconds(bench.cluster) - postgres) * 1e6]
            time.sleep(0.5)
            resident.append(server.resident_bytes() / 1e6)
    row.remark = f"p50: ms until ready; resident memory {spread(resident, '{:.0f}')} MB"
    return [row]


def ready(url: str) -> bool:
    try:
        with RawSocket(url, timeout=5) as raw:
            return raw.request("GET", "/readyz").status == 200
    except (OSError, EOFError):
        return False
