"""Input, output and errors as whoever starts a server leaves them: closed, without a reader, without room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from harness import Client, Server, eventually
from harness.server import binary, environment, lockstep


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_server_starts_and_serves_with_its_standard_streams_closed(
    start_server: Callable[..., Server], sign_up: Callable[..., Client], streams: str,
) -> None:
    server = start_server(streams=streams)
    user = sign_up(server)
    user.set("theme", "dark")
    assert user.settings()["theme"] == "dark"
    # None of the three numbers is a socket or the database's: each stands for what it should, or for nothing.
    for number in range(3):
        assert not os.readlink(f"/proc/{server.pid}/fd/{number}").startswith(("socket:", "anon_inode:"))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_log_on_a_full_disk_ends_no_server(start_server: Callable[..., Server], log_format: str) -> None:
    server = start_server(env={"LOCKSTEP_LOG_LEVEL": "debug", "LOCKSTEP_LOG_FORMAT": log_format}, streams=">/dev/full 2>&1")
    for _ in range(5):
        assert httpx.get(f"{server.url}/api/settings").status_code == 401
    assert server.terminate() == 0


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_reader_of_the_log_that_goes_away_ends_no_server(
    start_server: Callable[..., Server], tmp_path: Path, log_format: str,
) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = start_server(
        env={"LOCKSTEP_LOG_LEVEL": "debug", "LOCKSTEP_LOG_FORMAT": log_format}, streams=f">{pipe} 2>&1", wait=False)
    eventually(lambda: os.read(reader, 1), what="the first byte of the log")
    os.close(reader)
    server.wait_ready()
    for _ in range(5):
        assert httpx.get(f"{server.url}/api/settings").status_code == 401
    assert server.terminate() == 0


def test_a_command_whose_output_nobody_can_take_ends_quietly() -> None:
    with open("/dev/full", "wb") as full:
        said = subprocess.run(
            [binary(), "config"], env=environment({}), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (said.returncode, said.stderr) == (0, b"")


def test_a_misspelled_variable_is_named_with_the_setting_that_was_meant(start_server: Callable[..., Server]) -> None:
    server = start_server(env={"LOCKSTEP_SESION_DAYS": "3", "LOCKSTEP_NOTHING_LIKE_IT": "1"})
    lines = [line for line in server.log().splitlines() if "is called like a setting and is none" in line]
    assert len(lines) == 2
    assert "LOCKSTEP_NOTHING_LIKE_IT" in lines[0] and "LOCKSTEP_SESSION_DAYS" not in lines[0]
    assert "LOCKSTEP_SESION_DAYS" in lines[1] and "LOCKSTEP_SESSION_DAYS" in lines[1]
    said = lockstep("config", env={"LOCKSTEP_PROT": "1"})
    assert said.returncode == 0 and said.stderr == "lockstep: LOCKSTEP_PROT is set, and is no setting; LOCKSTEP_PORT is one\n"
    assert "LOCKSTEP_PROT" not in said.stdout
