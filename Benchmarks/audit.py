"""`lockstep audit` on a large database: how long it takes, and how much memory.

The users and their ledgers are made by the market's own functions (every second entry a purchase with its row and its inventory),
on a PostgreSQL of its own; then the audit runs, and runs again after one entry in the middle was edited.

    Benchmarks/run audit --users 2000 --entries 500
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from pathlib import Path

from harness import Cluster, Database, lockstep
from harness.server import binary

PEOPLE = """
INSERT INTO users (id, email, password_hash)
SELECT gen_random_uuid(), 'u' || n, '' FROM generate_series(1, %(users)s) AS n;
INSERT INTO sync_heads (user_id, version) SELECT id, 1000000 FROM users;
INSERT INTO market_items (id, name, cost_coins, category) VALUES ('00000000-0000-7000-8000-000000000001', 'Tea', 3, 'x');
"""
LEDGER = """
DO $$
DECLARE
    u uuid;
    p uuid;
BEGIN
    FOR u IN SELECT id FROM users WHERE id >= '%(first)s' AND id <= '%(last)s' LOOP
        FOR n IN 1..%(entries)s LOOP
            p := gen_random_uuid();
            IF n %% 2 = 1 THEN
                PERFORM wallet_move(u, p, 'earn', 10, 'a gift', NULL, n, date_trunc('milliseconds', clock_timestamp()));
            ELSE
                PERFORM wallet_move(u, p, 'spend', -3, 'purchase', '00000000-0000-7000-8000-000000000001', n,
                    date_trunc('milliseconds', clock_timestamp()));
                INSERT INTO user_market_purchases (user_id, id, item_id, quantity, cost_paid_coins, purchased_at, version)
                VALUES (u, p, '00000000-0000-7000-8000-000000000001', 1, 3, now(), n);
            END IF;
        END LOOP;
        INSERT INTO user_inventory (user_id, item_id, quantity, cost_paid_coins, purchased_at, version)
        VALUES (u, '00000000-0000-7000-8000-000000000001', %(entries)s / 2, 3 * (%(entries)s / 2), now(), 1);
    END LOOP;
END $$;
"""


def fill(database: Database, users: int, entries: int) -> None:
    with database.connect() as connection:
        connection.execute(PEOPLE % {"users": users})  # type: ignore[arg-type]
        ids = [row["id"] for row in connection.execute("SELECT id::text FROM users ORDER BY id")]
    # Two sessions at once, and a transaction each fifty users.
    pieces = [ids[at:at + 50] for at in range(0, len(ids), 50)]
    with subprocess.Popen(["xargs", "-P2", "-d\\0", "-n1", "psql", "-q", "-v", "ON_ERROR_STOP=1", database.url, "-c"], stdin=subprocess.PIPE, env=database.environment) as pool:
        pool.communicate("\0".join(LEDGER % {"first": piece[0], "last": piece[-1], "entries": entries} for piece in pieces).encode())
    assert pool.returncode == 0
    database.rows("VACUUM ANALYZE")


def postgres_cpu(cluster: Cluster) -> float:
    """CPU seconds of the postmaster and of everything below it that has ended."""
    assert cluster.process is not None
    fields = Path(f"/proc/{cluster.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def audit(database: Database) -> tuple[int, str, float, float, float, int]:
    """Exit status, what it said, seconds, CPU seconds of its own and of PostgreSQL, and its largest resident size in MB."""
    began, before = time.monotonic(), postgres_cpu(database.cluster)
    process = subprocess.Popen([str(binary()), "audit"], env={**os.environ, "DATABASE_URL": database.url}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read().strip()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    time.sleep(0.2)  # PostgreSQL counts a backend's time when it has collected it
    return (
        os.waitstatus_to_exitcode(status), said, seconds, used.ru_utime + used.ru_stime, postgres_cpu(database.cluster) - before,
        used.ru_maxrss // 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--entries", type=int, default=500, help="of each user's ledger")
    options = parser.parse_args()
    cluster = Cluster(settings=["shared_buffers = 256MB", "max_wal_size = 4GB"])
    try:
        database = cluster.database("audit")
        lockstep("migrate", "up", env={"DATABASE_URL": database.url}).check_returncode()
        fill(database, options.users, options.entries)
        for number in (1, 2):
            status, said, seconds, cpu, theirs, memory = audit(database)
            print(f"audit {number}: status {status}, {seconds:.1f} s, CPU {cpu:.1f} s and PostgreSQL's {theirs:.1f} s, {memory} MB at most: {said.splitlines()[-1]}")
        with database.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(
                "UPDATE market_transactions SET reason = 'edited' WHERE seq = %s AND user_id = (SELECT id FROM users ORDER BY id OFFSET %s LIMIT 1)",
                (options.entries // 2, options.users // 2))
        status, said, *_ = audit(database)
        print(f"after one edit: status {status}\n{said}")
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
