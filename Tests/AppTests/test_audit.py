"""`lockstep audit`: clean after real use, and it finds what somebody did by hand."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import Client, Cluster, Database, Server, lockstep

TEA, SHELF = "0190b1c0-0000-7000-8000-000000000001", "0190b1c0-0000-7000-8000-000000000002"


def audit(database: Database, *arguments: str) -> Any:
    return lockstep("audit", *arguments, env={"DATABASE_URL": database.url})


def keyed(client: Client, path: str, body: dict[str, Any], status: int = 200) -> Any:
    return client.expect(status, "POST", f"/api/market/{path}", body, headers={"Idempotency-Key": str(uuid.uuid4())})


def focus(client: Client, database: Database) -> str:
    """A session of 25 minutes that is over: only its times are moved."""
    session = client.expect(201, "POST", "/api/focus", {})["id"]
    database.rows(
        "UPDATE focus_sessions SET started_at = started_at - interval '1500 s', ends_at = ends_at - interval '1500 s' WHERE id = %s", (session,))
    assert client.expect(200, "POST", f"/api/focus/{session}/complete")["coins_awarded"] == 10
    return session


def live(client: Client, database: Database) -> None:
    """A bit of everything that moves coins: 8 entries in the ledger."""
    lockstep("coins", "grant", client.email, "1000", "--reason", "Welcome", env={"DATABASE_URL": database.url}).check_returncode()
    keyed(client, "purchase", {"item_id": TEA, "quantity": 2}, 201)
    keyed(client, "purchase", {"item_id": SHELF}, 201)
    back = keyed(client, "purchase", {"item_id": TEA}, 201)["transaction"]["id"]
    keyed(client, "refund", {"transaction_id": back})
    keyed(client, "redeem", {"item_id": TEA})
    focus(client, database)
    for reward in client.expect(200, "GET", "/api/market/rewards")["rewards"]:
        keyed(client, f"rewards/{reward['id']}/claim", {})
    refused = client.request("POST", "/api/market/purchase", {"item_id": SHELF, "quantity": 99}, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert refused.status_code == 409
    assert len(client.expect(200, "GET", "/api/market/transactions")["transactions"]) == 8


@dataclass
class Past:
    database: Database
    victim: str
    other: str


@pytest.fixture(scope="module")
def past(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Three users who have lived; the server is gone, so that the database can be copied."""
    database = cluster.database()
    folder = tmp_path_factory.mktemp("audited")
    server = Server(folder, database.url).start()
    file = folder / "items.json"
    file.write_text(json.dumps([
        {"id": TEA, "name": "Tea", "cost_coins": 20, "category": "x"},
        {"id": SHELF, "name": "Shelf", "cost_coins": 300, "category": "x", "stock_remaining": 9, "consumable": False}]))
    lockstep("catalog", "import", str(file), env={"DATABASE_URL": database.url}).check_returncode()
    clients = [Client(server.url).register() for _ in range(3)]
    for client in clients[:2]:
        live(client, database)
    for client in clients:
        client.close()
    server.terminate()
    yield Past(database, clients[0].user["id"], clients[1].user["id"])
    database.drop()


@pytest.fixture
def copy(past: Past, cluster: Cluster) -> Iterator[Database]:
    name = f"{past.database.name}_{uuid.uuid4().hex[:8]}"
    cluster.execute(f'CREATE DATABASE "{name}" TEMPLATE "{past.database.name}"')
    yield Database(cluster, name)
    Database(cluster, name).drop()


def test_what_the_server_did_is_clean(past: Past) -> None:
    done = audit(past.database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing is wrong: 3 users, 16 ledger entries\n", "")
    done = audit(past.database, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"users": 3, "entries": 16, "findings": 0})


def by_hand(database: Database, statements: str) -> None:
    """As a superuser does it who has switched the triggers off."""
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statements)


ENTRY = "(SELECT id FROM market_transactions WHERE user_id = '{user}' AND seq = {n})"


@pytest.mark.parametrize(("hand", "kind", "row", "said"), [
    ("UPDATE market_transactions SET coins_amount = 2000, balance_after = 2000 WHERE user_id = '{user}' AND seq = 1", "transaction", ENTRY.format(user="{user}", n=1), "its hash fits neither"),
    ("UPDATE market_transactions SET balance_after = balance_after + 1 WHERE user_id = '{user}' AND seq = 3", "transaction", ENTRY.format(user="{user}", n=3), "balance_after is 661"),
    ("UPDATE market_transactions SET reason = 'gift' WHERE user_id = '{user}' AND seq = 1", "transaction", ENTRY.format(user="{user}", n=1), "its hash"),
    ("UPDATE market_transactions SET created_at = created_at + interval '1 ms' WHERE user_id = '{user}' AND seq = 1", "transaction", ENTRY.format(user="{user}", n=1), "its hash"),
    ("UPDATE market_transactions SET created_at = created_at + interval '1 us' WHERE user_id = '{user}' AND seq = 1", "transaction", ENTRY.format(user="{user}", n=1), "finer than the milliseconds"),
    ("UPDATE market_transactions SET id = gen_random_uuid() WHERE user_id = '{user}' AND seq = 1", "transaction", ENTRY.format(user="{user}", n=1), "its hash"),
    ("UPDATE market_transactions SET hash = repeat('0', 64) WHERE user_id = '{user}' AND seq = 2", "transaction", ENTRY.format(user="{user}", n=2), "entry 2: its hash"),
    ("DELETE FROM market_transactions WHERE user_id = '{user}' AND seq = 1", "transaction", ENTRY.format(user="{user}", n=2), "entry 2: entry 1 before it is missing"),
    ("DELETE FROM market_transactions WHERE user_id = '{user}' AND seq IN (2, 3)", "transaction", ENTRY.format(user="{user}", n=4), "entries 2 to 3 before it are missing"),
    ("DELETE FROM market_transactions WHERE user_id = '{user}' AND seq = 8", "wallet", "'{user}'", "entries up to 8 are missing"),
    ("UPDATE market_transactions SET seq = -seq WHERE user_id = '{user}' AND seq IN (2, 3); UPDATE market_transactions SET seq = 5 + seq WHERE user_id = '{user}' AND seq < 0",
     "transaction", ENTRY.format(user="{user}", n=2), "entry 2: its hash"),
    ("UPDATE market_transactions SET user_id = '{other}', seq = 9 WHERE user_id = '{user}' AND seq = 8", "wallet", "'{other}'", "has entries behind 8"),
    ("UPDATE user_wallet SET total_coins = total_coins + 100, earned_coins = earned_coins + 100 WHERE user_id = '{user}'", "wallet", "'{user}'", "total_coins is 785, and the ledger's entries make 685"),
    ("UPDATE user_wallet SET earned_coins = earned_coins + 100, spent_coins = spent_coins + 100 WHERE user_id = '{user}'", "wallet", "'{user}'", "spent_coins"),
    ("UPDATE user_wallet SET hash = repeat('0', 64) WHERE user_id = '{user}'", "wallet", "'{user}'", "is not that of the ledger's last entry"),
    ("DELETE FROM user_wallet WHERE user_id = '{user}'", "wallet", "'{user}'", "it is missing, and the ledger has 8 entries"),
    ("ALTER TABLE user_wallet DROP CONSTRAINT user_wallet_range; UPDATE user_wallet SET total_coins = -1, spent_coins = earned_coins + 1 WHERE user_id = '{user}'", "wallet", "'{user}'", "below 0"),
    ("UPDATE user_wallet SET version = 1000 WHERE user_id = '{user}'", "wallet", "'{user}'", "above the user's head"),
    ("DELETE FROM users WHERE id = '{user}'", "wallet", "'{user}'", "there is no such user"),
    ("UPDATE user_inventory SET quantity = quantity + 1 WHERE user_id = '{user}' AND item_id = '{tea}'", "inventory", "'{tea}'", "quantity 3, redeemed 1, cost_paid_coins 40; the purchases make 2, 1, 40"),
    ("DELETE FROM user_inventory WHERE user_id = '{user}' AND item_id = '{tea}'", "inventory", "'{tea}'", "quantity 0"),
    ("INSERT INTO user_inventory (user_id, item_id, quantity, cost_paid_coins, purchased_at, version) VALUES ('{user}', '{user}', 1, 1, now(), 1)", "inventory", "'{user}'", "the purchases make 0"),
    ("DELETE FROM user_market_purchases WHERE user_id = '{user}' AND quantity = 2", "purchase", ENTRY.format(user="{user}", n=2), "it was answered as bought, and is not there"),
    ("DELETE FROM user_market_purchases WHERE user_id = '{user}' AND quantity = 2; DELETE FROM mutations", "transaction", ENTRY.format(user="{user}", n=2), "there is no purchase of this id"),
    ("UPDATE user_market_purchases SET cost_paid_coins = 1 WHERE user_id = '{user}' AND quantity = 2", "purchase", ENTRY.format(user="{user}", n=2), "no entry of the ledger paid for it"),
    ("UPDATE user_market_purchases SET refunded_at = now() WHERE user_id = '{user}' AND item_id = '{shelf}'", "purchase", ENTRY.format(user="{user}", n=3), "refunded, with 0 entries"),
    ("UPDATE user_market_purchases SET refunded_at = NULL WHERE user_id = '{user}' AND refunded_at IS NOT NULL", "transaction", ENTRY.format(user="{user}", n=5), "no purchase of this item and cost was refunded then"),
    ("UPDATE mutations SET status = 'rejected' WHERE user_id = '{user}' AND name = 'market.purchase' AND status = 'applied'", "purchase", ENTRY.format(user="{user}", n=2), "its id is that of a mutation market.purchase, rejected"),
    ("UPDATE user_rewards SET claimed = true, claimed_at = now() + interval '1 s' WHERE user_id = '{user}' AND reward_type = 'first_focus'", "reward",
     "(SELECT id FROM user_rewards WHERE user_id = '{user}' AND reward_type = 'first_focus')", "it was claimed, and no entry"),
    ("UPDATE user_rewards SET coins_earned = 1000 WHERE user_id = '{user}' AND reward_type = 'first_focus'", "reward",
     "(SELECT id FROM user_rewards WHERE user_id = '{user}' AND reward_type = 'first_focus')", "first_focus is worth 10 coins, and says 1000"),
    ("DROP INDEX user_rewards_once; INSERT INTO user_rewards SELECT user_id, gen_random_uuid(), reward_type, coins_earned, false, NULL, created_at, day, version FROM user_rewards WHERE user_id = '{user}' AND reward_type = 'first_focus'",
     "reward", "(SELECT id FROM user_rewards WHERE user_id = '{user}' AND reward_type = 'first_focus' AND claimed)", "first_focus was granted 2 times"),
    ("UPDATE user_rewards SET claimed = false, claimed_at = NULL WHERE user_id = '{user}' AND reward_type = 'first_focus'", "transaction",
     "(SELECT id FROM market_transactions WHERE user_id = '{user}' AND reason = 'reward:first_focus')", "no reward of this kind and size was claimed then"),
    ("UPDATE focus_sessions SET coins_awarded = 100 WHERE user_id = '{user}'", "focus_session", "(SELECT id FROM focus_sessions WHERE user_id = '{user}')", "100 coins_awarded, and it is worth 10"),
    ("UPDATE focus_sessions SET status = 'abandoned', completed_at = NULL, coins_awarded = 0 WHERE user_id = '{user}'", "transaction", ENTRY.format(user="{user}", n=6), "no completed session of this id"),
    (("INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, remaining_seconds, coins_awarded, completed_at, version)"
      " VALUES ('{user}', '{user}', 'focus', 'completed', 1500, now(), 0, 10, now(), 1)"), "focus_session", "'{user}'", "its 10 coins are not in the ledger"),
    ("ALTER TABLE market_items DROP CONSTRAINT market_items_stock; UPDATE market_items SET stock_remaining = -1 WHERE id = '{shelf}'", "item", "'{shelf}'", "stock_remaining is -1"),
    # With the server's own function: the chain fits, but nothing caused it.
    ("SELECT wallet_move('{user}', '{tea}', 'earn', 1000, 'focus_session', NULL, 1, now())", "transaction", "'{tea}'", "no completed session of this id"),
    ("SELECT wallet_move('{user}', '{tea}', 'refund', 300, 'refund', '{shelf}', 1, now())", "transaction", "'{tea}'", "no purchase of this item and cost was refunded then"),
    ("SELECT wallet_move('{user}', '{tea}', 'spend', -1, 'purchase', '{tea}', 1, now())", "transaction", "'{tea}'", "there is no purchase of this id"),
    ("SELECT wallet_move('{user}', '{tea}', 'earn', 10, 'reward:first_focus', NULL, 1, now())", "transaction", "'{tea}'", "no reward of this kind"),
])
def test_what_was_done_by_hand_is_found_with_its_user_and_row(
    past: Past, copy: Database, hand: str, kind: str, row: str, said: str,
) -> None:
    names = {"user": past.victim, "other": past.other, "tea": TEA, "shelf": SHELF}
    missing_row = hand.startswith("DELETE FROM user_market_purchases")
    wanted = copy.value(f"SELECT {row.format(**names)}::text") if missing_row or "CONSTRAINT" in hand or "seq" not in row else None
    by_hand(copy, hand.format(**names))
    wanted = wanted or copy.value(f"SELECT {row.format(**names)}::text")
    done = audit(copy, "--json")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    summary = findings.pop()
    assert done.returncode == 1 and summary["findings"] == len(findings) > 0
    users = {one["user"] for one in findings}
    assert users == ({None} if kind == "item" else {past.victim, past.other} if "{other}" in hand else {past.victim})
    assert [one for one in findings if one["kind"] == kind and wanted in one["row"] and said in one["what"]], done.stdout


def test_a_finding_is_a_line_that_names_the_user_and_the_row(past: Past, copy: Database) -> None:
    by_hand(copy, f"UPDATE market_transactions SET reason = 'gift' WHERE user_id = '{past.victim}' AND seq = 1")
    done = audit(copy)
    id = copy.value(f"SELECT id::text FROM market_transactions WHERE user_id = '{past.victim}' AND seq = 1")
    assert (done.returncode, done.stdout.splitlines()) == (1, [
        f"user {past.victim}: transaction {id}: entry 1: its hash fits neither what it says nor the entry before it: one of them was edited",
        "1 finding in 3 users, 16 ledger entries"])


def test_what_cannot_be_found_out_is_status_2(database: Database, tmp_path: Path) -> None:
    away = lockstep("audit", env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    empty = audit(database)
    for done in (away, empty):
        assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "Connection refused" in away.stderr and "lockstep migrate up" in empty.stderr


def test_a_running_server_is_audited_as_of_one_moment(server: Server, client: Client, database: Database, tmp_path: Path) -> None:
    lockstep("coins", "grant", client.email, "1000", "--reason", "x", env={"DATABASE_URL": database.url}).check_returncode()
    mine = client.expect(201, "POST", "/api/market/items", {"name": "Mine", "cost_coins": 1})["id"]
    over = threading.Event()

    def buy() -> None:
        while not over.is_set():
            keyed(client, "purchase", {"item_id": mine}, 201)

    buyer = threading.Thread(target=buy)
    buyer.start()
    try:
        for _ in range(3):
            done = audit(database)
            assert done.returncode == 0, done.stdout
    finally:
        over.set()
        buyer.join()
