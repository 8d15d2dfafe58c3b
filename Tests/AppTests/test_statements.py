"""Users can be spread over several databases: every statement says whose rows it means, at each table of a user (decision 0038)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harness import Client, Cluster, Database, Server, eventually, mutation
from harness.statements import Statement, executed, unnamed, written

ROOT = Path(__file__).resolve().parents[2]

# What looks at many users at once stands apart: by function, or by what the statement of the server holds.
OF_MANY_USERS = {
    "recommendation_pass": "what was bought lately, by whomever, is counted",
    ") AS oldest": "whose rows were kept long enough: of buckets that this database owns",
    "WITH clock AS (": "whose sessions are due: of buckets that this database owns",
    "focus_room": "how full the fullest accounts are", "transactions_room": "likewise",
    "personal_items_room": "likewise", "answers_room": "likewise",
    "WHERE process_id = $": "the sockets of a process that ends",
}


def tables(database: Database) -> dict[str, str]:
    """The tables and views of users, each with the column that says whose its row is."""
    rows = database.rows("""
        SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id'
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE (c.relkind IN ('r', 'p') AND n.nspname = 'public' OR c.relkind = 'v' AND n.nspname ^@ 'rules_')
            AND c.relname <> 'identities'""")
    return {row["name"]: "user_id" for row in rows} | {"users": "id"}


def faults(statements: Iterable[Statement], of: dict[str, str]) -> dict[str, list[str]]:
    """By statement, the tables at which it does not say whose rows, where that is not known to be so."""
    return {one.where: found for one in statements
            if (found := unnamed(one, of)) and not any(known == one.where or known in one.text for known in OF_MANY_USERS)}


def do_everything(ada: Client, database: Database) -> None:
    """What a user does in the course of years."""
    ada.set("theme", "dark")
    ada.patch({"sidebar": 240, "gone": 1})
    ada.delete("gone")
    ada.history("theme")
    ada.settings()
    phone = ada.other_device()
    socket = phone.socket().caught_up()
    assert phone.push(mutation("settings.set", {"key": "theme", "value": "light"}, base_version=0))["results"][0]["status"] == "conflict"
    ada.conflicts()
    ada.digest()
    database.rows("SELECT coins_grant(%s, gen_random_uuid(), 1000, 'a gift')", [ada.user["id"]])
    session = ada.expect(201, "POST", "/api/focus", {"task_title": "Letters", "duration_seconds": 1_500})
    ada.expect(200, "POST", "/api/focus/pause", {"id": session["id"]})
    ada.expect(200, "GET", "/api/focus/pause")
    ada.request("DELETE", "/api/focus/pause")
    ada.expect(200, "GET", "/api/focus/active")
    ada.expect(200, "GET", "/api/focus")
    ada.request("POST", f"/api/focus/{session['id']}/abandon", {})
    ada.expect(200, "GET", "/api/focus/stats")
    made = ada.expect(201, "POST", "/api/market/items", {"name": "Tea", "cost_coins": 1, "consumable": True})
    bought = [ada.expect(201, "POST", "/api/market/purchase", {"item_id": made["id"]},
                         headers={"Idempotency-Key": str(uuid.uuid4())}) for _ in range(2)]
    ada.push(mutation("market.redeem", {"item_id": made["id"]}), mutation("market.refund", {"transaction_id": bought[1]["transaction"]["id"]}))
    for path in ("items", "categories", "wallet", "rewards", "transactions", "inventory", "recommendations"):
        assert ada.request("GET", f"/api/market/{path}").status_code < 500
    cursor = ada.pull()["cursor"]
    ada.set("theme", "system")
    ada.poll(cursor)
    ada.expect(200, "GET", "/api/devices")
    ada.expect(200, "GET", "/api/account/export")
    ada.expect(204, "POST", "/api/auth/password", {"current_password": ada.password, "new_password": "another horse battery"})
    assert socket.wait_closed() == 4401


def test_every_statement_that_the_server_prepares_says_whose_rows_it_means(
    talkative: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    database = talkative.database()
    server = start_server(database)
    ada = sign_up(server)
    of = tables(database)
    do_everything(ada, database)
    # In its own time: the comparison of heads, presence, what is due, what is kept long enough.
    wanted = ("conflicts_purgeable", "paused_at", "account_erasures", "answers_room")
    def log() -> str:
        return talkative.log_path.read_text(errors="replace")

    eventually(lambda: all(one in log() for one in wanted), within=60, what="each of the server's tasks to have had its turn")
    ada.request("DELETE", "/api/account", {"password": "another horse battery"})
    server.terminate()
    statements = executed(log())
    assert len(statements) > 40
    assert faults(statements, of) == {}


def test_every_function_and_view_says_whose_rows_it_means(shared_database: Database, shared_server: Server) -> None:
    files = sorted(ROOT.glob("Modules/*/Storage/*.sql"))
    statements = [one for file in files for one in written(file.read_text())]
    assert len(statements) > 200
    assert faults(statements, tables(shared_database)) == {}


@pytest.mark.parametrize("text", [
    "SELECT version FROM sync_heads",
    "SELECT 1 FROM sessions s JOIN devices d ON d.id = s.device_id WHERE s.user_id = $1",
    "UPDATE user_wallet SET total_coins = 0 WHERE version = 1",
    "DELETE FROM devices WHERE id = $1",
    "INSERT INTO devices (id, name) VALUES ($1, $2)",
    "SELECT user_id FROM focus_sessions WHERE ends_at < now()",
    "SELECT EXISTS (SELECT FROM user_rewards w WHERE w.id = $1) FROM users u WHERE u.id = $2",
])
def test_a_statement_that_does_not_is_found(text: str, shared_database: Database, shared_server: Server) -> None:
    assert unnamed(Statement("it", text), tables(shared_database))
