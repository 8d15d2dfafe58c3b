"""What becomes of a connection: handshakes at any place of it, and requests that ask for an upgrade in vain."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from socket import SHUT_WR

import pytest

from harness import Client, RawSocket, Server, eventually


def test_a_handshake_may_come_behind_other_requests_of_its_connection(user: Client) -> None:
    bearer = {"Authorization": f"Bearer {user.token}"}
    with RawSocket(user.url) as raw:
        assert raw.request("GET", "/healthz").status == 200
        assert raw.request("GET", "/api/settings", bearer).status == 200
        assert raw.upgrade(user.token).status == 101
        # Whatever stands behind the socket now is quiet: the socket works, and ends as any other.
        seen = [json.loads(raw.read_frame()[1])["type"] for _ in range(2)]
        assert seen == ["welcome", "changes"]
        user.set("k", 1)
        raw.send_frame('{"type":"ping","t":7}')
        while (message := json.loads(raw.read_frame()[1])).get("t") != 7:
            assert message["type"] in ("changes", "presence")
        raw.send_frame("no JSON")
        assert raw.wait_close() == 4400


def test_a_handshake_waits_for_the_answers_before_it_and_its_client_need_not(user: Client) -> None:
    cursor = user.pull()["cursor"]
    with RawSocket(user.url) as raw:
        key = base64.b64encode(os.urandom(16)).decode()
        raw.send(
            f"GET /api/sync?cursor={cursor}&wait=1 HTTP/1.1\r\nHost: {raw.host}\r\n"
            f"Authorization: Bearer {user.token}\r\n\r\n"
            f"GET /api/realtime HTTP/1.1\r\nHost: {raw.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n")
        # Sent before there is a socket: the sign-in and a question.
        raw.send_frame(json.dumps({"type": "auth", "token": user.token}))
        raw.send_frame('{"type":"ping","t":1}')
        assert raw.response().status == 200
        granted = raw.response()
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert (granted.status, granted.headers["sec-websocket-accept"]) == (101, accept.decode())
        assert json.loads(raw.read_frame()[1])["type"] == "welcome"
        while json.loads(raw.read_frame()[1]).get("t") != 1:
            pass


@pytest.mark.parametrize(("path", "protocol", "status"), [
    ("/healthz", "h2c", 200), ("/healthz", "websocket", 200), ("/healthz", "x", 200), ("/api/realtime", "h2c", 426),
])
@pytest.mark.parametrize("before", [0, 1])
def test_who_asks_in_vain_for_another_protocol_is_answered_and_told_that_the_connection_ends(
    user: Client, path: str, protocol: str, status: int, before: int,
) -> None:
    with RawSocket(user.url) as raw:
        for _ in range(before):
            raw.request("GET", "/healthz")
        answer = raw.request("GET", path, {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol})
        assert answer.status == status and answer.headers["connection"] in ("close", "upgrade, close")
        assert raw.wait_end() == b""


def test_who_asks_for_a_tunnel_is_told_that_the_connection_ends(user: Client) -> None:
    with RawSocket(user.url) as raw:
        raw.send(f"CONNECT example.org:1 HTTP/1.1\r\nHost: {raw.host}\r\n\r\n")
        answer = raw.response()
        assert answer.status >= 400 and answer.headers["connection"] == "close"
        assert raw.wait_end() == b""


@pytest.mark.parametrize("first", ["CONNECT example.org:1", "GET /api/sync?cursor={cursor}&wait=20"])
def test_what_is_sent_before_there_is_a_socket_is_held_in_bounds(user: Client, first: str) -> None:
    cursor = user.pull()["cursor"]
    with RawSocket(user.url) as raw:
        raw.send(
            f"{first.format(cursor=cursor)} HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {user.token}\r\n\r\n")
        if first.startswith("GET"):
            raw.send(
                f"GET /api/realtime HTTP/1.1\r\nHost: {raw.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        # More than the buffers of both kernels hold: it can only be sent to the end if the server takes it.
        with pytest.raises(OSError):
            for _ in range(1_000):
                raw.send(b"x" * 65_536)


def test_a_client_that_leaves_during_its_handshake_has_no_socket(user: Client, shared_server: Server) -> None:
    sockets = shared_server.metric("lockstep_sockets")
    with RawSocket(user.url) as raw:
        raw.send(
            f"GET /api/realtime HTTP/1.1\r\nHost: {raw.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {user.token}\r\n\r\n")
        raw.socket.shutdown(SHUT_WR)
        raw.wait_end()
    eventually(lambda: shared_server.metric("lockstep_sockets") <= sockets, within=5, what="no socket is left")
