"""The storm of Tests/harness/storm.py at full length, on a durable PostgreSQL of its own."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from harness import Cluster, Server
from harness.storm import Storm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cluster = Cluster(durable=True)
    database = cluster.database("storm")
    server = Server(Path(tempfile.mkdtemp(prefix="lockstep-storm-", dir="/tmp")), database.url).start()
    try:
        storm = Storm(server, database, options.operations, options.kills, options.clients, options.users, options.seed, patience=120)
        seconds = storm.run()
        print(f"{options.operations:,} operations from {options.clients} clients of {options.users} users in {seconds:.0f} s, "
              f"{options.kills} kills, {storm.repeats:,} times asked again")
        began = time.monotonic()
        print(f"lockstep audit: {storm.audit()} ({time.monotonic() - began:.1f} s)")
        for outcome, count in sorted(storm.reckon().items()):
            print(f"{count:>8,}  {outcome}")
        print("every answer stands in the database, and nothing else")
        storm.close()
    finally:
        server.finish()
        cluster.remove()


if __name__ == "__main__":
    main()
