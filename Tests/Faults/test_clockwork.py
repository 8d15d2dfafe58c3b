"""The clockwork: sessions end at their time, whatever became of the process that started them."""

from __future__ import annotations

import datetime
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Client, Cluster, Database, Server, eventually


def start(client: Client, **body: Any) -> dict[str, Any]:
    return client.expect(201, "POST", "/api/focus", body)


def session(client: Client, id: str) -> dict[str, Any]:
    return next(it for it in client.expect(200, "GET", "/api/focus")["sessions"] if it["id"] == id)


def stored(database: Database, id: str) -> dict[str, Any]:
    """As the database has it, with when it was written; nobody is asked who could settle it."""
    (row,) = database.rows(
        "SELECT status, ends_at, completed_at, version, pg_xact_commit_timestamp(xmin) AS written FROM focus_sessions WHERE id = %s",
        [id])
    return row


@pytest.fixture
def timed(own_cluster: Cluster) -> Database:
    """A database that remembers when each row was committed."""
    own_cluster.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    own_cluster.restart()
    return own_cluster.database()


def test_kill_9_in_the_middle_of_a_session_changes_nothing_of_its_end(server: Server, client: Client) -> None:
    made = start(client, duration_seconds=600)
    server.restart(kill=True)
    found = client.expect(200, "GET", "/api/focus/active")["session"]
    assert found["ends_at"] == made["ends_at"] and found["version"] == made["version"]


def test_a_session_that_ended_while_no_server_ran_ended_at_its_time(
    start_server: Callable[..., Server], sign_up: Callable[..., Client], timed: Database,
) -> None:
    server = start_server(timed)
    client = sign_up(server)
    made = start(client, duration_seconds=1)
    server.kill()
    eventually(
        lambda: timed.value("SELECT clock_timestamp() > ends_at FROM focus_sessions WHERE id = %s", [made["id"]]), what="its end")
    server.start()
    eventually(lambda: stored(timed, made["id"])["status"] == "completed", within=5, what="completed by the clockwork")
    assert session(client, made["id"])["completed_at"] == made["ends_at"]


def test_another_process_ends_what_a_killed_one_had_started_within_a_second(
    start_server: Callable[..., Server], sign_up: Callable[..., Client], timed: Database,
) -> None:
    one, other = start_server(timed), start_server(timed)
    client = sign_up(one)
    # Longer than the other sleeps: even if the hint of the start died with its process, it looks before the end.
    made = start(client, duration_seconds=6)
    one.kill()
    eventually(lambda: stored(timed, made["id"])["status"] == "completed", within=12, what="completed by the other")
    row = stored(timed, made["id"])
    assert row["completed_at"] == row["ends_at"]
    assert row["written"] - row["ends_at"] < datetime.timedelta(seconds=1)
    other.terminate()


def test_several_processes_end_many_sessions_once_each(
    start_server: Callable[..., Server], sign_up: Callable[..., Client], timed: Database,
) -> None:
    servers = [start_server(timed), start_server(timed)]
    clients = [sign_up(servers[at % 2]) for at in range(20)]
    sockets = [client.socket(url=servers[1 - at % 2].url).caught_up() for at, client in enumerate(clients)]
    made = [start(client, duration_seconds=2)["id"] for client in clients]
    for socket in sockets:
        socket.wait(lambda it: it["type"] == "changes" and any(
            document["collection"] == "focus" and document["value"] is None for document in it["documents"]), what="the end")
    for id in made:
        row = stored(timed, id)
        assert row["status"] == "completed" and row["version"] == 3
        assert row["written"] - row["ends_at"] < datetime.timedelta(seconds=1)
    # The day's reward at the socket, the start, the end.
    assert timed.value("SELECT count(*) FROM sync_heads WHERE version <> 3") == 0


def test_a_device_and_the_clockwork_at_the_same_instant_end_it_once(
    start_server: Callable[..., Server], sign_up: Callable[..., Client], timed: Database,
) -> None:
    client = sign_up(start_server(timed))
    made = start(client, duration_seconds=2)
    answers: list[int] = []

    def complete() -> None:
        while not answers or answers[-1] == 409:
            answers.append(client.request("POST", f"/api/focus/{made['id']}/complete").status_code)

    threads = [threading.Thread(target=complete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers[-1] == 200 and stored(timed, made["id"])["version"] == 2


def test_while_the_database_is_away_one_warning_says_that_sessions_do_not_end(
    start_server: Callable[..., Server], sign_up: Callable[..., Client], own_cluster: Cluster,
) -> None:
    database = own_cluster.database()
    server = start_server(database, env={"LOCKSTEP_LOG_LEVEL": "debug"})
    made = start(sign_up(server), duration_seconds=2)
    own_cluster.stop()
    eventually(lambda: server.log().count("What is due could not be looked up") >= 2, within=30, what="several failed looks")
    own_cluster.start()
    eventually(lambda: "Sessions are ended at their time again" in server.log(), within=20, what="word that it works again")
    assert server.log().count("Sessions cannot be ended at their time") == 1
    assert database.value("SELECT status FROM focus_sessions WHERE id = %s", [made["id"]]) == "completed"


@pytest.fixture
def set_clock() -> Iterator[tuple[Cluster, dict[str, str], Callable[[str], None]]]:
    """A cluster, the environment of processes on the same machine, and how that machine's wall clock is set."""
    folder = Path(tempfile.mkdtemp(prefix="lockstep-clock-", dir="/tmp"))
    folder.chmod(0o755)
    offset = folder / "offset"

    def set_to(text: str) -> None:
        # At once: nobody may read half of it.
        fresh = folder / "fresh"
        fresh.write_text(text)
        fresh.rename(offset)

    set_to("+0s")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    env = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1",
           "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    cluster = Cluster(env=env)
    yield cluster, env, set_to
    cluster.remove()
    shutil.rmtree(folder)


def test_a_clock_that_is_set_forward_ends_what_it_passed(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
    set_clock: tuple[Cluster, dict[str, str], Callable[[str], None]],
) -> None:
    cluster, env, set_to = set_clock
    database = cluster.database()
    client = sign_up(start_server(database, env=env))
    made = start(client, duration_seconds=1_500)
    set_to("+3600s")
    eventually(
        lambda: database.value("SELECT status FROM focus_sessions") == "completed", within=5, what="completed")
    found = session(client, made["id"])
    assert found["completed_at"] == made["ends_at"]


def test_a_clock_that_is_set_back_makes_a_session_longer_and_never_negative(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
    set_clock: tuple[Cluster, dict[str, str], Callable[[str], None]],
) -> None:
    cluster, env, set_to = set_clock
    client = sign_up(start_server(cluster.database(), env=env))
    start(client, duration_seconds=60)
    set_to("-3600s")
    paused = client.expect(200, "POST", "/api/focus/pause")
    assert paused["remaining_seconds"] == 60 and paused["paused_at"] == paused["started_at"]
    resumed = client.expect(200, "DELETE", "/api/focus/pause")
    assert resumed["paused_seconds"] == 0
    ended = client.expect(200, "POST", f"/api/focus/{resumed['id']}/abandon")
    assert ended["status"] == "abandoned" and ended["remaining_seconds"] == 60


@pytest.mark.parametrize("offset", ["-3d", "+3d"])
def test_a_database_whose_clock_is_days_off_gets_no_write_with_each_read_and_sessions_end_by_it(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
    set_clock: tuple[Cluster, dict[str, str], Callable[[str], None]], offset: str,
) -> None:
    cluster, _, set_to = set_clock
    set_to(offset)
    database = cluster.database()
    client = sign_up(start_server(database))
    before = database.value("SELECT expires_at FROM sessions")
    for _ in range(3):
        client.expect(200, "GET", "/api/settings")
    client.pull()
    for _ in range(3):
        client.expect(200, "GET", "/api/settings")
    assert database.value("SELECT expires_at FROM sessions") == before
    start(client, duration_seconds=1)
    eventually(lambda: database.value("SELECT status FROM focus_sessions") == "completed", within=5, what="completed")
