"""What waits asks the database nothing: counted in PostgreSQL's own log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx

from harness import Client, Cluster, Server, eventually


def statements(cluster: Cluster) -> int:
    """How many statements of the server are in the log, its cluster's own and the tests' apart."""
    lines = cluster.log_path.read_text(errors="replace").splitlines()
    return sum(line.startswith("lockstep|") and ("execute " in line or "statement:" in line) for line in lines)


def counted(cluster: Cluster, seconds: float) -> int:
    # The length of the observation is what is tested here, not a wait for something to happen.
    before = statements(cluster)
    time.sleep(seconds)
    return statements(cluster) - before


def test_polls_and_sockets_that_wait_cost_one_statement_every_five_seconds_together(
    talkative: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(talkative.database())
    users = [sign_up(server) for _ in range(10)]
    users[0].settings()
    assert statements(talkative) > 10, "the log does not show statements"
    idle = counted(talkative, 6)
    # The clockwork looks every 5 s, whoever is there, and the recommender may once.
    assert idle <= 3, f"{idle} statements with nobody there"
    cursors = [user.pull()["cursor"] for user in users]
    answers: list[httpx.Response] = []
    polls = [threading.Thread(target=lambda user=user, cursor=cursor: answers.append(user.poll(cursor, wait=20)))
             for user, cursor in zip(users, cursors, strict=True)]
    for poll in polls:
        poll.start()
    sockets = [user.socket().caught_up() for user in users]
    # Each asks when it comes: who it is, and what is new; presence follows within 2 s.
    eventually(lambda: counted(talkative, 1) <= 1, within=8, what="the last of the first questions")
    waiting = counted(talkative, 11)
    print(f"{len(polls)} polls and {len(sockets)} sockets that wait: {waiting} statements in 11 s")
    # Three comparisons of the heads, three looks of the clockwork, one of the recommender, and, every 30 s, who is there. None for
    # each of the twenty.
    assert waiting <= 8
    for user, cursor in zip(users, cursors, strict=True):
        user.set("theme", "dark")
        assert user.pull(cursor)["documents"]
    for poll in polls:
        poll.join(25)
    assert {answer.status_code for answer in answers} == {200}


def test_a_clockwork_with_nothing_due_hardly_asks_anything(
    talkative: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    client = sign_up(start_server(talkative.database()))
    client.expect(201, "POST", "/api/focus", {"duration_seconds": 3_600})
    eventually(lambda: counted(talkative, 0.5) == 0, within=8, what="the last look after the start")
    # It looks every 5 s.
    assert counted(talkative, 8) <= 2
