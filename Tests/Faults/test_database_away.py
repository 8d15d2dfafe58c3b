"""The database stops, dies, freezes and comes back: 503 within 5 s, and then as if nothing had been."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from harness import Client, Cluster, Database, Proxy, RawSocket, Server, eventually, mutation


@pytest.fixture
def fragile(own_cluster: Cluster) -> Database:
    return own_cluster.database()


@pytest.fixture
def client(fragile: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> Client:
    return sign_up(start_server(fragile))


REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/api/settings", ...), ("POST", "/api/settings", {"key": "k", "value": 1}), ("GET", "/api/sync", ...),
    ("POST", "/api/sync", {"mutations": []}), ("GET", "/api/auth/me", ...), ("GET", "/readyz", ...),
    ("POST", "/api/auth/login", {"email": "a@example.org", "password": "correct horse",
                                 "device": {"name": "x", "kind": "web"}}),
]


def assert_all_answer_503(client: Client) -> None:
    """Every kind of request at once: 503 with Retry-After within 5 s (and half of one for this machine)."""
    answers: dict[str, tuple[float, httpx.Response]] = {}

    def ask(method: str, path: str, body: Any) -> None:
        began = time.monotonic()
        answer = client.request(method, path, body, timeout=30)
        answers[f"{method} {path}"] = (time.monotonic() - began, answer)

    def shake_hands() -> None:
        began = time.monotonic()
        with RawSocket(client.url, timeout=30) as raw:
            refused = raw.upgrade(client.token)
        answer = httpx.Response(refused.status, headers=refused.headers, content=refused.body)
        answers["handshake"] = (time.monotonic() - began, answer)

    threads = [threading.Thread(target=ask, args=request) for request in REQUESTS]
    threads.append(threading.Thread(target=shake_hands))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert {name: answer.status_code for name, (_, answer) in answers.items()} == {
        "handshake": 503, **{f"{method} {path}": 503 for method, path, _ in REQUESTS}}
    for _, answer in answers.values():
        assert answer.json()["code"] == "unavailable" and int(answer.headers["retry-after"]) >= 1
        assert "postgres" not in answer.text.lower() and "SELECT" not in answer.text
    slow = {name: round(took, 1) for name, (took, _) in answers.items() if took > 5.5}
    assert not slow, f"answered later than 5 s: {slow}"


def ready(client: Client, within: float = 10) -> None:
    eventually(lambda: client.request("GET", "/readyz").status_code == 200, within=within, what="readiness")


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_a_stopped_database_is_503_and_a_started_one_serves_again(
    client: Client, own_cluster: Cluster, how: str,
) -> None:
    own_cluster.execute("ALTER SYSTEM SET synchronous_commit = on")
    own_cluster.execute("SELECT pg_reload_conf()")
    client.set("theme", "dark")
    socket = client.socket().caught_up()
    if how == "kill":
        own_cluster.kill()
    else:
        own_cluster.stop(how)
    assert_all_answer_503(client)
    assert client.request("GET", "/healthz").status_code == 200
    own_cluster.start()
    ready(client)
    client.set("theme", "light")
    socket.wait_setting("theme", "light")
    assert socket.is_open and len([m for m in socket.messages if m["type"] == "welcome"]) == 1


def test_a_network_that_swallows_is_503_and_one_that_is_back_serves(
    fragile: Database, own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    proxy_to: Callable[..., Proxy],
) -> None:
    proxy = proxy_to(own_cluster)
    client = sign_up(start_server(fragile.url_at(proxy.port)))
    client.set("theme", "dark")
    proxy.freeze()
    assert_all_answer_503(client)
    proxy.cut()
    proxy.thaw()
    ready(client, within=20)
    assert client.settings() in ({"theme": "dark"}, {"theme": "dark", "k": 1})
    proxy.refuse()
    assert_all_answer_503(client)
    proxy.accept()
    ready(client, within=20)


def test_one_killed_backend_is_not_even_noticed(client: Client, fragile: Database) -> None:
    """57P01 on every connection, again and again, under writes: each is repeated under its id, once."""
    over = threading.Event()

    def kill() -> None:
        while not over.is_set():
            fragile.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lockstep' "
                         "AND datname = current_database()")
            over.wait(0.5)

    killer = threading.Thread(target=kill)
    killer.start()
    statuses: list[int] = []
    versions: list[int] = []
    try:
        for number in range(200):
            key = {"Idempotency-Key": str(uuid.uuid4())}
            while True:
                answer = client.request("POST", "/api/settings", {"key": "k", "value": number}, headers=key)
                statuses.append(answer.status_code)
                if answer.status_code == 200:
                    versions.append(answer.json()["version"])
                    break
                assert answer.status_code == 503, answer.text
    finally:
        over.set()
        killer.join()
    assert versions == list(range(1, 201))
    assert statuses.count(503) < 20


def test_results_may_be_a_prefix_and_the_rest_is_sent_again(
    client: Client, own_cluster: Cluster, fragile: Database,
) -> None:
    changes = [mutation("settings.set", {"key": f"k{n % 50}", "value": n}, seq=n + 1) for n in range(400)]
    answers: list[httpx.Response] = []
    sender = threading.Thread(target=lambda: answers.append(
        client.request("POST", "/api/sync", {"mutations": changes, "cursor": cursor}, timeout=60)))
    cursor = client.pull()["cursor"]
    sender.start()
    eventually(lambda: fragile.value("SELECT count(*) FROM mutations") > 20, what="the push under way")
    own_cluster.stop("fast")
    sender.join(30)
    (answer,) = answers
    results = answer.json()["results"] if answer.status_code == 200 else []
    assert answer.status_code in (200, 503) and len(results) < 400
    assert [result["id"] for result in results] == [change["id"] for change in changes[:len(results)]]
    own_cluster.start()
    ready(client)
    rest = client.push(*changes[len(results):], cursor=cursor)["results"]
    assert len(results) + len(rest) == 400
    assert {result["status"] for result in [*results, *rest]} == {"applied"}
    assert sorted(result["version"] for result in [*results, *rest]) == list(range(2, 402))


def test_sockets_and_polls_outlive_a_restart_of_the_database_and_miss_nothing(
    client: Client, own_cluster: Cluster, fragile: Database, start_server: Callable[..., Server],
) -> None:
    there = client.other_device(url=start_server(fragile).url)
    sockets = [client.socket().caught_up(), there.socket().caught_up()]
    cursor = there.pull()["cursor"]
    polled: list[httpx.Response] = []
    poll = threading.Thread(target=lambda: polled.append(there.poll(cursor, wait=30)))
    poll.start()
    for number in range(3):
        own_cluster.restart("immediate" if number == 1 else "fast")
        ready(client)
        eventually(lambda number=number: client.set("n", number), within=10, what="a write")
    truth = client.pull()["cursor"]
    for socket in sockets:
        eventually(lambda socket=socket: socket.replica.cursor == truth, within=8, what="the last change")
        assert socket.replica.settings() == {"n": 2} and socket.is_open
    poll.join(10)
    assert polled[0].status_code in (200, 503)
    there.close()


@pytest.mark.timed
def test_a_locked_row_holds_up_its_user_and_nobody_else(
    client: Client, fragile: Database, sign_up: Callable[..., Client],
) -> None:
    other = sign_up(client.url)
    other.set("warm", 1)
    with fragile.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM sync_heads WHERE user_id = %s FOR UPDATE", (client.user["id"],))
        blocked: list[httpx.Response] = []
        writers = [threading.Thread(target=lambda: blocked.append(
            client.request("POST", "/api/settings", {"key": "k", "value": 1}))) for _ in range(12)]
        began = time.monotonic()
        for writer in writers:
            writer.start()
        worst = 0.0
        while time.monotonic() - began < 2.5:
            at = time.monotonic()
            other.set("k", at)
            other.settings()
            client.settings()
            worst = max(worst, time.monotonic() - at)
        for writer in writers:
            writer.join(20)
        assert time.monotonic() - began < 6
        holder.rollback()
    assert worst < 0.5
    assert {answer.status_code for answer in blocked} == {503}
    # Those that had been sent were carried out after all, once, when the lock was gone: one change, if any.
    assert client.set("k", 2)["version"] in (1, 2)


def test_a_server_without_its_database_ends_within_thirty_seconds_and_names_it(
    start_server: Callable[..., Server], own_cluster: Cluster, fragile: Database,
) -> None:
    own_cluster.stop()
    began = time.monotonic()
    server = start_server(fragile, wait=False)
    assert server.wait_exit(within=30) == 1
    assert time.monotonic() - began < 30
    (line,) = [line for line in server.log().splitlines() if line.startswith("lockstep:")]
    assert "DATABASE_URL" in line and str(own_cluster.port) in line


@pytest.fixture(autouse=True)
def thawed(own_cluster: Cluster) -> Iterator[None]:
    yield
    own_cluster.thaw()
