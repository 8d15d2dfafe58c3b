"""Measures a release build beside what PostgreSQL alone gives on the same cluster, in one run.

J1       GET /api/settings with a bearer token and 5 settings: 32 connections, then one
J2       POST /api/market/purchase, 32 connections, 1,000 buyers; J2' with one buyer (purchases.py)
J3       a flag is switched until each of N sockets has it (sockets.py)
J4       POST /api/settings until it stands on the other device's socket, while nothing else happens
J5       GET /api/sync with nothing new: 304
J6       POST /api/sync with 500 queued mutations (pushes.py)
connect  N sockets at once, each with a token and its first changes, and what an idle one takes of memory (sockets.py)
start    from the start of a process until it is ready, and its memory then (starts.py)
pages    /login, /app/today, a file of the web app, also asked for with a tag (pages.py)

The machine may be noisy: rounds alternate (pgbench, server, pgbench, server …), and what is printed is the median with
the least and the most of the rounds, the ratio to pgbench, and the CPU (user + system) of the server and of all of PostgreSQL for each
unit of work. pgbench runs the very statements that the server was seen to run (yardstick.py). Where the load itself takes most of a core,
its column says so: then it is what was measured. A change that is lost, doubled or out of order ends the bench with 1.

    Benchmarks/run --jobs J1,J3 --sockets 10000
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import flames
import pages
import purchases
import pushes
import sockets
import starts
from costs import Meter, Row, head, percentile, spread
from fleet import Wrong
from yardstick import Script, asked, pgbench, script

from harness import Client, Cluster, Database, Server

SETTINGS = {"theme": "dark", "accessibility": {"large_text": True}, "time_zone": "Europe/Berlin", "sidebar": {"width": 240}, "n": 1}


class Bench:
    """A cluster that flushes each commit, a server on it, and a user with five settings. `sockets`: how many N are."""

    def __init__(self, seconds: int, rounds: int, sockets: int, profile: Path | None = None) -> None:
        self.seconds, self.rounds, self.sockets, self.profile = seconds, rounds, sockets, profile
        self.job = ""
        self.folder = Path(tempfile.mkdtemp(prefix="lockstep-bench-", dir="/tmp"))
        self.cluster = Cluster(durable=True, settings=["shared_buffers = 128MB", "max_wal_size = 2GB"])
        self.database: Database = self.cluster.database("bench")
        self.server = Server(self.folder, self.database.url).start()
        self.client = Client(self.server.url).register()
        for key, value in SETTINGS.items():
            self.client.set(key, value)

    def close(self) -> None:
        self.client.close()
        self.server.finish()
        self.cluster.remove()

    @contextlib.contextmanager
    def fresh_server(self, start: bool = True) -> Iterator[Server]:
        """Another process on the same database, alone: the first one stops meanwhile. Without `start` whoever asks starts it."""
        self.server.terminate()
        server = Server(self.folder, self.database.url, env={"LOCKSTEP_CONNECTIONS_PER_ADDRESS": "1000000"})
        try:
            if start:
                server.start()
            with self.profiled(server) if start else contextlib.nullcontext():
                yield server
        finally:
            server.finish()
            self.server.start()

    @contextlib.contextmanager
    def profiled(self, server: Server) -> Iterator[None]:
        if self.profile is None:
            yield
        else:
            with flames.recorded(server.pid, self.profile / f"{self.job.replace(chr(39), '-one')}.svg", self.job):
                yield

    # The two that are held against each other

    def wrk(self, path: str, connections: int, headers: dict[str, str], more: str = "") -> Row:
        """One round, of which the row has one value each."""
        lua = self.folder / "wrk.lua"
        lua.write_text(
            more + "done = function(s, l, r) io.write(string.format('RESULT %d %d %.3f %.3f %d\\n', s.requests, s.duration,"
            " l:percentile(50) / 1000, l:percentile(99) / 1000, s.errors.status + s.errors.connect + s.errors.read + s.errors.timeout)) end\n")
        meter = Meter(self.server, self.cluster)
        said = subprocess.run(
            ["wrk", "-t", "1", "-c", str(connections), "-d", f"{self.seconds}s", "-s", lua,
             *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")), f"{self.server.url}{path}"],
            capture_output=True, text=True, check=True).stdout
        cost = meter.read()
        requests, duration, p50, p99, errors = (float(x) for x in re.search(r"RESULT (.*)", said).group(1).split())  # type: ignore[union-attr]
        if errors != 0:
            raise Wrong(f"{path}: {said}")
        return Row("", [requests / duration * 1e6], server=[cost.server / requests * 1e6], postgres=[cost.postgres / requests * 1e6],
                   p50=[p50], p99=[p99], load=[cost.load_share()])

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.client.token}"}

    def compare(
        self, name: str, path: str, connections: int, headers: dict[str, str], yardstick: Script, more: Callable[[], str] = str,
    ) -> Row:
        """`more`: what stands in wrk's script, another each round."""
        def pg(clients: int) -> float:
            return pgbench(self.database, yardstick, self.folder, clients, self.seconds)

        _, clients = max((pg(clients), clients) for clients in (4, 8, 16, 32))
        self.wrk(path, connections, headers, more())
        yard, ours = [], []
        for _ in range(self.rounds):
            yard.append(pg(clients))
            ours.append(self.wrk(path, connections, headers, more()))
        row = together(name, ours)
        row.yard = f"{spread(yard, '{:,.0f}')} ({clients} clients)"
        row.ratio = f"{statistics.median(r / y for r, y in zip(row.rates, yard, strict=True)):.2f}"
        return row

    def alone(self, name: str, path: str, connections: int, headers: dict[str, str]) -> Row:
        return together(name, [self.wrk(path, connections, headers) for _ in range(self.rounds)])

    def yardstick(self, path: str, headers: dict[str, str]) -> Script:
        """What the server asks for this request, for pgbench."""
        statements = asked(self.cluster, self.database, lambda: self.client.request("GET", path, headers=headers))
        print(f"{self.job}: {len(statements)} statement(s) a request", file=sys.stderr)
        return script(statements)

    # The jobs

    def j1(self) -> list[Row]:
        path = "/api/settings"
        return [self.compare("J1 read settings, 32 connections", path, 32, self.bearer, self.yardstick(path, self.bearer)),
                self.alone("J1 read settings, one connection", path, 1, self.bearer)]

    def j5(self) -> list[Row]:
        cursor = self.client.pull()["cursor"]
        headers = {**self.bearer, "If-None-Match": f'"{cursor}"'}
        path = f"/api/sync?cursor={cursor}"
        return [self.compare("J5 poll with nothing new", path, 32, headers, self.yardstick(path, headers))]

    def j4(self, writes: int = 1_000) -> list[Row]:
        phone = self.client.other_device()
        socket = phone.socket().caught_up()
        delays = []
        meter = Meter(self.server, self.cluster)
        for number in range(writes):
            began = time.monotonic()
            self.client.set("n", f"v{number}")
            delays.append((socket.wait_setting("n", f"v{number}") - began) * 1000)
        cost = meter.read()
        values = [document["value"] for message in socket.messages[1:] if message["type"] == "changes" and not message["reset"]
                  for document in message["documents"] if document["id"] == "n"]
        if values != [f"v{number}" for number in range(writes)]:
            raise Wrong(f"{len(values)} of {writes} writes stand on the other socket, or not in their order")
        phone.close()
        return [Row("J4 write until it is on the other socket, idle", server=[cost.server / writes * 1e6],
                    postgres=[cost.postgres / writes * 1e6], p50=[percentile(delays, 0.5)], p99=[percentile(delays, 0.99)],
                    load=[cost.load_share()], remark=f"{writes:,} writes, the worst {max(delays):.1f} ms")]

    def jobs(self) -> dict[str, Callable[[], list[Row]]]:
        return {
            "J1": self.j1, "J2": lambda: purchases.run(self, "J2 purchase, 32 connections", purchases.BUYERS),
            "J2'": lambda: purchases.run(self, "J2' purchase, 32 connections, one wallet", 1),
            "J3": lambda: sockets.shared(self), "J4": self.j4, "J5": self.j5, "J6": lambda: pushes.run(self),
            "connect": lambda: sockets.storm(self), "start": lambda: starts.run(self), "pages": lambda: pages.run(self)}


def together(name: str, rounds: list[Row]) -> Row:
    def of(part: str) -> list[float]:
        return [value for row in rounds for value in getattr(row, part)]

    return Row(name, of("rates"), server=of("server"), postgres=of("postgres"), p50=of("p50"), p99=of("p99"), load=of("load"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sockets", type=int, default=2_000, help="how many N are, in J3 and connect")
    parser.add_argument("--jobs", default="J1,J2,J2',J3,J4,J5,J6,connect,start,pages", help="which, in their order; the default is all")
    parser.add_argument("--profile", type=Path, help="a folder: the server runs under perf, a flame graph for each job")
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    print(f"commit {commit}, `{' '.join(['Benchmarks/run', *sys.argv[1:]])}`\n")
    bench = Bench(options.seconds, options.rounds, options.sockets, options.profile)
    jobs = bench.jobs()
    print(head(), flush=True)
    try:
        for name in options.jobs.split(","):
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            bench.job = name
            with bench.profiled(bench.server):
                rows = jobs[name]()
            for row in rows:
                print(row, flush=True)
        print(f"\nresident memory afterwards: {bench.server.resident_bytes() / 1e6:.0f} MB")
    except Wrong as wrong:
        print(f"bench: {wrong}", file=sys.stderr)
        return 1
    finally:
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
