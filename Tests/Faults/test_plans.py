"""Nothing that the server asks reads a table of users from one end to the other: the plans of all its statements, among many users.

`make test-plans` does it with more than a million answers of mutations (LOCKSTEP_PLANS=whole), and runs the audit among them too.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Client, Cluster, Database, Server, eventually, lockstep
from harness.lives import do_everything, live_on
from harness.plans import SETTINGS, Plan, carried_out, multiply, tables_of_users
from harness.statements import written

ROOT = Path(__file__).resolve().parents[2]
WHOLE = os.environ.get("LOCKSTEP_PLANS") == "whole"
USERS = 30_000 if WHOLE else 1_500

# What reads whole tables by design, by what its statement holds: which, and why.
BY_DESIGN: dict[str, tuple[set[str], str]] = {
    "FROM answers_room UNION ALL": (
        {"sync_heads", "focus_sessions", "user_wallet", "market_personal_items"},
        "how near the fullest accounts are to their limits, of all accounts, every ten minutes"),
    "SELECT id FROM market_personal_items WHERE id = ANY": (
        {"market_personal_items", "user_inventory"}, "`catalog import`: whether an id of the shop's new items is anybody's own"),
    "AND seen_at <= clock_timestamp() - interval '90 seconds'": (
        {"device_presence"}, "what processes that died have left, every 30 s: as many rows as there are sockets"),
    "SELECT count(*) FROM user_ids": ({"users"}, "`audit`: of how many it will say that it has seen them"),
}
if not WHOLE:
    BY_DESIGN["WHERE user_id > p_to ORDER BY user_id LIMIT p_limit"] = (
        {"user_inventory", "recommendation_baskets"}, "a step of the recommendations' walk: 2,000 users, more than there are here")

# Functions of which this may see nothing: what is full, happens to nobody (seven days of sessions) or by chance, and what becomes a part
# of another function.
NOT_REACHED = {"focus_completed_days", "market_forget", "settings_forget", "focus_mark_unpaid", "setting_history_trim", "recommendation_marks"}


@pytest.fixture
def explaining() -> Iterator[Cluster]:
    cluster = Cluster(settings=SETTINGS)
    yield cluster
    cluster.remove()


def faults(plans: set[Plan], tables: list[str]) -> list[str]:
    """Each statement that reads a whole table and should not, with its plan."""
    return [f"{', '.join(sorted(found))}: {' '.join(plan.statement.split())}\n{plan.tree}"
            for plan in plans
            if (found := plan.whole(tables) - {table for known, (allowed, _) in BY_DESIGN.items() if known in plan.statement
                                               for table in allowed})]


def not_reached(plans: set[Plan], tables: list[str]) -> set[str]:
    """The functions that look at these tables and of which no statement was carried out."""
    def squeezed(text: str) -> str:
        return re.sub(r"\s+", "", text)

    seen = squeezed("\n".join(plan.statement for plan in plans))
    reached: dict[str, bool] = {}
    looks = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN) ({'|'.join(tables)})\b")
    for file in ROOT.glob("Modules/*/Storage/*.sql"):
        for one in written(file.read_text()):
            if "CREATE VIEW" not in one.text and looks.search(one.text):
                # A function of SQL that became part of another statement is named there.
                reached[one.where] = reached.get(one.where, False) or squeezed(one.text) in seen or f"{one.where}(" in seen
    return {name for name, is_reached in reached.items() if not is_reached}


def few(database: Database) -> None:
    """What only few of the many have: a session that runs, is paused, or is due, and rows that are old enough to be forgotten."""
    some = "user_id IN (SELECT md5('somebody' || n)::uuid FROM generate_series({0}, {0} + 19) n)"
    old = "now() - interval '{} days'"
    for first, change in (
        (1, ("focus_sessions SET status = 'active', remaining_seconds = NULL, ends_at = now() + interval '1 hour' "
            "WHERE status = 'abandoned'")),
        (21, "focus_sessions SET status = 'paused', ends_at = NULL WHERE status = 'abandoned'"),
        (141, ("focus_sessions SET status = 'active', remaining_seconds = NULL, started_at = started_at - interval '2 hours', "
              "ends_at = now() - interval '1 second' WHERE status = 'abandoned'")),
        (21, ("focus_pause_state SET is_paused = true, paused_at = now() WHERE session_id IN "
             "(SELECT id FROM focus_sessions WHERE status = 'paused')")),
        (41, f"sync_heads SET oldest_answer_at = {old.format(40)} WHERE true"),
        (41, f"mutations SET created_at = {old.format(40)} WHERE true"),
        (61, f"sessions SET expires_at = {old.format(60)} WHERE true"),
        (81, f"sync_conflicts SET at = {old.format(100)} WHERE true"),
        (101, f"user_settings SET updated_at = {old.format(40)} WHERE true"),
        (121, f"market_personal_items SET deleted_at = {old.format(40)} WHERE deleted_at IS NOT NULL"),
    ):
        database.rows(f"UPDATE {change} AND {some.format(first)}")
    # The sockets of other processes, which are well; and a walk of the recommendations over all users that is due.
    database.rows("UPDATE device_presence SET seen_at = now() + interval '1 hour'")
    database.rows("UPDATE recommendation_state SET walked_to = NULL, walked_at = now() - interval '2 days'")


def run_commands(database: Database, client: Client, folder: Path) -> None:
    item = {"id": str(uuid.uuid4()), "name": "Kite", "cost_coins": 5, "category": "things"}
    (folder / "catalog.json").write_text(json.dumps({"items": [item]}))
    commands = [
        ("coins", "grant", client.email, "5", "--reason", "Welcome"), ("catalog", "import", str(folder / "catalog.json")),
        ("flags", "set", "DISABLE_MASS_LOCAL_PERSISTENCE", "off"), *([("audit",)] if WHOLE else []),
    ]
    for command in commands:
        done = lockstep(*command, env={"DATABASE_URL": database.url}, timeout=900)
        # The audit has much to say of ledgers that were copied from somebody else's.
        assert done.returncode == 0 or (command == ("audit",) and done.returncode == 1), done.stderr


@pytest.mark.timeout(3_000 if WHOLE else 240)
def test_no_statement_reads_a_table_of_users_from_one_end_to_the_other(
    explaining: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client], tmp_path: Path,
) -> None:
    database = explaining.database()
    # So few connections that each carries out everything more than five times: then PostgreSQL may plan for any parameters.
    server = start_server(database, {"LOCKSTEP_DATABASE_CONNECTIONS": "2", "LOCKSTEP_SEED_DEMO": "on"})
    ada = sign_up(server)
    do_everything(ada, database)
    live_on(ada, database)
    eventually(lambda: database.value("SELECT EXISTS (SELECT FROM market_recommendations) AND EXISTS (SELECT FROM recommendation_baskets)"),
               what="Ada's purchases to be counted")
    # -9: what says which devices are there stays.
    server.kill()
    rows = multiply(database, ada.user["id"], USERS, sparse=not WHOLE)
    few(database)
    database.rows("ANALYZE")
    assert [table for table, count in rows.items() if count < USERS] == [], "what fills them belongs into Tests/harness/lives.py"

    filled = explaining.log_path.stat().st_size
    def log() -> str:
        return explaining.log_path.read_bytes()[filled:].decode(errors="replace")

    server.start()
    for number in range(6):
        bob = sign_up(server)
        do_everything(bob, database)
        live_on(bob, database)
        if number == 0:
            run_commands(database, bob, tmp_path)
        bob.expect(204, "DELETE", "/api/account", {"password": bob.password})
    own = ("focus_settle(", "conflicts_purgeable", "paused_at", "account_erasures", "answers_room", "walked_to", "'90 seconds'")
    eventually(lambda: all(one in log() for one in own), within=60, what="each of the server's tasks to have had its turn")
    server.terminate()
    plans = carried_out(log())
    print(f"{len(plans)} plans of {len({plan.statement for plan in plans})} statements, {sum(plan.generic for plan in plans)} for any "
          f"parameters, among {sum(rows.values())} rows of {USERS} users")
    assert sum(plan.generic for plan in plans) > 100
    tables = tables_of_users(database)
    found = faults(plans, tables)
    assert not found, "\n\n".join(found)
    assert not_reached(plans, tables) - NOT_REACHED == set()


def test_a_plan_that_reads_a_whole_table_is_found(explaining: Cluster) -> None:
    database = explaining.database()
    database.rows("CREATE TABLE things (user_id uuid PRIMARY KEY, at timestamptz)")
    database.rows("INSERT INTO things SELECT gen_random_uuid(), now() FROM generate_series(1, 50000)")
    database.rows("ANALYZE things")
    with database.connect(application_name="lockstep") as connection:
        connection.execute("SELECT FROM things WHERE at < now() - interval '1 day'")
        connection.execute("SELECT FROM things WHERE user_id = gen_random_uuid()")
        connection.execute("SELECT FROM things WHERE user_id = '0190b1c0-0000-7000-8000-000000000001'")
        connection.execute("SELECT user_id FROM things ORDER BY user_id LIMIT 1")
    found = faults(carried_out(explaining.log_path.read_text()), tables_of_users(database))
    assert sorted(one.split(" WHERE ")[1].split()[0] for one in found) == ["at", "user_id"]


def test_what_every_write_changes_is_updated_in_place(database: Database, server: Server, sign_up: Callable[..., Client]) -> None:
    ada = sign_up(server)
    database.rows("SELECT coins_grant(%s, gen_random_uuid(), 10000, 'a gift')", [ada.user["id"]])
    tea = str(uuid.uuid4())
    database.rows("INSERT INTO market_items (id, name, cost_coins, category) VALUES (%s, 'Tea', 1, 'things')", [tea])
    for number in range(30):
        ada.set("theme", ("dark", "light")[number % 2])
        ada.expect(201, "POST", "/api/market/purchase", {"item_id": tea}, headers={"Idempotency-Key": str(uuid.uuid4())})

    def moved() -> dict[str, int] | None:
        """How many updates wrote a row to another page, and so to every index; null: not all of them are counted yet."""
        rows = {row["relname"]: row for row in database.rows(
            "SELECT relname, n_tup_upd AS updates, n_tup_upd - n_tup_hot_upd AS moved FROM pg_stat_user_tables "
            "WHERE relname IN ('sync_heads', 'user_wallet', 'user_inventory', 'user_settings')")}
        return {name: row["moved"] for name, row in rows.items()} if all(row["updates"] >= 29 for row in rows.values()) else None

    # The head's first write says since when answers are kept, which an index names.
    assert eventually(moved) == {"sync_heads": 1, "user_wallet": 0, "user_inventory": 0, "user_settings": 0}
