"""SIGTERM and ctrl-C: everybody is told, what is under way is finished, and the end comes soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Database, RawSocket, Server, documents, eventually


@pytest.mark.timed
def test_every_socket_is_told_1001_spread_over_a_few_seconds(
    server: Server, sign_up: Callable[..., Client],
) -> None:
    sockets = [user.socket().caught_up() for user in [sign_up(server) for _ in range(8)] for _ in range(15)]
    ends: list[float] = []
    watchers = [threading.Thread(target=lambda socket=socket: (socket.wait_closed(30), ends.append(time.monotonic())))
                for socket in sockets]
    for watcher in watchers:
        watcher.start()
    began = time.monotonic()
    assert server.terminate() == 0
    took = time.monotonic() - began
    for watcher in watchers:
        watcher.join(30)
    assert {socket.wait_closed() for socket in sockets} == {1001}
    assert took < 10
    assert max(ends) - min(ends) > 0.5, "all of them were sent away at once"


@pytest.mark.parametrize("signal", ["terminate", "interrupt"])
@pytest.mark.timed
def test_a_waiting_poll_is_answered_and_does_not_hold_up_the_end(server: Server, client: Client, signal: str) -> None:
    cursor = client.pull()["cursor"]
    answers: list[httpx.Response] = []
    poll = threading.Thread(target=lambda: answers.append(client.poll(cursor, wait=30)))
    poll.start()
    eventually(lambda: server.metric("lockstep_waiting_polls") == 1, what="the wait")
    began = time.monotonic()
    assert getattr(server, signal)(within=15) == 0
    assert time.monotonic() - began < 8
    poll.join(10)
    assert answers and answers[0].status_code in (200, 304)


def test_writes_under_way_are_answered_and_what_was_answered_is_there(
    server: Server, client: Client, database: Database,
) -> None:
    answered: list[int] = []

    def write(name: str) -> None:
        try:
            for number in range(10_000):
                answer = httpx.post(
                    f"{server.url}/api/settings", json={"key": name, "value": number},
                    headers={"Authorization": f"Bearer {client.token}"}, timeout=10)
                if answer.status_code != 200:
                    return
                answered.append(answer.json()["version"])
        except httpx.TransportError:
            return

    writers = [threading.Thread(target=write, args=(f"k{n}",)) for n in range(6)]
    for writer in writers:
        writer.start()
    eventually(lambda: len(answered) > 50, within=60, what="writes under way")
    assert server.terminate() == 0
    for writer in writers:
        writer.join(20)
    head = database.value("SELECT version FROM sync_heads")
    # At most one change a writer may have been committed without its answer.
    assert max(answered) <= head <= len(answered) + len(writers)
    server.start()
    assert documents(client.pull())[-1]["version"] == head


@pytest.mark.timed
def test_idle_keep_alive_connections_do_not_hold_up_the_end(server: Server, client: Client) -> None:
    others = [httpx.Client(base_url=server.url) for _ in range(20)]
    for other in others:
        assert other.get("/healthz").status_code == 200
    began = time.monotonic()
    assert server.terminate(within=15) == 0
    assert time.monotonic() - began < 8
    for other in others:
        other.close()


@pytest.mark.timed
def test_connections_that_have_not_said_what_they_want_do_not_hold_up_the_end(server: Server) -> None:
    with RawSocket(server.url) as silent, RawSocket(server.url) as slow:
        slow.send("GET /hea")
        # Both are taken, because they came before it.
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        began = time.monotonic()
        assert server.terminate(within=20) == 0
        assert time.monotonic() - began < 8
        assert silent.wait_end() == b"" == slow.wait_end()
