"""Bytes that cost more than they should, before anybody has signed in, and HTTP's small print."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from harness import Client, Server
from harness.wait import eventually
from harness.wire import RawSocket

MARKS = "\u0301\u0316"
# A generous second where it once took minutes; counted in CPU, so that a busy machine does not fail it.
BOUND = 1.0


def test_a_name_of_combining_marks_costs_no_more_than_another(server: Server, sign_up: Callable[..., Client]) -> None:
    client = sign_up(server)
    before = server.cpu_seconds()
    name = MARKS * 15_000
    assert client.request("POST", "/api/auth/login", {name: 1}).status_code == 422
    big = {MARKS * 120_000: 1, "mutations": []}
    body = json.dumps(big, ensure_ascii=False).encode()
    assert client.request("POST", "/api/sync", content=body).status_code == 200
    assert server.cpu_seconds() - before < BOUND


@pytest.mark.parametrize("header", [
    "Origin", "Referer", "Sec-Fetch-Site", "Cookie", "Authorization", "Connection", "Expect", "If-None-Match",
    "Content-Type", "X-Forwarded-For", "Sec-CH-Prefers-Color-Scheme", "Sec-WebSocket-Protocol",
])
def test_a_header_of_combining_marks_costs_no_more_than_another(shared_server: Server, header: str) -> None:
    before = shared_server.cpu_seconds()
    value = (MARKS * 3_500).encode()
    for _ in range(20):
        for path in (b"POST /api/auth/login", b"GET /", b"GET /api/flags"):
            with RawSocket(shared_server.url) as socket:
                socket.send(path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + header.encode() + b": " + value
                            + b"\r\n\r\n")
                assert socket.response().status < 500
    assert shared_server.cpu_seconds() - before < BOUND


def test_the_name_of_a_zone_costs_no_more_than_another(server: Server, sign_up: Callable[..., Client]) -> None:
    """Of a regular expression it once made hours, on a thread that all share."""
    client = sign_up(server)
    before = server.cpu_seconds()
    for end in ("!", "/", "%"):
        zone = "Africa/A" + "-" * 55 + end
        assert client.request("GET", "/api/focus/stats", params={"tz": zone}).status_code == 422
        assert client.request("POST", "/api/settings", {"key": "time_zone", "value": zone}).status_code == 422
    assert server.cpu_seconds() - before < BOUND


def test_an_address_that_is_not_ascii_is_refused(shared_server: Server) -> None:
    with RawSocket(shared_server.url) as socket:
        socket.send(f"GET /{MARKS}?{MARKS}=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert socket.response().status == 400


def test_the_first_message_of_a_stranger_is_small(shared_server: Server) -> None:
    with RawSocket(shared_server.url) as socket:
        assert socket.upgrade().status == 101
        socket.send_frame(json.dumps({"type": "auth", "token": "x" * 5_000}))
        assert socket.wait_close() == 1009


def test_continue_is_said_when_it_is_its_turn(shared_server: Server) -> None:
    """Behind a request whose answer is still to come: it never stands in the middle of that."""
    with RawSocket(shared_server.url) as socket:
        head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
        socket.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" + head)
        first = socket.response()
        assert first.status == 200 and json.loads(first.body)["openapi"].startswith("3.1")
        assert socket.response().status == 100
        socket.send(b"{}")
        assert socket.response().status == 422


@pytest.mark.parametrize("spelling", ["close", "Close", "CLOSE", "keep-alive, Close"])
def test_close_ends_the_connection_in_any_spelling(shared_server: Server, spelling: str) -> None:
    with RawSocket(shared_server.url) as socket:
        assert socket.request("GET", "/healthz", {"Connection": spelling}).status == 200
        assert socket.wait_end() == b""


def test_a_large_body_is_refused_where_none_is_taken(user: Client, shared_server: Server) -> None:
    for path in ("/healthz", "/api/settings", "/api/focus/active"):
        with RawSocket(shared_server.url) as socket:
            socket.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
                        "Content-Length: 500000000\r\n\r\n")
            answer = socket.response()
            assert answer.status == 413 and answer.headers["connection"] == "close"
            assert socket.wait_end() == b""


def test_a_body_without_end_is_cut_off_where_none_is_taken(shared_server: Server) -> None:
    with RawSocket(shared_server.url) as socket:
        socket.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        with pytest.raises(OSError):
            for _ in range(2_000):
                socket.send(piece)


@pytest.mark.timeout(300)
def test_memory_comes_back_after_a_burst(server: Server, sign_up: Callable[..., Client]) -> None:
    """Of 200 pushes of a megabyte; half of them are refused for their last byte, when all of it was read.

    Two of each user at once: what one user pushes beside that waits unread.
    """
    tokens = [sign_up(server).token for _ in range(25)]
    quiet = server.resident_bytes()
    whole = json.dumps({"mutations": [], "x": ["0123456789" * 10] * 9_500}).encode()
    high = quiet
    # In four goes, so that a busy machine too has each body before its time is over.
    for _ in range(4):
        sockets = [RawSocket(server.url, timeout=60) for _ in range(50)]
        for socket, token in zip(sockets, tokens * 2, strict=True):
            socket.send(f"POST /api/sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                        f"Content-Length: {len(whole)}\r\n\r\n".encode() + whole[:-1])
        high = max(high, server.resident_bytes())
        for number, socket in enumerate(sockets):
            socket.send(b"}" if number % 2 else b"]")
        for number, socket in enumerate(sockets):
            assert socket.response().status == (200 if number % 2 else 422)
            high = max(high, server.resident_bytes())
            socket.close()
    assert high > quiet + 25_000_000
    eventually(lambda: server.resident_bytes() < quiet + (high - quiet) // 2, within=10, what="memory given back")
    print("quiet", quiet, "high", high, "after", server.resident_bytes())
