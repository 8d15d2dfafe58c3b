"""J2 and J2': POST /api/market/purchase over HTTP, 32 connections, beside pgbench calling the same function.

J2 has as many buyers as a busy minute; J2' has one, whose purchases all meet at one wallet. `make bench` runs them with
`--jobs J2,J2'`. Afterwards the books are held against each other: what was measured must have happened.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import people
from costs import Row
from fleet import Wrong
from yardstick import Script, asked, script

from harness import Client, Database

if TYPE_CHECKING:
    from bench import Bench

KIND, BUYERS, ITEMS = "buyer", 1_000, 40

# Coins enough, and something to buy.
FILL = """
INSERT INTO market_items (id, name, cost_coins, category)
SELECT md5('item' || n)::uuid, 'Item ' || n, n, 'bench' FROM generate_series(1, {items}) n;
SELECT count(coins_grant(id, gen_random_uuid(), 1000000000, 'bench')) FROM users WHERE email LIKE 'buyer%%';
ANALYZE user_wallet, market_items;
"""

# Each request has a key of its own.
REQUEST = """
local random = math.random
math.randomseed({seed})
request = function()
  local token = tokens[random(1, {buyers})]
  local key = string.format("%08x-%04x-4%03x-8%03x-%06x%06x", random(0, 2^32 - 1), random(0, 65535), random(0, 4095),
    random(0, 4095), random(0, 2^24 - 1), random(0, 2^24 - 1))
  return wrk.format("POST", nil, {{["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = key}}, '{{"item_id":"' .. items[random(1, #items)] .. '"}}')
end
items = {{ {items} }}
tokens = {{ {tokens} }}
"""


def fill(database: Database) -> None:
    people.fill(database, KIND, 1, BUYERS)
    for statement in FILL.format(items=ITEMS).split(";\n"):
        if statement.strip():
            database.rows(statement)


def yardstick(bench: Bench, choose: str) -> Script:
    """The purchase as the server calls it, by a buyer whom it knows; each of pgbench's has another id, buyer and item."""
    client = Client(bench.server.url)
    client.token = people.token(KIND, 1)
    (item, *_) = bench.database.rows("SELECT id FROM market_items")

    def buy() -> None:
        nonlocal key
        key = str(uuid.uuid4())
        client.expect(201, "POST", "/api/market/purchase", {"item_id": str(item["id"]), "quantity": 1}, headers={"Idempotency-Key": key})

    key = ""
    # The hint to other processes is none of a purchase's: one is sent for many.
    statements = [statement for statement in asked(bench.cluster, bench.database, buy) if "pg_notify" not in statement.text]
    client.close()
    return script(statements, prelude=choose, instead={
        str(people.identity(KIND, 1)): "md5('buyer' || :buyer)::uuid", key: "gen_random_uuid()",
        str(item["id"]): "json_build_object('item_id', md5('item' || :item)::uuid, 'quantity', 1)"})


def run(bench: Bench, name: str, buyers: int) -> list[Row]:
    if not bench.database.value("SELECT EXISTS (SELECT FROM market_items)"):
        fill(bench.database)
    choose = f"\\set buyer random(1, {buyers})\n\\set item random(1, {ITEMS})"
    names = ", ".join(f'"{row["id"]}"' for row in bench.database.rows("SELECT id FROM market_items"))
    tokens = ", ".join(f'"{people.token(KIND, number)}"' for number in range(1, buyers + 1))
    seed = time.time_ns() % 2**31

    def more() -> str:
        nonlocal seed
        # Another seed each time, or the keys of the round before would come again.
        seed += 1
        return REQUEST.format(seed=seed, buyers=buyers, items=names, tokens=tokens)

    row = bench.compare(name, "/api/market/purchase", 32, {}, yardstick(bench, choose), more)
    wrong = bench.database.value("""SELECT count(*) FROM user_wallet w WHERE total_coins <> (
        SELECT sum(coins_amount) FROM market_transactions t WHERE t.user_id = w.user_id)""")
    if wrong != 0:
        raise Wrong(f"{wrong} wallets are not the sum of their ledger")
    return [row]
