"""Who is signed out is so at once, at whichever server process his sockets are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from harness import Client, Database, Realtime, Server, eventually


@pytest.fixture
def pair(server: Server, client: Client, start_server: Callable[..., Server]) -> tuple[Client, Client]:
    """Two devices of one user, each at a process of its own."""
    return client, client.other_device(url=start_server().url)


def remove(here: Client, there: Client) -> None:
    here.expect(204, "DELETE", f"/api/devices/{there.device['id']}")


def change_password(here: Client, there: Client) -> None:
    here.expect(204, "POST", "/api/auth/password", {"current_password": here.password, "new_password": "another horse"})


def erase(here: Client, there: Client) -> None:
    here.expect(204, "DELETE", "/api/account", {"password": here.password})


@pytest.mark.parametrize("revoke", [remove, change_password, erase])
@pytest.mark.timed
def test_sockets_and_waiting_polls_at_another_process_end_within_a_second(
    pair: tuple[Client, Client], revoke: Callable[[Client, Client], None],
) -> None:
    here, there = pair
    sockets = [there.socket().caught_up() for _ in range(3)]
    mine = here.socket().caught_up()
    cursor = there.pull()["cursor"]
    answers: list[tuple[int, float]] = []

    def poll() -> None:
        answers.append((there.poll(cursor, wait=20).status_code, time.monotonic()))

    polling = threading.Thread(target=poll)
    polling.start()
    elsewhere = Client(there.url)
    eventually(lambda: b"lockstep_waiting_polls 1" in elsewhere.request("GET", "/metrics").content, what="the poll waits")
    began = time.monotonic()
    revoke(here, there)
    assert [socket.wait_closed(within=1) for socket in sockets] == [4401] * 3
    polling.join(5)
    ((status, ended),) = answers
    assert status == 401 and ended - began < 1
    print(f"{revoke.__name__}: sockets and poll at the other process ended after {time.monotonic() - began:.3f} s at most")
    assert there.request("GET", "/api/settings").status_code == 401
    if revoke is erase:
        assert mine.wait_closed(within=1) == 4401
    else:
        assert mine.is_open and here.request("GET", "/api/settings").status_code == 200
    elsewhere.close()
    there.close()


@pytest.mark.timed
def test_a_removed_device_is_missed_at_every_process(pair: tuple[Client, Client]) -> None:
    here, there = pair
    third = here.other_device("Tablet", url=there.url)
    sockets = [here.socket().caught_up(), there.socket().caught_up()]

    def names(socket: object) -> set[str]:
        said = [message for message in socket.messages if message["type"] == "presence"]  # type: ignore[attr-defined]
        return {device["name"] for device in said[-1]["devices"]} if said else set()

    for socket in sockets:
        eventually(lambda socket=socket: "Tablet" in names(socket), within=5, what="all three told")
    remove(here, third)
    for socket in sockets:
        eventually(lambda socket=socket: names(socket) == {"Test device", "Phone"}, within=1, what="two are left")
    for client in (there, third):
        client.close()


@pytest.mark.parametrize("header", [True, False], ids=["bearer", "auth message"])
@pytest.mark.timed
def test_a_socket_that_is_being_let_in_while_its_device_is_removed_ends_as_well(
    pair: tuple[Client, Client], database: Database, header: bool,
) -> None:
    here, there = pair
    opened: list[Realtime] = []
    before = there.socket().caught_up()
    # As on the next day: who comes next has a reward to get, and waits for the lock below when he was found to be signed
    # in already. The change of another process makes this one forget that he was here today.
    database.rows("DELETE FROM user_rewards WHERE user_id = %s", [there.user["id"]])
    here.set("k", 1)
    before.wait_setting("k", 1)

    def open_socket() -> None:
        socket = Realtime(there.url, token=there.token if header else None)
        if not header:
            socket.authenticate(there.token or "")
        opened.append(socket)

    with database.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM sync_heads WHERE user_id = %s FOR UPDATE", [there.user["id"]])
        opening = threading.Thread(target=open_socket)
        opening.start()
        eventually(lambda: database.value("""
            SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"""),
            what="the socket is being let in")
        remove(here, there)
        # Now that process has heard of it.
        assert before.wait_closed(within=1) == 4401
    opening.join()
    assert opened[0].wait_closed(within=1) == 4401
    there.close()


def test_a_word_that_the_bus_loses_costs_five_seconds_and_not_a_session(
    pair: tuple[Client, Client], database: Database,
) -> None:
    here, there = pair
    socket = there.socket().caught_up()
    # What another program does is announced by nobody.
    database.rows("DELETE FROM devices WHERE id = %s", [there.device["id"]])
    assert socket.wait_closed(within=7) == 4401
    assert here.request("GET", "/api/settings").status_code == 200
    there.close()
