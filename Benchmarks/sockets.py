"""J3, and what sockets cost: N of as many users at one process.

J3       a flag is switched (`lockstep flags set`), and every socket is told: from the write in the database until the last has it
connect  N sockets at once (256 at a time), each with its token and its first changes; and what an idle one takes of memory

Every frame is looked at afterwards: a change that was lost, doubled or out of order ends the bench with 1.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import people
from costs import Meter, Row, percentile
from fleet import Fleet, Line, Wrong, allow

from harness import Server, lockstep

if TYPE_CHECKING:
    from bench import Bench

KIND = "socket"
FLAG = "DISABLE_MASS_LOCAL_PERSISTENCE"
WARM = 100


def tokens(bench: Bench, count: int) -> list[str]:
    known = bench.database.value("SELECT count(*) FROM users WHERE email LIKE 'socket%%'")
    if known < count:
        people.fill(bench.database, KIND, known + 1, count)
    return [people.token(KIND, number) for number in range(1, count + 1)]


def connect(bench: Bench, server: Server, count: int) -> tuple[Fleet, Row]:
    allow(count)
    fleet = Fleet(server.url, tokens(bench, count))
    meter = Meter(server, bench.cluster)
    elapsed = fleet.connect(within=60 + count / 50)
    cost = meter.read()
    took = [(line.ready - line.began) * 1000 for line in fleet.lines]
    row = Row(f"connect {count:,} sockets, each with its first changes", [count / elapsed],
              server=[cost.server / count * 1e6], postgres=[cost.postgres / count * 1e6], p50=[percentile(took, 0.5)],
              p99=[percentile(took, 0.99)], load=[cost.load_share()], remark=f"{elapsed:.1f} s until the last")
    return fleet, row


def storm(bench: Bench) -> list[Row]:
    """On a process of its own, whose memory nobody used before."""
    count = bench.sockets
    with bench.fresh_server() as server:
        # What a process has with its first sockets it has once.
        warm = Fleet(server.url, tokens(bench, WARM))
        warm.connect(within=60)
        warm.close()
        warm.check()
        before = server.resident_bytes()
        fleet, row = connect(bench, server, count)
        try:
            fleet.rest(3)
            after = server.resident_bytes()
            fleet.check()
        finally:
            fleet.close()
    memory = Row(f"an idle socket of {count:,}",
                 remark=f"{(after - before) / count / 1024:.1f} KB of resident memory ({before / 1e6:.0f} MB before, {after / 1e6:.0f} MB)")
    return [row, memory]


def shared(bench: Bench) -> list[Row]:
    count = bench.sockets
    row = Row(f"J3 a flag until all of {count:,} sockets have it")
    with bench.fresh_server() as server:
        fleet, _ = connect(bench, server, count)
        try:
            # Warm: nothing was switched yet.
            switch(bench, server, fleet)
            fleet.rest(0.5)
            for _ in range(bench.rounds * 3):
                delays, cost = switch(bench, server, fleet)
                row.server = [*row.server, cost.server / count * 1e6]
                row.postgres = [*row.postgres, cost.postgres / count * 1e6]
                row.p50 = [*row.p50, percentile(delays, 0.5)]
                row.p99 = [*row.p99, percentile(delays, 0.99)]
                row.load = [*row.load, cost.load_share()]
                row.rates = [*row.rates, count / (max(delays) / 1000)]
                fleet.rest(0.5)
            fleet.check()
            check(bench, fleet, bench.rounds * 3 + 1)
            last = [count / rate * 1000 for rate in row.rates]
            row.remark = f"the last after {statistics.median(last):.0f} ms ({min(last):.0f}–{max(last):.0f})"
        finally:
            fleet.close()
    return [row]


def switch(bench: Bench, server: Server, fleet: Fleet) -> tuple[list[float], Any]:
    """Switches the flag over: the ms from its write until each socket had it, and what that cost."""
    enabled = bench.database.value("SELECT enabled FROM feature_flags WHERE name = %s", [FLAG])
    mark = f'"{FLAG}"'.encode()
    had = {id(line): len(line.came) for line in fleet.lines}
    waiting = set(had)
    meter = Meter(server, bench.cluster)
    done = lockstep("flags", "set", FLAG, "off" if enabled else "on", env={"DATABASE_URL": bench.database.url})
    if done.returncode != 0:
        raise RuntimeError(done.stderr)

    def has_it(line: Line) -> bool:
        if any(mark in payload for _, payload in line.came[had[id(line)]:]):
            waiting.discard(id(line))
        return not waiting

    fleet.run(has_it, 60, f"the flag on {len(fleet.lines)} sockets")
    cost = meter.read()
    written = bench.database.value("SELECT extract(epoch FROM updated_at)::float8 FROM feature_flags WHERE name = %s", [FLAG])
    return [(next(at for at, payload in line.came[had[id(line)]:] if mark in payload) - written) * 1000 for line in fleet.lines], cost


def check(bench: Bench, fleet: Fleet, switches: int) -> None:
    """That every socket was told each of its versions once, in their order."""
    last = bench.database.value("SELECT version FROM feature_flags WHERE name = %s", [FLAG])
    for line in fleet.lines:
        told = [document["version"] for number, (_, message) in enumerate(line.messages("changes")) if number > 0
                for document in message["documents"] if document["collection"] == "flags" and document["id"] == FLAG]
        if told != list(range(last - switches + 1, last + 1)):
            raise Wrong(f"{line.name} was told the flag's versions {told}, and they are the {switches} up to {last}")
