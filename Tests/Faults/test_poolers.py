"""A pooler between the server and PostgreSQL: Debian's PgBouncer, as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from harness import Client, Cluster, Database, Pooler, Server, eventually
from harness.server import lockstep


@pytest.fixture
def pooler_to(cluster: Cluster) -> Iterator[Callable[..., Pooler]]:
    poolers: list[Pooler] = []

    def start(mode: str, **settings: str) -> Pooler:
        poolers.append(Pooler(cluster, mode, settings))
        return poolers[-1]

    yield start
    for pooler in poolers:
        pooler.remove()


@pytest.mark.parametrize("settings", [{}, {"server_reset_query": ""}], ids=["as it comes", "sessions are not cleared"])
@pytest.mark.timed
def test_behind_a_pooler_in_session_mode_two_processes_work_as_without_one(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    pooler_to: Callable[..., Pooler], settings: dict[str, str],
) -> None:
    url = pooler_to("session", **settings).url(database.name)
    first, second = start_server(url), start_server(url)
    ada = sign_up(first)
    phone = Client(second.url).login(ada.email, ada.password)
    socket = phone.socket().caught_up()
    # By the bus: sooner than the comparison that every process makes each 5 s.
    for value in ("dark", "light"):
        ada.set("theme", value)
        socket.wait_setting("theme", value, within=2)
    doctor = lockstep("doctor", env={"DATABASE_URL": url})
    assert (doctor.returncode, doctor.stderr) == (0, "")
    # Sessions that were used before are used again.
    assert first.restart() < 20 and second.restart(kill=True) < 20
    assert ada.settings() == {"theme": "light"}
    ada.set("theme", "dark")
    phone.close()


@pytest.mark.timed
def test_timeouts_hold_behind_a_pooler(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    pooler_to: Callable[..., Pooler],
) -> None:
    ada = sign_up(start_server(pooler_to("session", ignore_startup_parameters="options").url(database.name)))
    with database.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM sync_heads FOR UPDATE")
        answer = ada.request("POST", "/api/settings", {"key": "a", "value": 1})
        assert answer.status_code == 503 and answer.headers["retry-after"]
        eventually(
            lambda: database.value(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") == 0,
            within=2, what="nobody waits for the lock any more")
    ada.set("a", 1)


def sleep_on(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_sleep(0.5)", prepare=False)


@pytest.mark.parametrize("settings", [{}, {"server_round_robin": "1"}, {"default_pool_size": "1"}], ids=str)
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused_by_name_also_while_nobody_uses_it(
    database: Database, pooler_to: Callable[..., Pooler], mode: str, settings: dict[str, str],
) -> None:
    migrated = lockstep("migrate", "up", env={"DATABASE_URL": database.url})
    assert migrated.returncode == 0
    url = pooler_to(mode, **settings).url(database.name)
    if settings.get("server_round_robin"):
        # As many sessions as make two clients that take turns find the same one each time.
        sleepers = [threading.Thread(target=sleep_on, args=(url,)) for _ in range(2)]
        for one in sleepers:
            one.start()
        for one in sleepers:
            one.join()
    for command in ("serve", "doctor", "audit", "migrate up"):
        said = lockstep(*command.split(), env={"DATABASE_URL": url, "LOCKSTEP_PORT": "0"})
        assert said.returncode != 0, command
        lines = said.stderr.strip().splitlines()
        assert len(lines) == 1 and "pool_mode = session" in lines[0] and "DATABASE_URL" in lines[0], said.stderr


def test_a_pooler_whose_sessions_are_all_taken_is_named(database: Database, pooler_to: Callable[..., Pooler]) -> None:
    lockstep("migrate", "up", env={"DATABASE_URL": database.url})
    url = pooler_to("session", default_pool_size="1").url(database.name)
    said = lockstep("doctor", env={"DATABASE_URL": url})
    assert said.returncode == 1 and "LOCKSTEP_DATABASE_CONNECTIONS" in said.stderr and "pool_size" in said.stderr


@pytest.mark.timed
def test_options_of_the_address_are_set_in_the_session_and_a_pooler_takes_them(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    pooler_to: Callable[..., Pooler],
) -> None:
    database.rows("CREATE SCHEMA elsewhere")
    options = "?options=--search-path%3Delsewhere%20-c%20lock_timeout%3D700ms"
    ada = sign_up(start_server(pooler_to("session").url(database.name) + options))
    assert database.value("SELECT count(*) FROM elsewhere.users") == 1
    with database.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM elsewhere.sync_heads FOR UPDATE")
        began = time.monotonic()
        assert ada.request("POST", "/api/settings", {"key": "a", "value": 1}).status_code == 503
        assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(("parameters", "said"), [
    ("?pgbouncer=true", ["“pgbouncer”", "session mode"]), ("?schema=public", ["“schema”", "search_path"]),
    ("?sslmode=prefer&pgbouncer=true&connection_limit=5", ["“pgbouncer”", "“connection_limit”", "LOCKSTEP_DATABASE_CONNECTIONS"]),
    ("?nonsense=1", ["“nonsense”", "take it out"]),
    ("?options=-d%205", ["options", "“-d”"]), ("?options=-c%20nonsense_at_all%3D1", ["options", "nonsense_at_all"]),
])
@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_what_an_address_may_not_hold_is_named_with_what_to_do(
    database: Database, parameters: str, said: list[str], command: str,
) -> None:
    url = database.url.replace("lockstep@", "lockstep:hush-hush@") + parameters
    answer = lockstep(command, env={"DATABASE_URL": url, "LOCKSTEP_PORT": "0"})
    lines = answer.stderr.strip().splitlines()
    assert answer.returncode == 1 and len(lines) == 1 and "DATABASE_URL" in lines[0]
    assert all(word in lines[0] for word in said), lines[0]
    assert "hush" not in lines[0]
