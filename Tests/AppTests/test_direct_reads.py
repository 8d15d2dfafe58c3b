"""The hottest reads are answered in front of the router (docs/decisions/0042): as the router answers them, in the order of
their questions, and by the same rules. A `?` behind the path, or one more parameter, is asked of the router.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from harness import Client, Database, Server, mutation


def headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items()
            if name not in ("x-request-id", "date", "lockstep-server-time")}


@pytest.fixture
def known(server: Server, client: Client) -> Client:
    """Somebody with settings, who was proven a moment ago and whose day is noticed."""
    client.set("theme", "dark")
    client.set("odd", {"ä": [1, None, "\u2028"]})
    client.pull()
    return client


def both(client: Client, path: str, slow: str, **options: Any) -> tuple[httpx.Response, httpx.Response]:
    """The answer in front of the router, and the router's."""
    before = direct_of(client)
    fast = client.request("GET", path, **options)
    assert direct_of(client) == before + 1, fast.text
    routed = client.request("GET", slow, **options)
    assert direct_of(client) == before + 1
    return fast, routed


def direct_of(client: Client) -> int:
    """How many were answered in front of the router so far."""
    found = re.search(r"^lockstep_direct_reads_total (\d+)", httpx.get(f"{client.url}/metrics").text, re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("has", [None, "same", "weak", "other", "*"])
def test_settings_are_the_same_both_ways(known: Client, has: str | None) -> None:
    tag = known.request("GET", "/api/settings").headers["etag"]
    tags = {"same": tag, "weak": f'W/{tag}, "x"', "other": '"7000"', "*": "*"}
    options = {"headers": {"If-None-Match": tags[has]}} if has else {}
    fast, routed = both(known, "/api/settings", "/api/settings?", **options)
    assert (fast.status_code, headers(fast), fast.content) == (routed.status_code, headers(routed), routed.content)
    assert fast.status_code == (304 if has in ("same", "weak", "*") else 200)
    assert len({fast.headers["x-request-id"], routed.headers["x-request-id"]}) == 2
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fast.headers["date"])


def test_a_poll_with_nothing_new_is_the_same_both_ways(known: Client) -> None:
    cursor = known.pull()["cursor"]
    options = {"headers": {"If-None-Match": f'"{cursor}"'}}
    fast, routed = both(known, f"/api/sync?cursor={cursor}", f"/api/sync?cursor={cursor}&wait=0", **options)
    assert (fast.status_code, headers(fast), fast.content) == (routed.status_code, headers(routed), routed.content)
    assert fast.status_code == 304 and fast.headers["lockstep-poll-after-ms"] == "30000"
    # What is new is told by the router, to the same question.
    before = direct_of(known)
    known.set("theme", "light")
    answer = known.request("GET", f"/api/sync?cursor={cursor}", **options)
    assert (answer.status_code, [it["id"] for it in answer.json()["documents"]]) == (200, ["theme"])
    assert direct_of(known) == before


def test_requests_that_are_sent_together_are_answered_in_their_order(known: Client, server: Server) -> None:
    asked = ["/api/settings", "/api/settings", "/api/auth/me", "/api/settings", "/api/settings?", "/api/nothing",
             "/api/settings/theme", "/api/settings", "/api/settings"] * 6
    marks = {"/api/settings": b'{"settings":[', "/api/settings?": b'{"settings":[', "/api/auth/me": b'{"expires',
             "/api/nothing": b'{"code":', "/api/settings/theme": b'{"key":'}
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.settimeout(20)
        line = "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n"
        raw.sendall("".join(line.format(path, known.token) for path in asked).encode())
        # Who says their last before it is answered is answered all the same.
        raw.shutdown(socket.SHUT_WR)
        said = b""
        while piece := raw.recv(65_536):
            said += piece
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in re.split(rb"HTTP/1\.1 \d{3} ", said)[1:]]
    assert len(bodies) == len(asked)
    assert [path for body, path in zip(bodies, asked, strict=True) if not body.startswith(marks[path])] == []


def test_what_is_asked_with_more_than_is_needed_goes_to_the_router(known: Client) -> None:
    before = direct_of(known)
    for more in ({"Origin": "https://elsewhere.example"}, {"Connection": "close"}, {"Content-Length": "0"}):
        assert known.request("GET", "/api/settings", headers=more).status_code == 200
    assert known.request("HEAD", "/api/settings").status_code == 200
    assert direct_of(known) == before


def test_requests_count_by_whatever_way(start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> None:
    server = start_server(env={"LOCKSTEP_REQUESTS_PER_MINUTE": "30"})
    client = sign_up(server)
    codes = [client.request("GET", "/api/settings").status_code for _ in range(40)]
    assert codes[0] == 200 and codes[-1] == 429
    assert 20 <= codes.count(200) <= 30 and direct_of(client) >= codes.count(200) - 2


@pytest.mark.parametrize("settings", [10, 30])
def test_what_is_large_is_the_routers_however_often_it_is_asked_for(known: Client, settings: int) -> None:
    for number in range(settings):
        known.set(f"large.{number}", "x" * 15_000)
    before = direct_of(known)
    for _ in range(3):
        answer = known.request("GET", "/api/settings")
        assert answer.status_code == 200 and len(answer.content) > settings * 15_000
    assert direct_of(known) == before


def test_a_server_that_stops_answers_what_was_asked(known: Client, server: Server, database: Database) -> None:
    with (ThreadPoolExecutor(1) as threads, database.connect(autocommit=False) as blocker,
          socket.create_connection(("127.0.0.1", server.port)) as raw):
        blocker.execute("LOCK TABLE user_settings IN ACCESS EXCLUSIVE MODE")
        raw.settimeout(20)
        raw.sendall(f"GET /api/settings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {known.token}\r\n\r\n".encode())
        deadline = time.monotonic() + 20
        while not database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"):
            assert time.monotonic() < deadline
        ending = threads.submit(server.terminate)
        with pytest.raises(OSError, match="refused"):
            while time.monotonic() < deadline:
                socket.create_connection(("127.0.0.1", server.port)).close()
        blocker.rollback()
        assert raw.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert ending.result() == 0


def test_a_mutation_that_was_answered_is_in_the_next_read(known: Client) -> None:
    for number in range(50):
        known.push(mutation("settings.set", {"key": "n", "value": number}))
        assert known.settings()["n"] == number
