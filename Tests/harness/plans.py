"""How PostgreSQL carries out what the server asks: plans by auto_explain, in a database that holds many users."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .postgres import Database

# Of the cluster: every statement's plan goes to its log, those of statements within functions too.
SETTINGS = [
    "session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = 0", "auto_explain.log_nested_statements = on",
    "auto_explain.log_format = 'json'", "log_line_prefix = '%a|'",
]


@dataclass(frozen=True)
class Plan:
    """One statement as it was carried out. `generic`: planned for any parameters, as PostgreSQL may from the sixth time on."""

    statement: str
    tree: str

    @property
    def generic(self) -> bool:
        return re.search(r"\$\d", json.dumps(json.loads(self.tree))) is not None

    def nodes(self) -> Iterator[dict[str, Any]]:
        def walk(node: dict[str, Any], bounded: bool) -> Iterator[dict[str, Any]]:
            yield {**node, "bounded": bounded}
            for one in node.get("Plans", ()):
                yield from walk(one, node["Node Type"] == "Limit" or (bounded and node["Node Type"] == "LockRows"))
        return walk(json.loads(self.tree), False)

    def whole(self, tables: Iterable[str]) -> set[str]:
        """Of these tables those that it reads from one end to the other, in whichever order."""
        return {node["Relation Name"] for node in self.nodes()
                if node.get("Relation Name") in tables and (
                    node["Node Type"] == "Seq Scan"
                    or (node["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and not node["bounded"]))}

    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}


def carried_out(log: str, application: str = "lockstep") -> set[Plan]:
    """The plans in a log that `SETTINGS` made, of one application's connections; the same plan counts once."""
    found = re.findall(rf"^{application}\|LOG:  duration: [\d.]+ ms  plan:\n((?:\t.*\n)*)", log, re.MULTILINE)
    plans = set()
    for text in found:
        whole = json.loads(text.replace("\n\t", "\n"))
        tree = json.dumps(_without_estimates(whole["Plan"]), sort_keys=True)
        plans.add(Plan(whole["Query Text"], tree))
    return plans


def tables_of_users(database: Database) -> list[str]:
    """What grows with users: the tables whose rows are somebody's."""
    rows = database.rows("""
        SELECT c.relname AS name FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
            AND (c.relname = 'users' OR EXISTS (
                SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped))
        ORDER BY c.relname""")
    return [row["name"] for row in rows]


def multiply(database: Database, user: str, times: int, sparse: bool) -> dict[str, int]:
    """Gives so many others the rows that this user has, with times that spread over 25 days; how many each table has now.

    Without triggers, and so without a look at foreign keys; what a CHECK says holds for everybody's as it does for the one's. `sparse`:
    pages are filled to a tenth, as if there were ten times as many rows; few pages the planner reads from end to end, and rightly.
    """
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        for table in tables_of_users(database):
            columns = connection.execute(
                "SELECT attname AS name, atttypid = 'timestamptz'::regtype AS is_time FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''", [table]).fetchall()
            owner = "id" if table == "users" else "user_id"
            values = ["md5('somebody' || n)::uuid" if column["name"] == owner
                      else "n || t." + column["name"] if column["name"] in ("email", "key") and table in ("users", "identities")
                      else f"t.{column['name']} - n * interval '25 days' / {times}" if column["is_time"]
                      else "t." + column["name"] for column in columns]
            if sparse:
                connection.execute(f"ALTER TABLE {table} SET (fillfactor = 10)")
            connection.execute(
                f"INSERT INTO {table} ({', '.join(column['name'] for column in columns)}) "
                f"SELECT {', '.join(values)} FROM {table} t, generate_series(1, {times}) n WHERE t.{owner} = %s", [user])
        connection.execute("RESET session_replication_role")
        return {table: connection.execute(f"SELECT count(*) AS n FROM {table}").fetchone()["n"]  # type: ignore[index]
                for table in tables_of_users(database)}


def _without_estimates(node: dict[str, Any]) -> dict[str, Any]:
    estimates = ("Startup Cost", "Total Cost", "Plan Rows", "Plan Width")
    kept = {name: value for name, value in node.items() if name not in (*estimates, "Plans")}
    return {**kept, **({"Plans": [_without_estimates(one) for one in node["Plans"]]} if "Plans" in node else {})}
