"""Measures the recommendations: how good they are on a data set with a known structure, and how fast on many purchases.

    Benchmarks/run recommendations                                 100,000 purchases
    Benchmarks/run recommendations --purchases 1000000             ten times as many

The data set: users of one or two of 20 tastes, items with a long tail of popularity within their taste, a share of
purchases that follows no taste, a few items that everybody wants in the last two weeks, consumables that are bought
again. One item of each of 2,000 users is hidden with all its purchases; a hit is when it is among the first ten.
"""

from __future__ import annotations

import argparse
import bisect
import datetime
import itertools
import os
import random
import statistics
import subprocess
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from harness import Cluster, Database
from harness.server import binary

TASTES = 20
NOW = datetime.datetime.now(datetime.UTC)


class Drawn:
    """Draws from a list by weights."""

    def __init__(self, values: Sequence[Any], weights: Sequence[float]) -> None:
        self.values, self.sums = values, list(itertools.accumulate(weights))

    def draw(self, chance: random.Random) -> Any:
        return self.values[bisect.bisect(self.sums, chance.random() * self.sums[-1])]


class World:
    """Items, users and what they bought: {user: [(item, when)]}."""

    def __init__(self, users: int, items: int, purchases: int, seed: int) -> None:
        chance = random.Random(seed)

        def some_id() -> uuid.UUID:
            return uuid.UUID(int=chance.getrandbits(128), version=4)

        self.items = [some_id() for _ in range(items)]
        self.consumable = {item: chance.random() < 0.5 for item in self.items}
        self.users = [some_id() for _ in range(users)]
        shelves: list[list[uuid.UUID]] = [self.items[taste::TASTES] for taste in range(TASTES)]
        tastes = [Drawn(shelf, [1 / (rank + 1) ** 0.8 for rank in range(len(shelf))]) for shelf in shelves]
        everything = chance.sample(self.items, items)
        anything = Drawn(everything, [1 / (rank + 1) for rank in range(items)])
        trend = Drawn(chance.sample(self.items, max(3, items // 100)), [1] * max(3, items // 100))
        appetite = Drawn(self.users, [chance.paretovariate(1.5) for _ in self.users])
        liked = {user: (chance.randrange(TASTES), chance.randrange(TASTES)) for user in self.users}
        self.bought: dict[uuid.UUID, list[tuple[uuid.UUID, datetime.datetime]]] = defaultdict(list)
        for number in range(purchases):
            user = self.users[number] if number < users else appetite.draw(chance)
            age = chance.random() * 120 * 86_400
            first, second = liked[user]
            before = self.bought[user]
            if before and chance.random() < 0.2:
                again = chance.choice(before)[0]
                if self.consumable[again]:
                    before.append((again, NOW - datetime.timedelta(seconds=age)))
                    continue
            if age < 14 * 86_400 and chance.random() < 0.1:
                item = trend.draw(chance)
            elif chance.random() < 0.3:
                item = anything.draw(chance)
            else:
                item = tastes[first if chance.random() < 0.7 else second].draw(chance)
            before.append((item, NOW - datetime.timedelta(seconds=age)))
        self.hidden: dict[uuid.UUID, uuid.UUID] = {}

    def hide(self, how_many: int, seed: int) -> None:
        """Takes one item, with all its purchases, from users who have at least three."""
        chance = random.Random(seed)
        able = [user for user in self.users if len({item for item, _ in self.bought[user]}) >= 3]
        for user in chance.sample(able, min(how_many, len(able))):
            self.hidden[user] = chance.choice(sorted({item for item, _ in self.bought[user]}))
            self.bought[user] = [pair for pair in self.bought[user] if pair[0] != self.hidden[user]]

    def fill(self, database: Database) -> None:
        with database.connect(autocommit=False) as connection, connection.cursor() as cursor:
            with cursor.copy("COPY users (id, email, password_hash) FROM STDIN") as copy:
                for user in self.users:
                    copy.write_row((user, str(user), "none"))
            cursor.execute("INSERT INTO sync_heads (user_id) SELECT id FROM users")
            cursor.execute("INSERT INTO user_wallet (user_id, total_coins, earned_coins) SELECT id, 1000000, 1000000 FROM users")
            with cursor.copy("COPY market_items (id, name, cost_coins, category, consumable) FROM STDIN") as copy:
                for number, item in enumerate(self.items):
                    copy.write_row((item, f"Item {number}", 10 + number % 400, "things", self.consumable[item]))
            rows = [(user, item, when) for user, pairs in self.bought.items() for item, when in pairs]
            # As they would lie there: in the order of time.
            rows.sort(key=lambda row: row[2])
            with cursor.copy("COPY user_market_purchases (user_id, id, item_id, quantity, cost_paid_coins, purchased_at, "
                             "version) FROM STDIN") as copy:
                for user, item, when in rows:
                    copy.write_row((user, uuid.uuid4(), item, 1, 10, when, 1))
            cursor.execute(INVENTORY)
        with database.connect() as connection:
            connection.execute("VACUUM ANALYZE")


INVENTORY = """INSERT INTO user_inventory AS v (user_id, item_id, quantity, cost_paid_coins, purchased_at, version)
SELECT user_id, item_id, sum(quantity), sum(cost_paid_coins), max(purchased_at), 1 FROM user_market_purchases
GROUP BY user_id, item_id ON CONFLICT ON CONSTRAINT user_inventory_pkey DO UPDATE
SET quantity = excluded.quantity, purchased_at = excluded.purchased_at"""
POPULAR = """SELECT item_id FROM user_inventory GROUP BY item_id ORDER BY count(*) DESC, item_id"""


def passes(database: Database, limit: int = 1_000) -> list[float]:
    """Works until there is nothing left to do; how long each step took."""
    took = []
    with database.connect() as connection:
        while True:
            begun = time.perf_counter()
            more = connection.execute("SELECT more FROM recommendation_pass(%s, interval '0')", (limit,)).fetchone()["more"]
            took.append(time.perf_counter() - begun)
            if not more:
                return took


def quality(world: World, database: Database) -> dict[str, float]:
    owned = {user: {item for item, _ in world.bought[user]} for user in world.hidden}
    popular = [row["item_id"] for row in database.rows(POPULAR)]
    rates: dict[str, list[bool]] = defaultdict(list)
    with database.connect() as connection:
        connection.execute("SET jit = off")
        for user, hidden in world.hidden.items():
            rows = connection.execute("SELECT item_id, reason FROM market_recommend(%s)", (user,)).fetchall()
            ours = [row["item_id"] for row in rows]
            new = [item for item in ours if item not in owned[user]]
            rates["ours, as it is shown"].append(hidden in ours[:10])
            rates["ours, without what the user has"].append(hidden in new[:10])
            theirs = itertools.islice((item for item in popular if item not in owned[user]), 10)
            rates["popularity, without what the user has"].append(hidden in theirs)
            theirs = itertools.islice((i for i in popular if world.consumable[i] or i not in owned[user]), 10)
            rates["popularity, as it would be shown"].append(hidden in theirs)
    return {name: statistics.mean(hits) for name, hits in rates.items()}


def speed(world: World, database: Database) -> None:
    chance = random.Random(7)
    people = chance.sample(world.users, 1_000)
    with database.connect() as connection:
        for attempt in ("1,000 purchases more, counted in", "again, nothing new"):
            if "more" in attempt:
                with connection.cursor() as cursor, connection.transaction():
                    for user in people:
                        cursor.execute(
                            "WITH p AS (INSERT INTO user_market_purchases (user_id, id, item_id, quantity, cost_paid_coins, "
                            "purchased_at, version) VALUES (%(u)s, gen_random_uuid(), %(i)s, 1, 10, clock_timestamp(), 2)) "
                            "INSERT INTO user_inventory AS v (user_id, item_id, quantity, cost_paid_coins, purchased_at, "
                            "version) VALUES (%(u)s, %(i)s, 1, 10, clock_timestamp(), 2) ON CONFLICT ON CONSTRAINT "
                            "user_inventory_pkey DO UPDATE SET quantity = v.quantity + 1, purchased_at = clock_timestamp()",
                            {"u": user, "i": chance.choice(world.items)})
            took = passes(database)
            print(f"{attempt:40} {sum(took) * 1000:8.0f} ms in {len(took)} steps, the longest {max(took) * 1000:.0f} ms")
        lists = []
        for user in people:
            begun = time.perf_counter()
            connection.execute("SELECT item_id, score, reason FROM market_recommend(%s)", (user,), prepare=True).fetchall()
            lists.append((time.perf_counter() - begun) * 1000)
        lists.sort()
        print(f"one user's list, 1,000 times: median {lists[500]:.1f} ms, 99 of 100 within {lists[990]:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, help="a tenth of the purchases unless given")
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--purchases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cluster = Cluster(settings=["shared_buffers = 256MB", "max_wal_size = 2GB", "jit = off"])
    try:
        database = cluster.database("recommendations")
        subprocess.run([binary(), "migrate", "up"], env={**os.environ, "DATABASE_URL": database.url}, check=True,
                       stdout=subprocess.DEVNULL)
        world = World(options.users or options.purchases // 10, options.items, options.purchases, options.seed)
        world.hide(2_000, options.seed)
        world.fill(database)
        took = passes(database)
        print(f"{options.purchases:,} purchases of {options.items:,} items by {len(world.users):,} users, seed {options.seed}")
        print(f"{'counted from nothing':40} {sum(took):8.1f} s in {len(took)} steps, the longest {max(took) * 1000:.0f} ms")
        speed(world, database)
        print("Hit rate at 10, leave one out, of", len(world.hidden), "users")
        for name, rate in quality(world, database).items():
            print(f"    {name:40} {rate:6.1%}")
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
