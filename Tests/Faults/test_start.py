"""Starts that must fail: one line that says what to do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness import Database, Server
from harness.server import lockstep


@pytest.mark.parametrize(("env", "names"), [
    ({"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}, "DATABASE_URL"), ({"DATABASE_URL": "nonsense://x"}, "DATABASE_URL"),
    ({"LOCKSTEP_PORT": "x"}, "LOCKSTEP_PORT"), ({"LOCKSTEP_POLL_SECONDS": "0"}, "LOCKSTEP_POLL_SECONDS"),
    ({"LOCKSTEP_LOG_LEVEL": "loud"}, "LOCKSTEP_LOG_LEVEL"), ({"LOCKSTEP_TRUSTED_PROXIES": "everybody"}, "LOCKSTEP_TRUSTED_PROXIES"),
    ({"LOCKSTEP_PASSWORD_COST": "9"}, "LOCKSTEP_PASSWORD_COST"), ({"LOCKSTEP_ALLOWED_ORIGINS": "example"}, "LOCKSTEP_ALLOWED_ORIGINS"),
])
def test_a_wrong_configuration_stops_the_start_with_one_line_that_names_it(env: dict[str, str], names: str) -> None:
    began = time.monotonic()
    said = lockstep("serve", env=env)
    assert said.returncode != 0 and time.monotonic() - began < 31
    lines = said.stderr.strip().splitlines()
    assert len(lines) == 1 and names in lines[0], said.stderr


def test_a_taken_port_is_named(server: Server) -> None:
    said = lockstep("serve", env={"DATABASE_URL": server.environment["DATABASE_URL"], "LOCKSTEP_PORT": str(server.port)})
    assert said.returncode == 1 and str(server.port) in said.stderr and "LOCKSTEP_PORT" in said.stderr


@pytest.mark.parametrize("host", ["not a host", "203.0.113.1"])
def test_a_host_that_is_not_this_machine_is_named_in_the_end(database: Database, host: str) -> None:
    said = lockstep("serve", env={"DATABASE_URL": database.url, "LOCKSTEP_HOST": host})
    assert said.returncode == 1 and "Lockstep is ready" not in said.stdout
    assert said.stderr.splitlines()[-1].startswith(f"lockstep: LOCKSTEP_HOST is “{host}”, which is ")


@pytest.mark.parametrize("command", ["doctor", "migrate status", "migrate down", "flags list", "audit"])
def test_a_command_makes_no_private_database_where_there_is_none(tmp_path: Path, command: str) -> None:
    mistyped = tmp_path / "mistyped"
    said = lockstep(*command.split(), env={"LOCKSTEP_DATA_DIR": str(mistyped)})
    assert said.returncode != 0 and said.stdout == ""
    assert len(said.stderr.splitlines()) == 1 and f"no private PostgreSQL in {mistyped}; " in said.stderr
    assert not mistyped.exists()


def test_the_doctor_says_what_is_well_and_what_to_do(shared_server: Server, database: Database) -> None:
    well = lockstep("doctor", env={"DATABASE_URL": shared_server.environment["DATABASE_URL"]})
    assert (well.returncode, well.stderr) == (0, "") and "reachable and up to date" in well.stdout
    behind = lockstep("doctor", env={"DATABASE_URL": database.url})
    assert behind.returncode == 1 and "lockstep migrate up" in behind.stderr
