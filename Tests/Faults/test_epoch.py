"""A database that was restored is another one: clients reset instead of missing what happened in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Client, Cluster, Server, documents, eventually


@pytest.mark.parametrize("new_timeline", [True, False], ids=["by a recovery", "by copying the files"])
def test_after_a_file_level_backup_was_put_back(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client], new_timeline: bool,
) -> None:
    server = start_server(own_cluster.database())
    client = sign_up(server)
    client.set("kept", 1)
    backup = own_cluster.backup()
    client.set("lost", 1)
    cursor = client.pull()["cursor"]
    own_cluster.restore(backup, new_timeline=new_timeline)
    eventually(lambda: client.request("GET", "/readyz").status_code == 200, within=15, what="readiness")
    # As many changes again: the head stands where the old cursor does.
    client.set("other", 1)
    pull = client.pull(cursor)
    assert pull["reset"] is True and {d["id"] for d in documents(pull)} == {"kept", "other"}
    assert client.pull(pull["cursor"])["reset"] is False


def test_after_a_dump_was_restored_into_a_new_database(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client], tmp_path: Path,
) -> None:
    database = own_cluster.database()
    server = start_server(database)
    client = sign_up(server)
    client.set("kept", 1)
    dump = database.dump(tmp_path / "dump")
    client.set("lost", 1)
    cursor = client.pull()["cursor"]
    server.terminate()
    database.drop()
    own_cluster.create(database.name).restore_dump(dump)
    server.start()
    client.set("other", 1)
    assert client.pull(cursor)["reset"] is True
