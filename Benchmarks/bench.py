"""Measures a release build beside what PostgreSQL alone gives on the same cluster, in one run.

J1  GET /api/settings with a bearer token and 5 settings: 32 connections, then one
J2  POST /api/market/purchase, 32 connections, 1,000 buyers; J2' with one buyer (purchases.py)
J4  POST /api/settings until it stands on the other device's socket, while nothing else happens
J5  GET /api/sync with nothing new: 304

The machine may be noisy: rounds alternate (pgbench, server, pgbench, server …), and what is printed is the median with
the least and the most of the rounds, the ratio to pgbench, and the server's own CPU (user + system) for each request.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import purchases

from harness import Client, Cluster, Database, Server
from harness.postgres import binaries

SETTINGS = {"theme": "dark", "accessibility": {"large_text": True}, "time_zone": "Europe/Berlin", "sidebar": {"width": 240}, "n": 1}

# The statements that the server runs, as pgbench takes them: the lookup of the token and the read.
CALLER = """SELECT s.user_id, s.id, s.expires_at, d.id AS device_id, d.name, d.kind
FROM sessions s JOIN devices d ON d.user_id = s.user_id AND d.id = s.device_id
WHERE s.user_id = '{user}' AND s.token_hash = decode('{hash}', 'hex') AND s.expires_at > clock_timestamp()
AND EXISTS (SELECT FROM owned_buckets o WHERE 1 BETWEEN o.first AND o.last);"""
SETTINGS_READ = """SELECT NULL::text AS key, NULL::json AS value, version, NULL::timestamptz AS updated_at
FROM sync_heads WHERE user_id = '{user}' UNION ALL
SELECT key, value, version, updated_at FROM user_settings WHERE user_id = '{user}' AND value IS NOT NULL;"""
HEADS = """SELECT sync_epoch(s.epoch_seed, s.document_shape, h.user_id) AS epoch, h.version, s.version AS shared, h.floor,
s.floor AS shared_floor, clock_timestamp() AS time FROM sync_heads h CROSS JOIN sync_shared s WHERE h.user_id = '{user}';"""


class Bench:
    def __init__(self, seconds: int, rounds: int) -> None:
        self.seconds, self.rounds = seconds, rounds
        self.folder = Path(tempfile.mkdtemp(prefix="lockstep-bench-", dir="/tmp"))
        self.cluster = Cluster(durable=True, settings=["shared_buffers = 128MB", "max_wal_size = 2GB"])
        self.database: Database = self.cluster.database("bench")
        self.server = Server(self.folder, self.database.url).start()
        self.client = Client(self.server.url).register()
        for key, value in SETTINGS.items():
            self.client.set(key, value)
        names = {"user": self.client.me()["user"]["id"],
                 "hash": self.database.value("SELECT encode(token_hash, 'hex') FROM sessions")}
        self.caller, self.read, self.heads = (text.format(**names) for text in (CALLER, SETTINGS_READ, HEADS))

    def close(self) -> None:
        self.client.close()
        self.server.finish()
        self.cluster.remove()

    # The yardstick

    def pgbench(self, *statements: str, clients: int, prelude: str = "") -> float:
        """Requests a second, where a request is all of `statements`, prepared; `prelude` is pgbench's own."""
        script = self.folder / "script.sql"
        script.write_text(prelude + "\n" + "\n".join(statement.replace("\n", " ") for statement in statements))
        said = subprocess.run(
            [binaries() / "pgbench", "-n", "-M", "prepared", "-f", script, "-c", str(clients), "-j", "2", "-T",
             str(self.seconds), self.database.url], capture_output=True, text=True, check=False,
            env=self.database.environment)
        found = re.search(r"tps = ([0-9.]+)", said.stdout)
        assert said.returncode == 0 and found, said.stderr
        return float(found[1])

    def best_pgbench(self, *statements: str, prelude: str = "") -> tuple[float, int]:
        """The best number of clients, looked for once."""
        return max((self.pgbench(*statements, clients=clients, prelude=prelude), clients) for clients in (4, 8, 16, 32))

    # The server

    def wrk(self, path: str, connections: int, headers: dict[str, str], more: str = "") -> tuple[float, float, float, float]:
        """Requests a second, the server's CPU µs a request, p50 and p99 in ms."""
        script = self.folder / "wrk.lua"
        script.write_text(
            more + "done = function(s, l, r) io.write(string.format('RESULT %d %d %.3f %.3f %d\\n', s.requests, s.duration,"
            " l:percentile(50) / 1000, l:percentile(99) / 1000, s.errors.status + s.errors.connect + s.errors.read + s.errors.timeout)) end\n")
        before = self.server.cpu_seconds()
        said = subprocess.run(
            ["wrk", "-t", "1", "-c", str(connections), "-d", f"{self.seconds}s", "-s", script,
             *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")), f"{self.server.url}{path}"],
            capture_output=True, text=True, check=True).stdout
        cpu = self.server.cpu_seconds() - before
        requests, duration, p50, p99, errors = (float(x) for x in re.search(r"RESULT (.*)", said).group(1).split())  # type: ignore[union-attr]
        assert errors == 0, said
        return requests / duration * 1e6, cpu / requests * 1e6, p50, p99

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.client.token}"}

    # The jobs

    def j1(self) -> list[list[str]]:
        return [
            *self.compare("J1 read settings, 32 connections", "/api/settings", 32, self.bearer, self.caller, self.read),
            self.single("J1 read settings, one connection", "/api/settings", self.bearer),
        ]

    def j5(self) -> list[list[str]]:
        cursor = self.client.pull()["cursor"]
        headers = {**self.bearer, "If-None-Match": f'"{cursor}"'}
        return self.compare("J5 poll with nothing new", f"/api/sync?cursor={cursor}", 32, headers, self.caller, self.heads)

    def compare(
        self, name: str, path: str, connections: int, headers: dict[str, str], *statements: str, prelude: str = "",
        script: Callable[[], str] = str,
    ) -> list[list[str]]:
        """`prelude` comes before pgbench's statements, what `script` gives before each run of wrk."""
        _, clients = self.best_pgbench(*statements, prelude=prelude)
        self.wrk(path, connections, headers, script())
        yard, ours = [], []
        for _ in range(self.rounds):
            yard.append(self.pgbench(*statements, clients=clients, prelude=prelude))
            ours.append(self.wrk(path, connections, headers, script()))
        rates = [rate for rate, *_ in ours]
        return [[name, spread(rates, "{:,.0f}"), f"{statistics.median(yard):,.0f} ({clients} clients)",
                 f"{statistics.median(r / y for r, y in zip(rates, yard, strict=True)):.2f}", spread([o[1] for o in ours], "{:.0f}"),
                 spread([o[2] for o in ours], "{:.2f}"), spread([o[3] for o in ours], "{:.1f}")]]

    def single(self, name: str, path: str, headers: dict[str, str]) -> list[str]:
        ours = [self.wrk(path, 1, headers) for _ in range(self.rounds)]
        return [name, spread([o[0] for o in ours], "{:,.0f}"), "", "", spread([o[1] for o in ours], "{:.0f}"),
                spread([o[2] for o in ours], "{:.3f}"), spread([o[3] for o in ours], "{:.2f}")]

    def j4(self, writes: int = 1_000) -> list[list[str]]:
        phone = self.client.other_device()
        socket = phone.socket().caught_up()
        delays = []
        for number in range(writes):
            began = time.monotonic()
            self.client.set("n", f"v{number}")
            delays.append((socket.wait_setting("n", f"v{number}") - began) * 1000)
        phone.close()
        delays.sort()
        return [["J4 write until it is on the other socket, idle", f"{writes} writes", "", "",
                 "", f"{statistics.median(delays):.2f}", f"{delays[int(writes * 0.99)]:.1f} (worst {delays[-1]:.1f})"]]


def spread(values: list[float], form: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{form.format(middle)} ({form.format(low)}–{form.format(high)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", default="J1,J4,J5")
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    print(f"commit {commit}, `make bench` with {' '.join(sys.argv[1:]) or 'its defaults'}\n")
    bench = Bench(options.seconds, options.rounds)
    jobs: dict[str, Callable[[], list[list[str]]]] = {
        "J1": bench.j1, "J2": lambda: purchases.run(bench, "J2 purchase, 32 connections", purchases.BUYERS),
        "J2'": lambda: purchases.run(bench, "J2' purchase, 32 connections, one wallet", 1), "J4": bench.j4, "J5": bench.j5}
    print("| job | a second | pgbench, the same statements | ratio | server CPU µs a request | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|", flush=True)
    try:
        for name in options.jobs.split(","):
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            for row in jobs[name]():
                print("| " + " | ".join(row) + " |", flush=True)
        print(f"\nresident memory afterwards: {bench.server.resident_bytes() / 1e6:.0f} MB")
    finally:
        bench.close()


if __name__ == "__main__":
    main()
