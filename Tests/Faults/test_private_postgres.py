"""The private PostgreSQL that dies, that has no room, or whose terminal goes away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Client, Server
from harness.server import lockstep
from harness.wait import eventually


@pytest.fixture
def home() -> Iterator[Path]:
    """PostgreSQL's user must be able to enter every folder above it."""
    folder = Path(tempfile.mkdtemp(prefix="lockstep-private-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_disk(home: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many MB of this test's own."""
    made = []

    def make(megabytes: int) -> Path:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "none", home], check=False).returncode:
            pytest.skip("only root can make a disk")
        made.append(home)
        return home / "data"

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", folder], check=True)


def postmaster(home: Path) -> int:
    return int((home / "data/postgres/postmaster.pid").read_text().split()[0])


def test_one_that_dies_is_started_again_and_nothing_is_lost(
    home: Path, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(None, env={"LOCKSTEP_DATA_DIR": str(home / "data")})
    ada = sign_up(server)
    ada.set("before", 1)
    for value, number in enumerate((signal.SIGKILL, signal.SIGINT)):
        before = postmaster(home)
        os.kill(before, number)
        eventually(lambda before=before: postmaster(home) != before, within=40, what="another PostgreSQL")
        change = {"key": "after", "value": value}
        eventually(lambda change=change: ada.request("POST", "/api/settings", change).status_code == 200,
                   within=30, what="writes")
    assert ada.settings() == {"before": 1, "after": 1}
    assert "The private PostgreSQL has ended; starting it again" in server.log()
    assert server.terminate() == 0 and not (home / "data/postgres/postmaster.pid").exists()


def test_a_terminal_that_goes_away_ends_server_and_postgresql_in_good_order(
    home: Path, start_server: Callable[..., Server],
) -> None:
    server = start_server(None, env={"LOCKSTEP_DATA_DIR": str(home / "data")})
    os.kill(server.pid, signal.SIGHUP)
    assert server.wait_exit() == 0 and not (home / "data/postgres/postmaster.pid").exists()


def test_nohup_keeps_it_when_the_terminal_goes_away(database, start_server: Callable[..., Server]) -> None:  # type: ignore[no-untyped-def]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        server = start_server(database)
    finally:
        signal.signal(signal.SIGHUP, before)
    os.kill(server.pid, signal.SIGHUP)
    assert server.terminate() == 0


@pytest.mark.parametrize("megabytes", [2, 20])
def test_a_disk_that_is_too_small_for_one_is_named_with_what_to_do(small_disk: Callable[[int], Path], megabytes: int) -> None:
    data = small_disk(megabytes)
    said = lockstep("serve", env={"LOCKSTEP_DATA_DIR": str(data), "LOCKSTEP_PORT": "0"})
    assert said.returncode == 1
    (line,) = said.stderr.splitlines()
    assert line.startswith("lockstep: the private PostgreSQL cannot be made: ") and "No space left on device" in line
    assert f"make room on the disk (`df -h {data}`)" in line
    # What it says about the time and what it was about to do helps nobody, and the folder that it names is there.
    assert "UTC" not in line and "..." not in line and data.exists()


def test_a_disk_that_is_read_only_is_named(small_disk: Callable[[int], Path], home: Path) -> None:
    small_disk(2)
    subprocess.run(["mount", "-o", "remount,ro", home], check=True)
    said = lockstep("serve", env={"LOCKSTEP_DATA_DIR": str(home), "LOCKSTEP_PORT": "0"})
    assert said.returncode == 1 and "read-only" in said.stderr and len(said.stderr.splitlines()) == 1


def test_a_disk_that_is_full_is_told_to_the_operator_and_nothing_to_the_user(
    small_disk: Callable[[int], Path], home: Path, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(None, env={"LOCKSTEP_DATA_DIR": str(small_disk(160))})
    ada = sign_up(server)
    with open(home / "filler", "wb") as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(1 << 20))
    refused = eventually(
        lambda: next((answer for answer in [ada.request("PATCH", "/api/settings", {f"k{n}": os.urandom(8_000).hex() for n in range(4)})]
                      if answer.status_code != 200), None), within=30, what="a refusal")
    assert refused.status_code == 503 and "space" not in refused.text
    assert "No space left on device" in server.log()
    (home / "filler").unlink()
    eventually(lambda: ada.request("POST", "/api/settings", {"key": "a", "value": 1}).status_code == 200, within=30, what="writes")
