"""What the housekeeping does with an account that kept a great many answers, and what others notice of it.

The answers are put into a PostgreSQL of its own (fsync on), all of them older than is kept; then a server starts, whose first
round begins at once, and another user writes meanwhile, one change after another.

    Benchmarks/run purge --answers 1500000
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

from harness import Client, Cluster, Database, Server

ANSWERS = """
INSERT INTO mutations (user_id, id, device_id, seq, name, fingerprint, status, version, output, created_at)
SELECT '%(user)s', gen_random_uuid(), '%(device)s', n, 'settings.set', substring(sha256(n::text::bytea) FOR 16), 'applied', n,
    json_build_object('setting', json_build_object('key', 'k' || n, 'version', n, 'text', repeat('x', %(bytes)s))),
    now() - interval '40 days'
FROM generate_series(1, %(answers)s) AS n;
UPDATE sync_heads SET oldest_answer_at = now() - interval '40 days' WHERE user_id = '%(user)s'
"""
STEP = re.compile(r"duration: ([0-9.]+) ms .*?SELECT next_from FROM mutations_purge")


def left(database: Database) -> bool:
    return bool(database.value("SELECT EXISTS (SELECT FROM mutations WHERE created_at < now() - interval '30 days')"))


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_500_000)
    parser.add_argument("--bytes", type=int, default=100, help="of each answer, beside its frame")
    options = parser.parse_args()
    cluster = Cluster(durable=True, settings=["max_wal_size = 4GB", "log_min_duration_statement = 0"])
    try:
        database = cluster.database("purge")
        server = Server(Path(tempfile.mkdtemp()), database.url).start()
        many, other = Client(server.url).register(), Client(server.url).register()
        for name, writer in (("the other", other), ("the same", many)):
            alone = [write(writer, n) for n in range(200)]
            print(f"{name} user's writes, nothing else going on: median {median(alone):.1f} ms, worst {max(alone):.1f} ms")
        server.terminate()
        began = time.monotonic()
        database.rows(ANSWERS % {
            "user": many.user["id"], "device": many.device["id"], "answers": options.answers, "bytes": options.bytes})
        size = database.value("SELECT pg_total_relation_size('mutations')") >> 20
        print(f"{options.answers:,} answers made: {size} MB, {time.monotonic() - began:.0f} s")
        server.start()
        began, theirs, own = time.monotonic(), [], []
        while left(database):
            for n in range(20):
                theirs.append(write(other, n))
                own.append(write(many, n))
        took = time.monotonic() - began
        steps = [float(found[1]) for found in STEP.finditer(cluster.log_path.read_text(errors="replace"))]
        print(f"purged within {took:.0f} s, in {len(steps):,} statements: median {median(steps):.1f} ms, worst {max(steps):.0f} ms "
              f"(a statement gets 4,000)")
        print(f"the other user's {len(theirs):,} writes meanwhile: median {median(theirs):.1f} ms, worst {max(theirs):.0f} ms; "
              f"the same user's: median {median(own):.1f} ms, worst {max(own):.0f} ms")
        server.terminate()
    finally:
        cluster.remove()


def write(client: Client, number: int) -> float:
    at = time.monotonic()
    client.set("k", number)
    return (time.monotonic() - at) * 1_000


if __name__ == "__main__":
    main()
