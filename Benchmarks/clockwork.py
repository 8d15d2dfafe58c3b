"""How late sessions are completed, and what the clockwork costs.

10,000 live sessions of as many users end within one minute, spread evenly, and as many all at one instant. How late each was
written is the commit's time, as PostgreSQL keeps it, less the session's end; how late it was told is when a listener on the
bus heard of it. Then one session that ends in an hour, and what server and database do about it.

    Benchmarks/run clockwork --sessions 10000 --within 60        --within 0 --idle 0: at one instant alone
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path

import psycopg

from harness import Cluster, Database, Server, eventually
from harness.processes import tree

# Ends from `:lead` seconds from now on.
FILL = """
WITH made AS (
    INSERT INTO users (id, email, password_hash)
    SELECT gen_random_uuid(), n || '-' || %(round)s || '@example.org', 'x'
    FROM generate_series(1, %(sessions)s) AS n RETURNING id
), heads AS (
    INSERT INTO sync_heads (user_id, version) SELECT id, 1 FROM made RETURNING user_id
), numbered AS (
    SELECT user_id, row_number() OVER () AS n FROM heads
), sessions AS (
INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at, version)
SELECT user_id, gen_random_uuid(), 'focus', 'active', 1500, e.at - interval '1500 seconds', e.at, 1
FROM numbered CROSS JOIN LATERAL (SELECT clock_timestamp() + make_interval(
    secs => %(lead)s + %(within)s::double precision * n / %(sessions)s) AS at) e
RETURNING user_id, id
)
INSERT INTO focus_pause_state (user_id, session_id) SELECT user_id, id FROM sessions
"""
LATE = """
SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (
    ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - ends_at) * 1000) AS late,
    count(*) FILTER (WHERE completed_at <> ends_at) AS wrong
FROM focus_sessions WHERE status = 'completed' AND ends_at > %(since)s
"""


def spent(cluster: Cluster) -> float:
    """CPU seconds of all of PostgreSQL's processes, those that ended too."""
    assert cluster.process is not None
    ticks = 0
    for pid in tree(cluster.process.pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(int(it) for it in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


class Bus(threading.Thread):
    """Hears from the bus when each user's end was told."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self.connection = psycopg.connect(database.url, autocommit=True)
        self.connection.execute("LISTEN lockstep")
        self.told: dict[str, float] = {}
        self.start()

    def run(self) -> None:
        # Until the cluster is taken away.
        with contextlib.suppress(psycopg.OperationalError):
            for notice in self.connection.notifies():
                now = time.time()
                for word in notice.payload.split()[1:]:
                    user, _, version = word[1:].partition(":")
                    if word[0] == "u" and version == "2":
                        self.told.setdefault(user, now)


def ends(cluster: Cluster, database: Database, server: Server, sessions: int, within: float, name: str) -> None:
    lead = 3 + sessions / 10_000
    since = database.value("SELECT clock_timestamp()")
    database.rows(FILL, {"sessions": sessions, "within": within, "lead": lead, "round": name})  # type: ignore[arg-type]
    # The clockwork heard nothing of them: another process's hint, or its own look, tells it. A restart looks at once.
    server.restart()
    bus = Bus(database)
    before, of_postgres = server.cpu_seconds(), spent(cluster)
    eventually(lambda: len(bus.told) >= sessions, within=within + 120, every=0.05, what="all are told")
    cpu, of_postgres = server.cpu_seconds() - before, spent(cluster) - of_postgres
    (row,) = database.rows(LATE, {"since": since})  # type: ignore[arg-type]
    median, high, worst = row["late"]
    assert row["wrong"] == 0
    ended = {str(it["user_id"]): it["at"] for it in database.rows(
        "SELECT user_id, extract(epoch FROM ends_at)::double precision AS at FROM focus_sessions WHERE ends_at > %s", [since])}
    told = max(at - ended[user] for user, at in bus.told.items() if user in ended) * 1_000
    print(f"| {sessions:,} sessions ending {name} | {median:.1f} | {high:.1f} | {worst:.1f} | {told:.1f} |"
          f" {cpu / sessions * 1e6:.0f} | {of_postgres / sessions * 1e6:.0f} |", flush=True)


def idle(cluster: Cluster, database: Database, server: Server, seconds: float) -> None:
    database.rows(FILL, {"sessions": 1, "within": 0, "lead": 3_600, "round": "idle"})  # type: ignore[arg-type]
    server.restart()
    time.sleep(3)
    log = cluster.log_path
    count = lambda: sum("execute " in line for line in log.read_text(errors="replace").splitlines())  # noqa: E731
    statements, cpu = count(), server.cpu_seconds()
    time.sleep(seconds)
    print(f"\nNothing due for {seconds:.0f} s: {count() - statements} statements,"
          f" {(server.cpu_seconds() - cpu) / seconds * 1e6:.0f} µs of server CPU a second (all of the process)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--within", type=float, default=60, help="seconds within which they end")
    parser.add_argument("--rounds", type=int, default=1, help="of all at one instant")
    parser.add_argument("--idle", type=float, default=60, help="seconds with nothing due")
    options = parser.parse_args()
    cluster = Cluster(durable=True, settings=["track_commit_timestamp = on", "shared_buffers = 128MB"])
    folder = Path(tempfile.mkdtemp(prefix="lockstep-bench-", dir="/tmp"))
    database = cluster.database("bench")
    server = Server(folder, database.url).start()
    try:
        print("| | median ms late | p99 | worst | told at the latest | server CPU µs a session | PostgreSQL CPU µs |\n"
              "|---|---|---|---|---|---|---|")
        if options.within:
            ends(cluster, database, server, options.sessions, options.within, f"within {options.within:.0f} s")
        for number in range(options.rounds):
            ends(cluster, database, server, options.sessions, 0, f"at one instant ({number + 1})")
        if not options.idle:
            return
        database.rows("ALTER SYSTEM SET log_statement = 'all'")
        database.rows("SELECT pg_reload_conf()")
        idle(cluster, database, server, options.idle)
    finally:
        server.finish()
        cluster.remove()


if __name__ == "__main__":
    main()
