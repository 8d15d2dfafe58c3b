"""More connections than there are descriptors: the process lives, says so, and goes on when some leave."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Database, RawSocket, Server, eventually, lockstep


@pytest.fixture
def limited(start_server: Callable[..., Server]) -> Callable[..., Server]:
    """Starts a server that may have so many files open: `limited(soft, hard, …)`."""
    def start(soft: int, hard: int, **options: object) -> Server:
        return start_server(files=(soft, hard), **options)
    return start


def connect(server: Server, count: int) -> list[RawSocket]:
    return [RawSocket(server.url, timeout=20) for _ in range(count)]


def close(raws: list[RawSocket]) -> None:
    for raw in raws:
        raw.close(reset=True)


@pytest.mark.parametrize("most", [300, 1_024])
def test_a_process_outlives_more_connections_than_it_has_descriptors(
    limited: Callable[..., Server], sign_up: Callable[..., Client], most: int,
) -> None:
    server = limited(most, most)
    client = sign_up(server)
    socket = client.socket().caught_up()
    idle = connect(server, most + 100)
    try:
        # Those who have a place are served on, the database included, and a change is still told.
        for number in range(20):
            assert client.request("POST", "/api/settings", {"key": "k", "value": number}).status_code == 200
        socket.wait_setting("k", 19)
        assert client.request("GET", "/readyz").status_code == 200
        assert server.descriptors() < most - 16, "no descriptors are kept in reserve"
        assert server.metric("lockstep_connections") > 100
        assert httpx.get(f"{server.url}/healthz", timeout=20).status_code == 200
    finally:
        close(idle)
    eventually(lambda: server.metric("lockstep_connections") < 10, what="the others have gone")
    fresh = connect(server, 50)
    for raw in fresh:
        assert raw.request("GET", "/openapi.json").status == 200
    close(fresh)


def test_health_is_answered_where_there_is_no_place_and_everybody_else_is_told_to_come_again(
    limited: Callable[..., Server],
) -> None:
    server = limited(300, 300, env={"LOCKSTEP_CONNECTIONS_PER_ADDRESS": "100000"})
    taken: list[RawSocket] = []
    try:
        while True:
            raw = RawSocket(server.url, timeout=20)
            answer = raw.request("GET", "/")
            taken.append(raw)
            if answer.status != 200:
                break
        assert 100 < len(taken) < 290
        assert answer.status == 503 and answer.json()["code"] == "unavailable"
        assert int(answer.headers["retry-after"]) > 0 and answer.headers["connection"] == "close"
        for _ in range(5):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert httpx.get(server.url + path, timeout=20).status_code == 200
        with RawSocket(server.url, timeout=20) as late:
            assert late.upgrade().status == 503
        # Whoever says nothing does not keep one of the last places.
        silent = connect(server, 10)
        for raw in silent:
            raw.socket.settimeout(15)
            assert raw.wait_end() == b""
        close(silent)
    finally:
        close(taken)


def test_one_address_gets_its_share_and_leaves_the_rest_to_others(
    limited: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = limited(1_024, 1_024, env={"LOCKSTEP_CONNECTIONS_PER_ADDRESS": "50"})
    raws = connect(server, 45)
    try:
        for raw in raws:
            assert raw.request("GET", "/").status == 200
        more = []
        for _ in range(20):
            more.append(RawSocket(server.url, timeout=20))
            status = more[-1].request("GET", "/").status
        assert status == 503
        # About its health it is asked all the same.
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        close(more)
        others = []
        for _ in range(60):
            other = RawSocket(server.url, timeout=20, source="127.0.0.2")
            others.append(other)
            if len(others) <= 50:
                assert other.request("GET", "/").status == 200
        close(others)
    finally:
        close(raws)


def test_a_trusted_proxys_connections_are_not_one_addresss(limited: Callable[..., Server]) -> None:
    server = limited(1_024, 1_024, env={
        "LOCKSTEP_CONNECTIONS_PER_ADDRESS": "5", "LOCKSTEP_TRUSTED_PROXIES": "127.0.0.1"})
    raws = connect(server, 60)
    assert {raw.request("GET", "/").status for raw in raws} == {200}
    close(raws)


def test_the_soft_limit_is_raised_to_the_hard_one(limited: Callable[..., Server]) -> None:
    server = limited(256, 4_096)
    assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (4_096, 4_096)
    raws = connect(server, 600)
    assert {raw.request("GET", "/").status for raw in raws} == {200}
    close(raws)


def test_a_limit_that_leaves_no_room_is_named_at_the_start(database: Database) -> None:
    from harness.server import ROOT, binary, environment

    done = subprocess.run(
        ["prlimit", "--nofile=80:80", str(binary()), "serve"], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=environment({"DATABASE_URL": database.url, "LOCKSTEP_PORT": "0"}), check=False)
    assert done.returncode == 1 and "ulimit -n" in done.stderr and "80 files" in done.stderr
    assert lockstep("serve", env={"LOCKSTEP_CONNECTIONS_PER_ADDRESS": "-1"}).returncode == 1
