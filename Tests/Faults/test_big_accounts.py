"""An account of years, whose ledger has 400,000 entries (120,000 in the short form), and what is asked of it as a whole."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Database, Server, eventually
from harness.server import lockstep

pytestmark = pytest.mark.timeout(400)

ENTRIES = 400_000 if "LOCKSTEP_LONG" in os.environ else 120_000
ANSWERS = 300_000


def fill(database: Database, user: str, entries: int = ENTRIES) -> None:
    """Grants, chained as wallet_move does it."""
    with database.connect() as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(f"""
            WITH RECURSIVE entry (seq, id, at, hash) AS (
                SELECT 0, NULL::uuid, timestamptz '2026-01-01', ''
                UNION ALL SELECT e.seq + 1, n.id, n.at, transaction_hash(e.hash, '{user}', e.seq + 1, n.id, 'earn', 1, e.seq + 1,
                    NULL, wire_time(n.at), 'a gift')
                FROM entry e CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id, e.at + interval '1 minute' AS at) AS n
                WHERE e.seq < {entries}
            ), written AS (
                INSERT INTO market_transactions (user_id, seq, id, transaction_type, coins_amount, balance_after, reason,
                    created_at, hash)
                SELECT '{user}', seq, id, 'earn', 1, seq, 'a gift', at, hash FROM entry WHERE seq > 0 RETURNING seq, hash
            )
            INSERT INTO user_wallet (user_id, total_coins, earned_coins, version, seq, hash)
            SELECT '{user}', seq, seq, 0, seq, hash FROM written ORDER BY seq DESC LIMIT 1
            ON CONFLICT ON CONSTRAINT user_wallet_pkey DO UPDATE SET total_coins = EXCLUDED.total_coins,
                earned_coins = EXCLUDED.earned_coins, seq = EXCLUDED.seq, hash = EXCLUDED.hash""")


def fill_unchained(database: Database, user: str, entries: int = ENTRIES) -> None:
    """As many, all with the hash of one: an export and an erasure do not look at it, and it takes a tenth of the time."""
    with database.connect() as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(f"""
            INSERT INTO market_transactions (user_id, seq, id, transaction_type, coins_amount, balance_after, reason,
                created_at, hash)
            SELECT '{user}', n, gen_random_uuid(), 'earn', 1, n, 'a gift', timestamptz '2026-01-01' + n * interval '1 minute',
                (SELECT transaction_hash('', '{user}', 1, '{user}', 'earn', 1, 1, NULL, '', 'a gift'))
            FROM generate_series(1, {entries}) AS n""")


def answers(database: Database, user: str, device: str, count: int, days: int) -> None:
    database.rows(f"""
        INSERT INTO mutations (user_id, id, device_id, seq, name, fingerprint, status, version, output, created_at)
        SELECT '{user}', gen_random_uuid(), '{device}', n, 'settings.set', '\\x00', 'applied', 1,
            json_build_object('value', repeat('x', 200)), now() - make_interval(days => {days})
        FROM generate_series(1, {count}) AS n;
        UPDATE sync_heads SET oldest_answer_at = now() - make_interval(days => {days}) WHERE user_id = '{user}'""")


def export(url: str, token: str) -> tuple[int, int, str]:
    """Status, how many bytes, and the end of it."""
    size, tail = 0, ""
    with httpx.stream("GET", f"{url}/api/account/export", headers={"Authorization": f"Bearer {token}"}, timeout=120) as got:
        for chunk in got.iter_bytes():
            size += len(chunk)
            tail = (tail + chunk.decode(errors="replace"))[-10:]
        return got.status_code, size, tail


def test_exports_of_big_accounts_run_at_once_cost_no_memory_and_may_be_asked_for_again(
    server: Server, database: Database, sign_up: Callable[..., Client],
) -> None:
    people = [sign_up(server) for _ in range(4)]
    fill_unchained(database, people[0].user["id"])
    for one in people[1:]:
        database.rows(f"""
            INSERT INTO market_transactions SELECT '{one.user["id"]}', seq, id, transaction_type, coins_amount, balance_after,
                reason, item_id, created_at, hash FROM market_transactions WHERE user_id = '{people[0].user["id"]}'""")
    before = server.resident_bytes()
    peak = before
    slowest = 0.0
    results: list[tuple[int, int, str]] = []
    threads = [
        threading.Thread(target=lambda one=one: results.append(export(server.url, str(one.token)))) for one in people]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        at = time.monotonic()
        assert people[0].request("GET", "/api/settings").status_code == 200
        slowest = max(slowest, time.monotonic() - at)
        peak = max(peak, server.resident_bytes())
    took = time.monotonic() - began
    print(f"4 exports at once: {took:.1f} s, {sum(size for _, size, _ in results) >> 20} MB, "
          f"{(peak - before) >> 20} MB of memory, slowest read meanwhile {slowest * 1000:.0f} ms")
    assert [status for status, _, _ in results] == [200] * 4
    assert all(size > 100 * ENTRIES and tail.endswith("}}\n") for _, size, tail in results)
    assert peak - before < 96 << 20
    # Whole, in order, and once more.
    whole = people[0].request("GET", "/api/account/export", timeout=120)
    entries = json.loads(whole.text)["tables"]["market_transactions"]
    assert [entry["seq"] for entry in entries] == list(range(1, ENTRIES + 1))


@pytest.mark.timed
def test_a_big_account_is_gone_at_once_its_rows_within_minutes_whatever_becomes_of_the_process(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    first = start_server()
    second = start_server()
    ada, ben = sign_up(first), sign_up(first)
    ben.set("theme", "dark")
    fill_unchained(database, ada.user["id"])
    answers(database, ada.user["id"], ada.device["id"], ANSWERS, days=1)
    socket = ada.socket().caught_up()
    began = time.monotonic()
    ada.expect(204, "DELETE", "/api/account", {"password": ada.password})
    answered = time.monotonic() - began
    assert answered < 4
    assert socket.wait_closed(within=1) == 4401
    assert ada.request("GET", "/api/settings").status_code == 401
    body = {"email": ada.email, "password": ada.password, "device": {"name": "x", "kind": "web"}}
    assert ada.http.post("/api/auth/login", json=body).status_code == 401
    again = Client(second.url).register(ada.email)
    assert again.user["id"] != ada.user["id"] and again.settings() == {}
    left = database.value("SELECT count(*) FROM account_erasures")
    first.kill()
    assert lockstep("audit", env={"DATABASE_URL": database.url}).returncode == 0
    # The other process would come to it within two minutes; the same one, started again, does at once.
    first.start()
    tables = [row["name"] for row in database.rows("SELECT t::text AS name FROM account_tables() AS t")]
    eventually(
        lambda: all(
            database.value(f"SELECT NOT EXISTS (SELECT FROM {name} WHERE user_id = %s)", [ada.user["id"]]) for name in tables),
        within=90, every=0.2, what="every row is gone")
    print(f"erasure: answered after {answered:.2f} s ({left} left), every row gone after {time.monotonic() - began:.1f} s")
    eventually(lambda: database.value("SELECT count(*) FROM account_erasures") == 0, what="the erasure is forgotten")
    other = Client(second.url).login(ben.email, ben.password)
    assert other.settings() == {"theme": "dark"}
    for one in (again, other):
        one.close()


def test_the_audit_reads_a_big_ledger_in_pieces(
    server: Server, database: Database, client: Client,
) -> None:
    fill(database, client.user["id"])
    began = time.monotonic()
    said = lockstep("audit", env={"DATABASE_URL": database.url}, timeout=120)
    assert said.returncode == 0 and f"{ENTRIES} ledger entries" in said.stdout, said.stdout + said.stderr
    print(f"audit: {time.monotonic() - began:.1f} s")
    edited = ENTRIES * 5 // 6
    database.rows(
        f"SET session_replication_role = replica; UPDATE market_transactions SET reason = 'edited' WHERE seq = {edited}")
    said = lockstep("audit", env={"DATABASE_URL": database.url}, timeout=120)
    assert said.returncode == 1 and f"entry {edited}" in said.stdout
