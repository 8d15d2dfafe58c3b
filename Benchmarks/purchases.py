"""J2 and J2': POST /api/market/purchase over HTTP, 32 connections, beside pgbench calling the same function.

J2 has as many buyers as a busy minute; J2' has one, whose purchases all meet at one wallet. `make bench` runs them with
`--jobs J2,J2'`. Afterwards the books are held against each other: what was measured must have happened.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import TYPE_CHECKING

from harness import Database, token_of

if TYPE_CHECKING:
    from bench import Bench

BUYERS, ITEMS = 1_000, 40

# Accounts with a session each and coins enough, made by hand: a registration costs a password hash.
FILL = """
INSERT INTO users (id, email, password_hash)
SELECT md5('buyer' || n)::uuid, 'buyer' || n, '' FROM generate_series(1, {buyers}) n;
INSERT INTO sync_heads (user_id) SELECT id FROM users WHERE email LIKE 'buyer%%';
INSERT INTO devices (user_id, id, name, kind) SELECT id, id, 'bench', 'other' FROM users WHERE email LIKE 'buyer%%';
INSERT INTO market_items (id, name, cost_coins, category)
SELECT md5('item' || n)::uuid, 'Item ' || n, n, 'bench' FROM generate_series(1, {items}) n;
SELECT count(coins_grant(id, gen_random_uuid(), 1000000000, 'bench')) FROM users WHERE email LIKE 'buyer%%';
ANALYZE users, sync_heads, devices, sessions, user_wallet, market_items;
"""
SESSION = """INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at)
SELECT md5('buyer' || %s)::uuid, md5('buyer' || %s)::uuid, md5('buyer' || %s)::uuid, %s, now() + interval '30 days'"""

# What the server asks for one request: whose token it is, and the purchase.
CALLER = """SELECT s.user_id, s.id, s.expires_at, d.id AS device_id, d.name, d.kind FROM sessions s
JOIN devices d ON d.user_id = s.user_id AND d.id = s.device_id
WHERE s.user_id = md5('buyer' || :buyer)::uuid AND s.token_hash = sha256(convert_to(substr(md5('buyer' || :buyer), 14, 3)
|| translate(encode(decode(md5('buyer' || :buyer) || lpad(to_hex(:buyer::bigint), 64, '0'), 'hex'), 'base64'), '+/', '-_'), 'UTF8'))
AND s.expires_at > clock_timestamp() AND EXISTS (SELECT FROM owned_buckets o WHERE 1 BETWEEN o.first AND o.last);"""
PURCHASE = """SELECT r.status, r.version, r.previous, r.head, r.replayed, r.document, r.problem, r.output, r.changed, r.shared
FROM mutate(md5('buyer' || :buyer)::uuid, md5('buyer' || :buyer)::uuid, md5('buyer' || :buyer)::uuid, gen_random_uuid(), NULL,
'market.purchase', substring(sha256('bench') FOR 16), json_build_object('item_id', md5('item' || :item)::uuid, 'quantity', 1), NULL, NULL, NULL, NULL) AS r;"""

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


def token(buyer: int) -> str:
    user = uuid.UUID(hashlib.md5(f"buyer{buyer}".encode(), usedforsecurity=False).hexdigest())
    return token_of(user, buyer.to_bytes(32, "big"))


def fill(database: Database) -> None:
    for statement in FILL.format(buyers=BUYERS, items=ITEMS).split(";\n"):
        if statement.strip():
            database.rows(statement)
    with database.connect() as connection:
        for number in range(1, BUYERS + 1):
            connection.execute(SESSION, [number, number, number, hashlib.sha256(token(number).encode()).digest()])


def run(bench: Bench, name: str, buyers: int) -> list[list[str]]:
    if not bench.database.value("SELECT EXISTS (SELECT FROM market_items)"):
        fill(bench.database)
    choose = f"\\set buyer random(1, {buyers})\n\\set item random(1, {ITEMS})"
    names = ", ".join(f'"{row["id"]}"' for row in bench.database.rows("SELECT id FROM market_items"))
    tokens = ", ".join(f'"{token(number)}"' for number in range(1, buyers + 1))
    seed = time.time_ns() % 2**31

    def script() -> str:
        nonlocal seed
        # Another seed each time, or the keys of the round before would come again.
        seed += 1
        return REQUEST.format(seed=seed, buyers=buyers, items=names, tokens=tokens)

    rows = bench.compare(name, "/api/market/purchase", 32, {}, CALLER, PURCHASE, prelude=choose, script=script)
    wrong = bench.database.value("""SELECT count(*) FROM user_wallet w WHERE total_coins <> (
        SELECT sum(coins_amount) FROM market_transactions t WHERE t.user_id = w.user_id)""")
    assert wrong == 0, f"{wrong} wallets are not the sum of their ledger"
    return rows
