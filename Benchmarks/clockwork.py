"""How late sessions are completed, and what the clockwork costs.

10,000 live sessions of as many users end within one minute, spread evenly or all at one instant; how late each was
written is the commit's time, as PostgreSQL keeps it, less the session's end. Then one session that ends in an hour, and
what server and database do about it.

    Benchmarks/run clockwork --sessions 10000 --within 60
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from harness import Cluster, Database, Server, eventually

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
)
INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at, version)
SELECT user_id, gen_random_uuid(), 'focus', 'active', 1500, e.at - interval '1500 seconds', e.at, 1
FROM numbered CROSS JOIN LATERAL (SELECT clock_timestamp() + make_interval(
    secs => %(lead)s + %(within)s::double precision * n / %(sessions)s) AS at) e
"""
LATE = """
SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (
    ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - ends_at) * 1000) AS late,
    count(*) FILTER (WHERE completed_at <> ends_at) AS wrong
FROM focus_sessions WHERE status = 'completed' AND ends_at > %(since)s
"""


def ends(database: Database, server: Server, sessions: int, within: float, name: str) -> None:
    lead = 3 + sessions / 10_000
    since = database.value("SELECT clock_timestamp()")
    database.rows(FILL, {"sessions": sessions, "within": within, "lead": lead, "round": name})  # type: ignore[arg-type]
    # The clockwork heard nothing of them: another process's hint, or its own look, tells it. A restart looks at once.
    server.restart()
    before = server.cpu_seconds()
    eventually(lambda: database.value("SELECT count(*) FROM focus_sessions WHERE status = 'active'") == 0,
               within=within + 120, every=0.5, what="all completed")
    cpu = server.cpu_seconds() - before
    (row,) = database.rows(LATE, {"since": since})  # type: ignore[arg-type]
    median, high, worst = row["late"]
    assert row["wrong"] == 0
    print(f"| {sessions:,} sessions ending {name} | {median:.1f} | {high:.1f} | {worst:.1f} | {cpu / sessions * 1e6:.0f} |", flush=True)


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
    parser.add_argument("--idle", type=float, default=60, help="seconds with nothing due")
    options = parser.parse_args()
    cluster = Cluster(durable=True, settings=["track_commit_timestamp = on", "shared_buffers = 128MB"])
    folder = Path(tempfile.mkdtemp(prefix="lockstep-bench-", dir="/tmp"))
    database = cluster.database("bench")
    server = Server(folder, database.url).start()
    try:
        print("| | median ms late | p99 | worst | server CPU µs a session |\n|---|---|---|---|---|")
        ends(database, server, options.sessions, options.within, f"within {options.within:.0f} s")
        ends(database, server, options.sessions, 0, "at one instant")
        database.rows("ALTER SYSTEM SET log_statement = 'all'")
        database.rows("SELECT pg_reload_conf()")
        idle(cluster, database, server, options.idle)
    finally:
        server.finish()
        cluster.remove()


if __name__ == "__main__":
    main()
