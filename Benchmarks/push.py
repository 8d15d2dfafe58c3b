"""J6: a device that was offline sends its queue, 500 mutations in one POST /api/sync: how long it takes, and what it costs.

A PostgreSQL of its own (fsync on) and a server. The queue is as days of use leave it: settings of twenty keys, of which every
hundredth one may not be (and is refused). `--purchases N` makes N of every hundred a purchase.

    Benchmarks/run push --rounds 20
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from pathlib import Path

from harness import Client, Cluster, Server, mutation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--mutations", type=int, default=500)
    parser.add_argument("--purchases", type=int, default=0, help="of every hundred")
    options = parser.parse_args()
    cluster = Cluster(durable=True, settings=["shared_buffers = 256MB"])
    try:
        database = cluster.database("push")
        server = Server(Path(tempfile.mkdtemp()), database.url).start()
        ada = Client(server.url, timeout=120).register()
        item = str(uuid.uuid4())
        database.rows("INSERT INTO market_items (id, name, cost_coins, category) VALUES (%s, 'Tea', 1, 'bench')", [item])
        database.rows("SELECT coins_grant(%s, gen_random_uuid(), 1000000, 'bench')", [ada.user["id"]])
        assert server.process is not None and cluster.process is not None
        took, mine, theirs = [], [], []
        for round in range(options.rounds + 2):
            queue = [one(round, number, item, options.purchases) for number in range(options.mutations)]
            before = cpu(server.process.pid), backends(cluster.process.pid)
            began = time.monotonic()
            results = ada.push(*queue)["results"]
            # The first two only warm it up.
            if round > 1:
                took.append((time.monotonic() - began) * 1_000)
                mine.append((cpu(server.process.pid) - before[0]) / len(queue))
                theirs.append((backends(cluster.process.pid) - before[1]) / len(queue))
            assert [result["id"] for result in results] == [one["id"] for one in queue]
            refused = sum(result["status"] == "rejected" for result in results)
            assert refused == sum(mutation["args"].get("key") == "no key" for mutation in queue), refused
        print(f"a push of {options.mutations}, {options.purchases} % purchases: median {middle(took):.0f} ms "
              f"({min(took):.0f} to {max(took):.0f}); CPU µs a mutation: server {middle(mine):.0f}, PostgreSQL {middle(theirs):.0f}")
        server.terminate()
    finally:
        cluster.remove()


def one(round: int, number: int, item: str, purchases: int) -> dict[str, object]:
    if number % 100 < purchases:
        return mutation("market.purchase", {"item_id": item})
    key = "no key" if number % 100 == 99 else f"k{number % 20}"
    return mutation("settings.set", {"key": key, "value": round * 1_000 + number}, seq=round * 1_000 + number + 1)


def cpu(process: int) -> float:
    """µs of CPU that a process has had, with its children that ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0  # It ended: what it had is its parent's now.
    return sum(map(int, fields[11:15])) * 10_000.0


def backends(postmaster: int) -> float:
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return cpu(postmaster) + sum(cpu(int(child)) for child in children)


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
