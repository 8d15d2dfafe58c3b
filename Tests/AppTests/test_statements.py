"""Users can be spread over several databases: every statement says whose rows it means, at each table of a user (decision 0038)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harness import Client, Cluster, Database, Server, eventually
from harness.lives import do_everything
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
