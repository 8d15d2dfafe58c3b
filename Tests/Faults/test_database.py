"""A database that goes away: 503 within 5 s, nothing lost, and back by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from harness import Client, Cluster, Server, eventually, mutation
from harness.server import lockstep


@pytest.fixture
def durable_cluster() -> Iterator[Cluster]:
    """One that loses nothing when it is killed."""
    cluster = Cluster(durable=True)
    yield cluster
    cluster.remove()


@pytest.fixture
def pair(durable_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> tuple[Cluster, Server, Client]:
    server = start_server(durable_cluster.database())
    return durable_cluster, server, sign_up(server)


@pytest.mark.parametrize("way", ["stop", "kill", "freeze"])
def test_while_it_is_away_everything_is_503_within_five_seconds(pair: tuple[Cluster, Server, Client], way: str) -> None:
    cluster, server, client = pair
    socket = client.socket().caught_up()
    client.set("a", 1)
    getattr(cluster, way)()
    for method, path, body in [("GET", "/api/settings", ...), ("POST", "/api/settings", {"key": "a", "value": 2}), ("GET", "/readyz", ...)]:
        began = time.monotonic()
        answer = client.request(method, path, body)
        took = time.monotonic() - began
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable") and "retry-after" in answer.headers
        assert took < 5.5, (path, took)
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    cluster.thaw() if way == "freeze" else cluster.start()
    eventually(lambda: client.request("GET", "/readyz").status_code == 200, within=15, what="readiness")
    client.set("b", 2)
    assert client.settings()["b"] == 2
    socket.wait_setting("b", 2, within=10)


def test_one_killed_backend_is_replaced_and_nobody_notices_for_long(pair: tuple[Cluster, Server, Client]) -> None:
    cluster, _, client = pair
    for number in range(5):
        cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lockstep'")
        change = mutation("settings.set", {"key": "n", "value": number})
        eventually(lambda: client.request("POST", "/api/sync", {"mutations": [change]}).status_code == 200, within=5, what="a write")
    assert client.settings() == {"n": 4} and client.request("GET", "/api/settings").headers["etag"] == '"5"'


def test_one_users_locked_row_holds_up_nobody_else(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    database = own_cluster.database()
    server = start_server(database)
    locked, other = sign_up(server), sign_up(server)
    other.set("warm", 1)
    with database.connect(autocommit=False) as connection:
        connection.execute("SELECT 1 FROM sync_heads WHERE user_id = %s FOR UPDATE", (locked.me()["user"]["id"],))
        import threading

        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(locked.request("POST", "/api/settings", {"key": "a", "value": 1}).status_code))
        thread.start()
        time.sleep(0.2)
        delays = []
        for number in range(50):
            began = time.monotonic()
            other.set("n", number)
            delays.append(time.monotonic() - began)
        assert max(delays) < 0.5
        thread.join(6)
        # It waited for its lock and was told to come again.
        assert answers == [503]
    locked.set("a", 1)


@pytest.mark.parametrize(("env", "names"), [
    ({"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}, "DATABASE_URL"), ({"DATABASE_URL": "nonsense://x"}, "DATABASE_URL"),
    ({"LOCKSTEP_PORT": "x"}, "LOCKSTEP_PORT"), ({"LOCKSTEP_POLL_SECONDS": "0"}, "LOCKSTEP_POLL_SECONDS"),
    ({"LOCKSTEP_LOG_LEVEL": "loud"}, "LOCKSTEP_LOG_LEVEL"), ({"LOCKSTEP_TRUSTED_PROXIES": "everybody"}, "LOCKSTEP_TRUSTED_PROXIES"),
    ({"LOCKSTEP_PASSWORD_COST": "9"}, "LOCKSTEP_PASSWORD_COST"), ({"LOCKSTEP_ALLOWED_ORIGINS": "example"}, "LOCKSTEP_ALLOWED_ORIGINS"),
])
def test_a_wrong_configuration_stops_the_start_with_one_line_that_names_it(env: dict[str, str], names: str) -> None:
    began = time.monotonic()
    said = lockstep("serve", env=env)
    assert said.returncode != 0 and time.monotonic() - began < 31
    lines = said.stderr.strip().splitlines()
    assert len(lines) == 1 and names in lines[0], said.stderr


def test_a_taken_port_is_named(server: Server, start_server: Callable[..., Server]) -> None:
    said = lockstep("serve", env={"DATABASE_URL": server.environment["DATABASE_URL"], "LOCKSTEP_PORT": str(server.port)})
    assert said.returncode == 1 and str(server.port) in said.stderr and "LOCKSTEP_PORT" in said.stderr
