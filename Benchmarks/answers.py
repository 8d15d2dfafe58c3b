"""What a kept answer costs: bytes of its row and of each index, and calls a second while many are there.

pgbench calls `mutate` on a PostgreSQL of its own, for many users in turn, as devices push: numbered, each with an id of its own.
Last, what a request of 63 KB adds to the database.

    Benchmarks/run answers --calls 200000
"""

from __future__ import annotations

import argparse
import re
import secrets
import subprocess
import tempfile
from pathlib import Path

import purchases

from harness import Client, Cluster, Database, Server
from harness.postgres import binaries

CALL = """SELECT r.status FROM mutate(md5('buyer' || :buyer)::uuid, md5('buyer' || :buyer)::uuid,
md5('buyer' || :buyer)::uuid, gen_random_uuid(), nextval('bench_seq'), '{name}', substring(sha256('bench') FOR 16), {args},
NULL, NULL, NULL, NULL) AS r;"""
CALLS = {
    "settings.set": CALL.format(
        name="settings.set", args="json_build_object('key', 'ui.key' || (:item::bigint % 20), 'value', :item::bigint)"),
    "market.purchase": CALL.format(
        name="market.purchase", args="json_build_object('item_id', md5('item' || :item)::uuid, 'quantity', 1)"),
}


def pgbench(database: Database, script: str, calls: int, clients: int = 4) -> float:
    """Calls a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(f"\\set buyer random(1, {purchases.BUYERS})\n\\set item random(1, {purchases.ITEMS})\n{script.replace(chr(10), ' ')}\n")
        file.flush()
        ran = subprocess.run(
            [binaries() / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-t", str(calls // clients),
             "-f", file.name, database.url], capture_output=True, text=True, check=False, env=database.environment)
    found = re.search(r"tps = ([0-9.]+)", ran.stdout)
    assert ran.returncode == 0 and found, ran.stderr
    return float(found[1])


def sizes(database: Database) -> dict[str, int]:
    """Bytes of the table of answers and of each of its indexes; of all partitions together, where it has some."""
    rows = database.rows("""
        SELECT CASE WHEN c.relkind = 'i' THEN coalesce(a.amname, '') || ' ' || array_to_string(ARRAY(
                SELECT pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnatts) n), ', ') ELSE 'row' END AS what,
            sum(CASE WHEN c.relkind = 'i' THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END)::bigint AS bytes
        FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_am a ON a.oid = c.relam AND c.relkind = 'i'
        WHERE (starts_with(c.relname, 'mutations') AND c.relkind = 'r') OR i.indrelid IN (
            SELECT oid FROM pg_class WHERE starts_with(relname, 'mutations') AND relkind = 'r')
        GROUP BY 1""")
    return {row["what"]: row["bytes"] for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200_000, help="of each mutation")
    options = parser.parse_args()
    cluster = Cluster(durable=True, settings=["max_wal_size = 4GB", "shared_buffers = 512MB"])
    try:
        database = cluster.database("answers")
        server = Server(Path(tempfile.mkdtemp()), database.url).start()
        writer = Client(server.url).register()
        purchases.fill(database)
        database.rows("CREATE SEQUENCE bench_seq CACHE 1000")
        for name, call in CALLS.items():
            before, wal = sizes(database), wal_place(database)
            rate = pgbench(database, call, options.calls)
            after = sizes(database)
            each = {what: (after[what] - before.get(what, 0)) / options.calls for what in after}
            written = (wal_place(database) - wal) / options.calls
            print(f"{name}: {rate:,.0f} a second, {sum(each.values()):.0f} bytes an answer ("
                  + ", ".join(f"{what} {size:.0f}" for what, size in sorted(each.items())) + f"), {written:,.0f} of WAL a call")
        database.rows("VACUUM ANALYZE")
        before, wal = total(database), wal_place(database)
        for number in range(20):
            # What no compression makes smaller.
            writer.patch({f"k{number}-{n}": secrets.token_urlsafe(11_800) for n in range(4)})
        database.rows("CHECKPOINT")
        print(f"a PATCH of 63 KB: {(total(database) - before) / 20:,.0f} bytes of tables, "
              f"{(wal_place(database) - wal) / 20:,.0f} of WAL")
        server.terminate()
    finally:
        cluster.remove()


def wal_place(database: Database) -> int:
    return int(database.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def total(database: Database) -> int:
    return int(database.value("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"))


if __name__ == "__main__":
    main()
