"""The edge: problems, limits, and bytes that no library would send (contract, section 1)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Server
from harness.wire import RawSocket


def problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code and body["type"] == f"/problems/{code}" and body["status"] == status
    assert body["title"] and body["detail"] and body["request_id"] == answer.headers["x-request-id"]


def test_every_answer_carries_a_request_id_of_its_own(shared_server: Server) -> None:
    ids = {httpx.get(f"{shared_server.url}{path}").headers["x-request-id"] for path in ["/healthz", "/nowhere", "/api/settings", "/"]}
    assert len(ids) == 4


def test_errors_are_problems(user: Client, shared_server: Server) -> None:
    problem(httpx.get(f"{shared_server.url}/api/nowhere"), 404, "not_found")
    problem(httpx.get(f"{shared_server.url}/api/settings"), 401, "unauthenticated")
    problem(user.request("PUT", "/api/settings", {}), 405, "method_not_allowed")
    problem(user.request("POST", "/api/settings", content="{"), 422, "invalid_body")


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("PUT", "/api/settings", {"GET", "HEAD", "POST", "PATCH", "DELETE"}), ("GET", "/api/auth/login", {"POST"}),
    ("POST", "/api/settings/k", {"GET", "HEAD", "DELETE"}), ("DELETE", "/healthz", {"GET", "HEAD"}),
    ("POST", "/api/sync/digest", {"GET", "HEAD"}), ("POST", "/login", {"GET", "HEAD"}),
    ("PROPFIND", "/api/settings", {"GET", "HEAD", "POST", "PATCH", "DELETE"}), ("MKCOL", "/web/style.css", {"GET", "HEAD"}),
    ("OPTIONS", "/api/settings/a/history", {"GET", "HEAD"}), ("TRACE", "/readyz", {"GET", "HEAD"}),
])
def test_a_wrong_method_says_which_are_right(shared_server: Server, method: str, path: str, allowed: set[str]) -> None:
    answer = httpx.request(method, f"{shared_server.url}{path}")
    problem(answer, 405, "method_not_allowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed


@pytest.mark.parametrize("body", [
    "", "{", '{"key": "k", "value": 1', "[]", "5", "null", '"x"', '{"key": "k", "value": 1} x', '{"key": "k", "value": 1e400}',
    '{"key": "k", "value": -1e400}', '{"key": "k", "value": NaN}', '{"key": "k", "value": 01}', '{"key": "k", "value": 1.}',
    '{"key": "k", "value": "a\\u0000b"}', '{"key": "k", "value": "\\ud800"}', '{"key": "k", "value": "\\udc00\\ud800"}',
    '{"key": "k", "value": {"a\\u0000": 1}}', '{"key": "k", "value": "a\nb"}', b'{"key": "k", "value": "\xff"}',
    '{"key": "k", "key": "l", "value": 1}', '{"key": "k", "value": {"a": 1, "a": 2}}', "'", "{'key': 1}", "\ufeff{}",
    '{"key": "k", "value": ' + "[" * 33 + "]" * 33 + "}", "[" * 100_000, '{"a":' * 100_000,
    '{"key": "k", "value": ' + "[" * 30_000 + "]" * 30_000 + "}",
])
def test_a_body_that_cannot_be_kept_is_refused_and_nothing_is_stored(user: Client, body: str | bytes) -> None:
    answer = user.request("POST", "/api/settings", content=body)
    assert answer.status_code in (422, 413), answer.text
    assert answer.json()["code"] in ("invalid_body", "invalid_setting", "payload_too_large")
    assert user.settings() == {}


def test_a_value_nested_thirty_levels_comes_back(user: Client) -> None:
    value: object = 1
    for _ in range(30):
        value = [value]
    user.set("k", value)
    assert user.setting("k")["value"] == value


def test_a_body_of_64_kib_and_one_byte_more(user: Client) -> None:
    body = '{"key": "k", "value": 1, "x": "'
    fits = body + "x" * (65_536 - len(body) - 2) + '"}'
    assert user.request("POST", "/api/settings", content=fits).status_code == 200
    problem(user.request("POST", "/api/settings", content=fits + " "), 413, "payload_too_large")
    problem(user.request("POST", "/api/settings", content=iter([fits.encode(), b" "])), 413, "payload_too_large")


def test_a_push_of_a_mebibyte_and_one_byte_more(user: Client) -> None:
    body = '{"mutations": [], "x": "'
    fits = body + "x" * (1_048_576 - len(body) - 2) + '"}'
    assert user.request("POST", "/api/sync", content=fits).status_code == 200
    problem(user.request("POST", "/api/sync", content=fits + " "), 413, "payload_too_large")


def test_unknown_members_are_ignored(user: Client) -> None:
    assert user.request("POST", "/api/settings", {"key": "k", "value": 1, "more": [1]}).status_code == 200


@pytest.mark.parametrize("path", ["/api/settings/%00", "/api/settings/..%2f..", "/api/settings/%ff", "/api/settings/" + "x" * 300, "/web/../Package.swift", "/web/%2e%2e/Package.swift", "/api/sync/conflicts/x"])
def test_a_strange_path_is_not_found(user: Client, path: str) -> None:
    with RawSocket(user.url) as raw:
        raw.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\nConnection: close\r\n\r\n")
        assert raw.response().status in (400, 404, 405)


def test_pages_forbid_foreign_script_and_frames(shared_server: Server) -> None:
    answer = httpx.get(f"{shared_server.url}/login")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe-inline" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "DENY"
    assert "<script>" not in answer.text and "style=" not in answer.text


def test_there_is_no_cors_by_default(user: Client) -> None:
    answer = user.request("GET", "/api/settings", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


class TestRawBytes:
    """What only its sender pays for."""

    @pytest.mark.parametrize("data", [
        b"\x00\x01\x02\x03\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /api/settings HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/settings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ])
    def test_the_process_lives(self, shared_server: Server, data: bytes) -> None:
        with RawSocket(shared_server.url) as raw:
            try:
                raw.send(data)
                raw.socket.shutdown(1)
                raw.wait_end()
            except OSError:
                pass
        assert httpx.get(f"{shared_server.url}/healthz").status_code == 200

    def test_requests_in_one_packet_are_answered_in_order(self, shared_server: Server) -> None:
        with RawSocket(shared_server.url) as raw:
            raw.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert [raw.response().status for _ in range(3)] == [200, 404, 200]

    @pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
    def test_a_head_that_is_not_finished_is_cut_off_after_thirty_seconds(self, shared_server: Server, head: bytes) -> None:
        with RawSocket(shared_server.url, timeout=40) as raw:
            raw.send(head)
            began = time.monotonic()
            raw.wait_end()
            assert 25 < time.monotonic() - began < 36


def test_the_metrics_page_is_prometheus_text(user: Client, shared_server: Server) -> None:
    answer = httpx.get(f"{shared_server.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "lockstep_database_connections_up 9" in answer.text
    for line in answer.text.splitlines():
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0


@pytest.mark.timed
def test_many_registrations_at_once_do_not_block_the_rest(start_server: Callable[..., Server]) -> None:
    import threading

    server = start_server(env={"LOCKSTEP_PASSWORD_COST": "13"})
    device = {"name": "x", "kind": "web"}
    bodies = [{"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse", "device": device} for _ in range(8)]
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda body=body: statuses.append(
        httpx.post(f"{server.url}/api/auth/register", json=body, timeout=60).status_code)) for body in bodies]
    for thread in threads:
        thread.start()
    for _ in range(20):
        began = time.monotonic()
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert time.monotonic() - began < 2
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 503} and 201 in statuses


@pytest.mark.timed
def test_what_is_no_http_is_answered_once_with_a_problem_and_closed(user: Client) -> None:
    head = f"POST /api/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {user.token}\r\n"
    for data in ["FOO /x HTTP/1.1\r\nHost: a\r\n\r\n", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", head + "Content-Length: x\r\n\r\n"]:
        with RawSocket(user.url) as raw:
            raw.send(data)
            began = time.monotonic()
            answer = raw.wait_end()
            assert time.monotonic() - began < 3
            assert answer.count(b"HTTP/1.1 ") - answer.count(b"HTTP/1.1 as") == 1 and answer.startswith(b"HTTP/1.1 400")
            assert b"application/problem+json" in answer and b"x-request-id" in answer.lower()


def test_after_413_the_connection_ends(user: Client) -> None:
    with RawSocket(user.url) as raw:
        raw.send(f"POST /api/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {user.token}\r\nContent-Length: 9999999\r\n\r\n")
        assert raw.response().status == 413
        raw.wait_end()


def test_who_asks_whether_to_send_a_body_is_told_to(user: Client) -> None:
    body = '{"key": "e", "value": 1}'
    with RawSocket(user.url) as raw:
        raw.send(f"POST /api/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {user.token}\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n")
        assert raw.response().status == 100
        raw.send(body)
        assert raw.response().status == 200


def test_a_name_is_bounded_in_characters_that_combine_too(shared_server: Server) -> None:
    device = {"name": "a" + "\u0301" * 5_000, "kind": "web"}
    body = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse", "device": device}
    assert httpx.post(f"{shared_server.url}/api/auth/register", json=body).status_code == 422


@pytest.mark.parametrize("hosts", ["", "Host: a\r\nHost: b\r\n"])
def test_a_request_names_its_host_once(shared_server: Server, hosts: str) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(f"GET /healthz HTTP/1.1\r\n{hosts}\r\n")
        answer = raw.wait_end()
        assert answer.startswith(b"HTTP/1.1 400") and answer.count(b"x-request-id") == 1


def test_a_client_of_http_1_0_sees_the_connection_end(user: Client) -> None:
    with RawSocket(user.url) as raw:
        raw.send("GET /healthz HTTP/1.0\r\n\r\n")
        answer = raw.wait_end()
        assert b" 200 " in answer.split(b"\r\n")[0]
    with RawSocket(user.url) as raw:
        for _ in range(2):
            raw.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert raw.response().status == 200


def test_frames_in_the_same_packet_as_the_handshake_are_read(user: Client) -> None:
    from harness.wire import frame

    with RawSocket(user.url) as raw:
        raw.send((
            f"GET /api/realtime HTTP/1.1\r\nHost: {raw.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {user.token}\r\n\r\n"
        ).encode() + frame('{"type": "ping", "t": 5}'))
        assert raw.response().status == 101
        while '"pong"' not in (text := raw.read_frame()[1].decode()):
            assert '"type"' in text
    assert httpx.get(f"{user.url}/healthz").status_code == 200
