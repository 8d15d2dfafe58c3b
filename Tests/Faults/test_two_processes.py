"""Two server processes on one database: in step whatever happens to them."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable

import pytest

from harness import Client, Database, Server, eventually, mutation

BUS = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lockstep'
    AND (query LIKE 'LISTEN%%' OR query LIKE '%%pg_notify%%')
"""


@pytest.fixture
def pair(server: Server, client: Client, start_server: Callable[..., Server]) -> tuple[Client, Client]:
    """Two devices of one user, each at a process of its own."""
    return client, client.other_device(url=start_server().url)


@pytest.mark.timed
def test_a_long_poll_at_the_other_process_is_woken(pair: tuple[Client, Client]) -> None:
    here, there = pair
    cursor = there.pull()["cursor"]
    answers: list[dict[str, object]] = []
    poll = threading.Thread(target=lambda: answers.append(there.pull(cursor, wait=20)))
    poll.start()
    began = time.monotonic()
    # Whether the poll stands already or not: it must hear of it.
    here.set("theme", "dark")
    poll.join(20)
    assert time.monotonic() - began < 1.5
    assert answers[0]["documents"][0]["value"] == "dark"  # type: ignore[index]
    there.close()


def test_presence_counts_the_devices_of_both_processes(pair: tuple[Client, Client]) -> None:
    here, there = pair
    mine = here.socket().caught_up()
    theirs = there.socket().caught_up()

    def online(socket: object) -> set[str]:
        said = [message for message in socket.messages if message["type"] == "presence"]  # type: ignore[attr-defined]
        return {device["name"] for device in said[-1]["devices"] if device["online"]} if said else set()

    for socket in (mine, theirs):
        eventually(lambda socket=socket: online(socket) == {"Test device", "Phone"}, within=5, what="both online")
    theirs.close()
    eventually(lambda: online(mine) == {"Test device"}, within=8, what="the phone offline")
    there.close()


def test_the_devices_of_a_process_that_was_killed_are_told_to_be_gone(
    server: Server, client: Client, start_server: Callable[..., Server], database: Database,
) -> None:
    other = start_server()
    there = client.other_device(url=other.url)
    mine = client.socket().caught_up()
    there.socket().caught_up()

    def online() -> set[str]:
        said = [message for message in mine.messages if message["type"] == "presence"]
        return {device["name"] for device in said[-1]["devices"] if device["online"]} if said else set()

    eventually(lambda: online() == {"Test device", "Phone"}, within=5, what="both online")
    other.kill()
    # As if it were 90 s later.
    database.rows("UPDATE device_presence SET seen_at = seen_at - interval '90 s' WHERE device_id = %s", [there.device["id"]])
    eventually(lambda: online() == {"Test device"}, within=35, what="the phone offline")
    there.close()


@pytest.mark.timed
def test_a_listener_that_is_killed_over_and_over_loses_nothing(
    pair: tuple[Client, Client], database: Database,
) -> None:
    here, there = pair
    socket = there.socket().caught_up()
    over = threading.Event()
    killed: list[int] = []

    def cut() -> None:
        while not over.is_set():
            killed.append(len(database.rows(f"SELECT pg_terminate_backend(pid) FROM ({BUS}) b")))
            over.wait(0.05)

    cutter = threading.Thread(target=cut)
    cutter.start()
    delays: list[float] = []
    try:
        while sum(killed) < 40:
            began = time.monotonic()
            here.set("n", len(delays))
            delays.append(socket.wait_setting("n", len(delays), within=10) - began)
    finally:
        over.set()
        cutter.join()
    print(f"bus killed all the time: median {statistics.median(delays) * 1000:.0f} ms, worst {max(delays):.2f} s")
    assert max(delays) < 6
    eventually(lambda: len(database.rows(BUS)) == 2, within=5, what="both processes to listen again")
    began = time.monotonic()
    here.set("n", "again")
    assert socket.wait_setting("n", "again") - began < 1
    there.close()


def test_many_devices_at_two_processes_end_up_identical(
    server: Server, client: Client, start_server: Callable[..., Server],
) -> None:
    """Random writes by REST, push and sockets, sockets that come and go, one process killed in the middle."""
    second = start_server()
    devices = [client] + [client.other_device(f"d{n}", url=[server, second][n % 2].url) for n in range(1, 6)]
    sockets = [device.socket().caught_up() for device in devices]
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")

    def work(device: Client, source: random.Random) -> None:
        for _ in range(40):
            key, value = f"k{source.randrange(12)}", source.randrange(1000)
            try:
                match source.randrange(4):
                    case 0:
                        device.set(key, value)
                    case 1:
                        device.delete(key)
                    case 2:
                        device.patch({key: value, f"p{source.randrange(5)}": None})
                    case 3:
                        device.push(*[mutation("settings.set", {"key": key, "value": n}) for n in range(5)])
            except Exception as error:  # the killed process's own clients
                if device.url != second.url:
                    raise error

    failures: list[BaseException] = []

    def guarded(device: Client, source: random.Random) -> None:
        try:
            work(device, source)
        except BaseException as error:  # noqa: BLE001 (whatever ends a thread fails the test)
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(device, random.Random(seed + number)))
               for number, device in enumerate(devices)]
    for thread in threads:
        thread.start()
    eventually(lambda: client.pull()["documents"][-1:] and client.pull()["documents"][-1]["version"] > 60, within=30)
    second.restart(kill=True)
    for thread in threads:
        thread.join(60)
    assert not failures, failures[0]
    truth = client.pull()
    documents = {(one["collection"], one["id"]): one for one in truth["documents"]}
    for device, socket in zip(devices, sockets, strict=True):
        replica = socket.replica
        if device.url == second.url:
            assert socket.wait_closed() == 1006
            # Comes back where its replica stands, as a client does.
            device.socket(cursor=replica.cursor, replica=replica)
        eventually(lambda replica=replica: replica.cursor == truth["cursor"], within=10, what="the last change")
        assert replica.documents == documents
        assert replica.digest() == device.digest()["digest"]
    for device in devices[1:]:
        device.close()
