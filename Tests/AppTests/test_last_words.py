"""What ends a connection: everything read before is answered first, and the client can read the last answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from harness import Client, Database, RawSocket, Server, eventually

HEAD = "HTTP/1.1\r\nHost: x\r\n"

# What nobody can read, and what is said to it.
UNREADABLE = {
    "garbage": ("GARBAGE\r\n\r\n", 400),
    "zeroes": ("\0\0\0\0\r\n\r\n", 400),
    "a head over the limit": (f"GET / {HEAD}A: {'x' * 17_000}\r\n\r\n", 431),
    "an address over the limit": (f"GET /{'x' * 20_000} {HEAD}\r\n", 414),
    "a length that is none": (f"POST /api/auth/login {HEAD}Content-Length: x\r\n\r\n", 400),
    "two lengths": (f"POST /api/auth/login {HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "a coding that is unknown": (f"POST /api/auth/login {HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "no host": ("GET /healthz HTTP/1.1\r\n\r\n", 400),
    "a chunk without a size": (f"POST /api/auth/login {HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "a chunk too long": (f"POST /api/auth/login {HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}x\r\n0\r\n\r\n", 400),
}


def told(raw: RawSocket, status: int) -> None:
    """One last answer, and then the end."""
    answer = raw.response()
    assert (answer.status, answer.headers["connection"]) == (status, "close"), answer.body
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert raw.wait_end() == b""


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_was_read_before_is_carried_out_and_answered_before_the_refusal(user: Client, name: str) -> None:
    data, status = UNREADABLE[name]
    with RawSocket(user.url) as raw:
        sent = ""
        for value in (1, 2):
            body = json.dumps({"key": "k", "value": value})
            sent += (f"POST /api/settings {HEAD}Authorization: Bearer {user.token}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                     f"GET /nowhere {HEAD}\r\n")
        raw.send(sent + data + f"DELETE /api/settings/k {HEAD}Authorization: Bearer {user.token}\r\n\r\n")
        for value in (1, 2):
            answer = raw.response()
            assert (answer.status, answer.json()["value"]) == (200, value)
            assert raw.response().status == 404
        told(raw, status)
    assert user.setting("k")["value"] == 2


def test_a_long_poll_is_answered_before_the_garbage_behind_it(user: Client) -> None:
    cursor = user.pull()["cursor"]
    with RawSocket(user.url) as raw:
        raw.send(f"GET /api/sync?wait=20&cursor={cursor} {HEAD}Authorization: Bearer {user.token}\r\n\r\n" + "GARBAGE\r\n\r\n")
        # Another request of the same client, so that the poll is under way.
        user.set("k", 1)
        answer = raw.response()
        assert answer.status == 200 and [document["id"] for document in answer.json()["documents"]] == ["k"]
        told(raw, 400)


def test_nothing_stands_in_the_middle_of_an_answer(server: Server, database: Database, sign_up: Callable[..., Client]) -> None:
    """The export of an account of 16 MB, whose client breaks its next request and then its own."""
    user = sign_up(server)
    database.rows("""
        INSERT INTO user_settings (user_id, key, value, version, updated_at, device_id)
        SELECT %s, 'k' || n, to_json(repeat('x', 16000)), 1, now(), %s FROM generate_series(1, 300) AS n""",
        [user.user["id"], user.device["id"]])
    export = f"GET /api/account/export {HEAD}Authorization: Bearer {user.token}\r\n"
    with RawSocket(server.url, receive_buffer=65_536) as raw:
        raw.send(export + "\r\nGARBAGE\r\n\r\n")
        assert len(raw.response().json()["tables"]["user_settings"]) == 300
        told(raw, 400)
    with RawSocket(server.url, receive_buffer=65_536) as raw:
        raw.send(export + "Transfer-Encoding: chunked\r\n\r\n")
        raw.wait_begin()
        raw.send("zz\r\n")
        assert len(raw.response().json()["tables"]["user_settings"]) == 300
        # It had its own answer.
        assert raw.wait_end() == b""


def test_who_is_gone_before_the_refusal_holds_nothing(server: Server, sign_up: Callable[..., Client]) -> None:
    user = sign_up(server)
    cursor = user.pull()["cursor"]
    quiet = server.descriptors()
    for reset in (False, True):
        for _ in range(10):
            raw = RawSocket(server.url)
            raw.send(f"GET /api/sync?wait=2&cursor={cursor} {HEAD}Authorization: Bearer {user.token}\r\n\r\n" + "GARBAGE\r\n\r\n")
            raw.close(reset)
    eventually(lambda: server.descriptors() <= quiet, within=15, what="their connections are gone")


def test_behind_an_answer_that_closes_nothing_is_said(shared_server: Server) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(f"GET /healthz {HEAD}Connection: close\r\n\r\nGARBAGE\r\n\r\n")
        assert raw.response().status == 200
        assert raw.wait_end() == b""


CHUNK = b"10000\r\n" + b"x" * 65_536 + b"\r\n"


@pytest.mark.parametrize(("request_line", "status"), [
    ("GET /healthz", 200), ("DELETE /api/settings", 413), ("GET /api/focus/active", 200), ("POST /api/auth/logout", 413),
    ("GET /nowhere", 404), ("POST /api/settings", 413), ("POST /api/sync", 413),
])
def test_who_sends_a_body_that_is_too_long_before_it_reads_can_read_the_answer(
    user: Client, request_line: str, status: int,
) -> None:
    with RawSocket(user.url) as raw:
        raw.send(f"{request_line} {HEAD}Authorization: Bearer {user.token}\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            raw.send(CHUNK)
        assert raw.response().status == status
        assert raw.wait_end() == b""


@pytest.mark.parametrize("pieces", [2, 40])
def test_a_call_that_takes_no_body_is_not_carried_out_with_a_large_one(user: Client, pieces: int) -> None:
    user.set("theme", "dark")
    for line in ("DELETE /api/settings", "DELETE /api/settings/theme", "POST /api/auth/logout"):
        with RawSocket(user.url) as raw:
            raw.send(f"{line} {HEAD}Authorization: Bearer {user.token}\r\nTransfer-Encoding: chunked\r\n\r\n")
            raw.send(CHUNK * pieces + b"0\r\n\r\n")
            assert raw.response().status == 413
    assert user.settings()["theme"] == "dark"


@pytest.mark.parametrize("path", ["/healthz", "/api/settings", "/api/sync"])
def test_so_can_who_said_how_long_it_is(user: Client, path: str) -> None:
    with RawSocket(user.url) as raw:
        raw.send(f"POST {path} {HEAD}Authorization: Bearer {user.token}\r\nContent-Length: 4000000\r\n\r\n")
        for _ in range(40):
            raw.send(b"x" * 100_000)
        told(raw, 413)


def test_a_farewell_ends_though_the_client_goes_on(shared_server: Server) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(f"POST /api/auth/login {HEAD}Content-Length: 4000000\r\n\r\n")
        assert raw.response().status == 413
        # It says at once that nothing more comes, and takes in no more than some megabytes.
        assert raw.wait_end() == b""
        with pytest.raises(OSError):
            for _ in range(2_000):
                raw.send(b"x" * 65_536)


def test_a_farewell_ends_though_the_client_stays(server: Server) -> None:
    quiet = server.descriptors()
    with RawSocket(server.url) as raw:
        raw.send("GARBAGE\r\n\r\n")
        assert raw.wait_end().startswith(b"HTTP/1.1 400 ")
        eventually(lambda: server.descriptors() <= quiet, within=15, what="the server has closed its side")
        assert raw.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
