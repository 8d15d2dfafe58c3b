"""A PostgreSQL that others have set up: other defaults, another encoding, a role with few rights."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable

import pytest

from harness import Client, Cluster, Database, Server
from harness.server import lockstep
from harness.wait import eventually


@pytest.mark.parametrize("setting", [
    "standard_conforming_strings TO off", "DateStyle TO 'German, DMY'", "IntervalStyle TO 'sql_standard'",
    "timezone TO 'Asia/Kolkata'", "bytea_output TO 'escape'", "client_encoding TO 'LATIN1'",
    "default_transaction_isolation TO 'serializable'", "extra_float_digits TO -5", "statement_timeout TO '50ms'",
    "lock_timeout TO '1ms'", "idle_session_timeout TO '300ms'", "plan_cache_mode TO force_custom_plan",
])
def test_defaults_that_an_operator_changed_change_nothing_for_us(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client], setting: str,
) -> None:
    database.cluster.execute(f'ALTER DATABASE "{database.name}" SET {setting}')
    server = start_server(database)
    ada = sign_up(server)
    ada.set("note", {"text": "ü \\ ' 😀", "numbers": [1.25, 1.5e300, 0.1]})
    assert ada.settings() == {"note": {"text": "ü \\ ' 😀", "numbers": [1.25, 1.5e300, 0.1]}}
    started = ada.expect(201, "POST", "/api/focus", {"duration_seconds": 60})["started_at"]
    assert started.endswith("Z") and "T" in started
    assert ada.replica().digest() == ada.digest()["digest"]
    # No connection is lost by standing idle.
    assert "Database connection lost" not in server.log()
    audit = lockstep("audit", env={"DATABASE_URL": database.url})
    assert (audit.returncode, audit.stderr) == (0, "")


def test_a_database_of_another_encoding_is_refused_by_name(cluster: Cluster, database: Database) -> None:
    name = f"{database.name}_ascii"
    cluster.execute(f"CREATE DATABASE \"{name}\" ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    other = Database(cluster, name)
    said = lockstep("serve", env={"DATABASE_URL": other.url, "LOCKSTEP_PORT": "0"})
    other.drop()
    assert said.returncode == 1 and len(said.stderr.splitlines()) == 1
    assert "SQL_ASCII" in said.stderr and "--encoding=UTF8" in said.stderr


def test_a_role_without_rights_is_told_which_it_needs(cluster: Cluster, database: Database) -> None:
    role = f"{database.name}_poor"
    cluster.execute(f'CREATE ROLE "{role}" LOGIN')
    try:
        env = {"DATABASE_URL": re.sub("//[a-z]+@", f"//{role}@", database.url), "LOCKSTEP_PORT": "0"}
        assert role in env["DATABASE_URL"]
        said = lockstep("serve", env=env)
        assert said.returncode == 1 and "GRANT CREATE, USAGE ON SCHEMA public" in said.stderr
        # Brought up to date by its owner, and the role may only look: the server would refuse every change.
        assert lockstep("migrate", "up", env={"DATABASE_URL": database.url}).returncode == 0
        database.rows(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
        doctor = lockstep("doctor", env=env)
        assert doctor.returncode == 1 and "may not write" in doctor.stderr and "users" in doctor.stderr
    finally:
        database.drop()
        cluster.execute(f'DROP ROLE "{role}"')


@pytest.mark.parametrize("of", ["DATABASE", "ROLE"])
@pytest.mark.parametrize("command", ["serve", "migrate up", "doctor"])
def test_a_database_that_takes_no_writes_is_named_at_once_with_what_to_do(
    cluster: Cluster, database: Database, command: str, of: str,
) -> None:
    role = f"{database.name}_reader"
    cluster.execute(f'CREATE ROLE "{role}" LOGIN SUPERUSER')
    name = {"DATABASE": database.name, "ROLE": role}[of]
    cluster.execute(f'ALTER {of} "{name}" SET default_transaction_read_only TO on')
    try:
        url = re.sub("//[a-z]+@", f"//{role}@", database.url)
        began = time.monotonic()
        said = lockstep(*command.split(), env={"DATABASE_URL": url, "LOCKSTEP_PORT": "0"})
        assert said.returncode == 1 and time.monotonic() - began < 15
        (line,) = said.stderr.splitlines()
        assert "takes no writes" in line and "default_transaction_read_only" in line
    finally:
        database.drop()
        cluster.execute(f'DROP ROLE "{role}"')


def test_a_database_that_takes_no_writes_for_a_while_is_503_says_why_and_takes_them_again(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(database)
    ada = sign_up(server)
    with database.connect() as admin:
        admin.execute(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only TO on')
        # One is set so in the middle of its life, as by a reload of the configuration: it is thrown away with its reason.
        admin.execute("""CREATE FUNCTION so_is_it() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'cannot execute UPDATE in a read-only transaction' USING ERRCODE = '25006'; END $$""")
        admin.execute("CREATE TRIGGER so_is_it BEFORE UPDATE ON sync_heads EXECUTE FUNCTION so_is_it()")
    assert ada.request("POST", "/api/settings", {"key": "a", "value": 1}).status_code == 503
    eventually(lambda: "in a read-only transaction" in server.log(), what="the reason in the log")
    with database.connect() as admin:
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("DROP FUNCTION so_is_it CASCADE")
        admin.execute(f'ALTER DATABASE "{database.name}" RESET default_transaction_read_only')
    eventually(lambda: ada.request("POST", "/api/settings", {"key": "a", "value": 1}).status_code == 200, within=20, what="writes")


def test_a_standby_is_named_and_once_it_is_promoted_the_server_starts(
    own_cluster: Cluster, start_server: Callable[..., Server],
) -> None:
    database = own_cluster.database()
    own_cluster.stop()
    (own_cluster.data / "standby.signal").touch()
    if own_cluster.user:
        shutil.chown(own_cluster.data / "standby.signal", own_cluster.user)
    own_cluster.start()
    said = lockstep("doctor", env={"DATABASE_URL": database.url})
    assert said.returncode == 1 and "it is a standby, which takes no writes; name the primary" in said.stderr
    server = start_server(database, wait=False)
    own_cluster.execute("SELECT pg_promote()")
    server.wait_ready(within=30)


@pytest.mark.parametrize(("change", "remedy"), [
    ("ALTER ROLE {role} NOLOGIN", "ALTER ROLE … LOGIN"), ("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "GRANT CONNECT"),
    ("ALTER DATABASE {database} ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"), ("ALTER ROLE {role} RENAME TO {role}_x", "createuser"),
    ("?sslmode=require", "mend sslmode"), ("?target_session_attrs=standby", "take target_session_attrs out"),
    ("?hostaddr=&host=nowhere.invalid", "no name server"), ("?port={http}", "no PostgreSQL"),
])
def test_what_waiting_does_not_mend_is_told_at_once(
    cluster: Cluster, database: Database, shared_server: Server, change: str, remedy: str,
) -> None:
    role = f"{database.name}_guest"
    cluster.execute(f'CREATE ROLE "{role}" LOGIN')
    url = re.sub("//[a-z]+@", f"//{role}@", database.url)
    try:
        if change.startswith("?"):
            url += change.format(http=shared_server.port)
        else:
            cluster.execute(change.format(role=role, database=database.name))
        began = time.monotonic()
        said = lockstep("serve", env={"DATABASE_URL": url, "LOCKSTEP_PORT": "0"})
        assert said.returncode == 1 and time.monotonic() - began < 15
        (line,) = said.stderr.splitlines()
        assert remedy in line, line
    finally:
        database.drop()
        for name in (role, f"{role}_x"):
            cluster.execute(f'DROP ROLE IF EXISTS "{name}"')
