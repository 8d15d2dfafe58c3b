"""A database that is restored is another one: no device goes on from a cursor of what was lost."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Client, Cluster, Replica, Server, eventually, lockstep


def write_on(client: Client, replica: Replica) -> None:
    """Three changes that the restore will undo, applied to the replica."""
    for number in range(3):
        client.set("theme", ["dark", "light", "dark"][number])
    client.set("lost", True)
    assert replica.apply(client.pull(replica.cursor))


def assert_reset(client: Client, replica: Replica) -> None:
    """The old cursor is worth a reset, also where the new history is as long as the old one was."""
    old = replica.cursor
    assert old is not None
    for length in range(6):
        answer = client.pull(old)
        assert answer["reset"] is True, f"no reset {length} changes after the restore"
        assert client.poll(old).status_code == 200
        client.set("after", length)
    assert replica.apply(client.pull(old))
    assert replica.settings() == client.settings() and "lost" not in replica.settings()
    assert replica.digest() == client.digest()["digest"]


def test_a_physical_backup_that_is_put_back_resets_every_device(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(own_cluster.database())
    client = sign_up(server)
    client.set("theme", "light")
    replica = client.replica()
    own_cluster.execute("CHECKPOINT")
    backup = own_cluster.backup()
    write_on(client, replica)
    server.terminate()
    own_cluster.restore(backup)
    server.start()
    assert_reset(client, replica)


def test_sockets_and_polls_that_outlive_a_restore_are_reset_too(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    """The server runs on while its database is put back: who is connected must not go on from what is gone."""
    client = sign_up(start_server(own_cluster.database()))
    client.set("theme", "light")
    replica = client.replica()
    own_cluster.execute("CHECKPOINT")
    backup = own_cluster.backup()
    write_on(client, replica)
    socket = client.socket().caught_up()
    assert socket.replica.settings()["lost"] is True
    answers: list[dict[str, Any]] = []
    own_cluster.restore(backup)
    eventually(lambda: client.request("GET", "/readyz").status_code == 200, what="readiness")
    poll = threading.Thread(target=lambda: answers.append(client.pull(replica.cursor, wait=20)))
    poll.start()
    eventually(lambda: socket.replica.settings() == {"theme": "light"}, within=8, what="the restored settings")
    assert any(message["type"] == "changes" and message["reset"] for message in socket.messages[2:])
    poll.join(10)
    assert answers[0]["reset"] is True
    client.set("after", 1)
    socket.wait_setting("after", 1)
    assert socket.replica.digest() == client.digest()["digest"]


def test_a_dump_that_is_put_back_resets_every_device_after_doctor_was_told(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client], tmp_path: Path,
) -> None:
    database = own_cluster.database()
    server = start_server(database)
    client = sign_up(server)
    client.set("theme", "light")
    replica = client.replica()
    dump = database.dump(tmp_path / "database.dump")
    write_on(client, replica)
    server.terminate()
    database.restore_dump(dump)
    done = lockstep("doctor", "--new-epoch", env={"DATABASE_URL": database.url})
    assert done.returncode == 0 and "new epoch" in done.stdout, done.stderr
    server.start()
    assert_reset(client, replica)


def test_a_new_epoch_under_a_running_server_resets_sockets_and_waiting_polls(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    database = own_cluster.database()
    client = sign_up(start_server(database))
    client.set("theme", "light")
    socket = client.socket().caught_up()
    cursor = client.pull()["cursor"]
    answers: list[dict[str, Any]] = []
    poll = threading.Thread(target=lambda: answers.append(client.pull(cursor, wait=20)))
    poll.start()
    assert lockstep("doctor", "--new-epoch", env={"DATABASE_URL": database.url}).returncode == 0
    eventually(lambda: [m for m in socket.messages if m["type"] == "changes"][-1]["cursor"] != cursor, within=8,
               what="a reset on the socket")
    assert socket.changes(after=2)["reset"] is True
    poll.join(10)
    assert answers[0]["reset"] is True
    client.set("theme", "dark")
    socket.wait_setting("theme", "dark")
    assert socket.replica.cursor == client.pull()["cursor"]


def test_a_dump_in_another_cluster_needs_nobody_to_say_so(
    cluster: Cluster, own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    tmp_path: Path,
) -> None:
    database = own_cluster.database()
    client = sign_up(start_server(database))
    client.set("theme", "light")
    replica = client.replica()
    dump = database.dump(tmp_path / "database.dump")
    write_on(client, replica)
    moved = cluster.database()
    moved.restore_dump(dump)
    elsewhere = Client(start_server(moved).url)
    elsewhere.token = client.token
    assert_reset(elsewhere, replica)
    elsewhere.close()


def test_a_plain_restart_of_server_and_database_resets_nobody(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(own_cluster.database())
    client = sign_up(server)
    client.set("theme", "light")
    cursor = client.pull()["cursor"]
    server.terminate()
    own_cluster.restart()
    server.start()
    assert client.pull(cursor)["reset"] is False and client.poll(cursor).status_code == 304


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """Under /tmp, which PostgreSQL's user may enter: pytest's own folders are for us alone."""
    folder = Path(tempfile.mkdtemp(prefix="lockstep-test-", dir="/tmp"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        assert pwd.getpwnam("postgres")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_copied_data_folder_of_the_private_postgresql_resets_every_device(
    data_folder: Path, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    """`cp -a` of the stopped cluster and back: the same system identifier, the same timeline, other data."""
    data = data_folder / "data"
    server = start_server(None, env={"LOCKSTEP_DATA_DIR": str(data)})
    client = sign_up(server)
    client.set("theme", "light")
    replica = client.replica()
    assert server.terminate() == 0
    subprocess.run(["cp", "-a", data, data_folder / "copy"], check=True)
    server.start()
    assert client.pull(replica.cursor)["reset"] is False, "a plain restart resets nobody"
    write_on(client, replica)
    assert server.terminate() == 0
    shutil.rmtree(data)
    subprocess.run(["cp", "-a", data_folder / "copy", data], check=True)
    server.start()
    assert_reset(client, replica)
    assert server.terminate() == 0
