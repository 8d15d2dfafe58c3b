"""What all users share is read once, whoever is connected, and is in step with what is each user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Client, Database, Server, lockstep

GUARD = "DISABLE_MASS_LOCAL_PERSISTENCE"


def switch(database: Database, to: str) -> None:
    assert lockstep("flags", "set", GUARD, to, env={"DATABASE_URL": database.url}).returncode == 0


def shows(messages: list[dict[str, Any]], enabled: bool) -> bool:
    return any(document["value"]["enabled"] is enabled
               for message in messages if message["type"] == "changes"
               for document in message["documents"] if document["collection"] == "flags")


def test_a_shared_change_is_read_once_for_all_sockets(
    server: Server, database: Database, sign_up: Callable[..., Client],
) -> None:
    users = [sign_up(server) for _ in range(4)]
    sockets = [user.socket().caught_up() for user in users for _ in range(5)]
    pulls = server.metric("lockstep_merged_pulls_total")
    marks = [len(socket.messages) for socket in sockets]
    for count, to in enumerate(("off", "on"), 1):
        switch(database, to)
        for socket, mark in zip(sockets, marks, strict=True):
            socket.wait(lambda message, to=to: shows([message], to == "on"), after=mark)
        assert server.metric("lockstep_shared_reads_total") == count
    assert server.metric("lockstep_merged_pulls_total") == pulls
    for user, socket in zip(users, sockets[::5], strict=True):
        # A step of the shared sequence is one from where the replica stood, and nothing of the user's own is passed by.
        assert socket.replica.cursor == user.pull()["cursor"]
        assert socket.replica.digest() == user.digest()["digest"]


def test_shared_and_own_changes_that_cross_leave_every_replica_right(
    server: Server, database: Database, sign_up: Callable[..., Client],
) -> None:
    users = [sign_up(server) for _ in range(3)]
    sockets = [user.socket().caught_up() for user in users for _ in range(2)]
    for number in range(6):
        switch(database, "off" if number % 2 == 0 else "on")
        for user in users:
            user.set("number", number)
    for index, user in enumerate(users):
        cursor = user.pull()["cursor"]
        for socket in sockets[2 * index:2 * index + 2]:
            socket.wait_cursor(cursor)
            assert socket.replica.digest() == user.digest()["digest"]
            resets = [message["reset"] for message in socket.messages if message["type"] == "changes"]
            assert resets == [True] + [False] * (len(resets) - 1)


def test_a_shared_change_whose_announcement_was_lost_is_read_once_too(
    server: Server, database: Database, client: Client,
) -> None:
    sockets = [client.socket().caught_up() for _ in range(5)]
    pulls = server.metric("lockstep_merged_pulls_total")
    with database.connect() as connection:
        connection.execute("UPDATE sync_shared SET version = version + 1")
        connection.execute(
            "UPDATE feature_flags SET enabled = false, version = (SELECT version FROM sync_shared) WHERE name = %s", [GUARD])
    for socket in sockets:
        socket.wait(lambda message: shows([message], False))
    assert server.metric("lockstep_merged_pulls_total") == pulls
    assert server.metric("lockstep_shared_reads_total") == 1
