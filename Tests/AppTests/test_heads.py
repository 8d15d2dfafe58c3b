"""Heads and bodies at their limits: what is refused, with which problem, and in which order (contract, section 1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Client, RawSocket, Server, nobodys_token
from harness.wire import RawHTTP


def refused(raw: RawSocket, status: int, code: str) -> RawHTTP:
    """The answer is a problem, and the connection ends with it."""
    answer = raw.response()
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json" and answer.headers["connection"] == "close"
    body = answer.json()
    assert (body["code"], body["type"], body["status"]) == (code, f"/problems/{code}", status)
    assert body["title"] and body["detail"] and body["request_id"] == answer.headers["x-request-id"]
    assert raw.wait_end() == b""
    return answer


LARGE = {
    "one long header": ("/healthz", "A: " + "x" * 17_000 + "\r\n"),
    "a name as long": ("/healthz", "x" * 17_000 + ": a\r\n"),
    "cookies that piled up": ("/", "Cookie: " + "; ".join(f"c{n}={'x' * 400}" for n in range(45)) + "\r\n"),
    "many headers": ("/healthz", "".join(f"A{n}: x\r\n" for n in range(120))),
    "the same header many times": ("/healthz", "A: x\r\n" * 120),
    "a head of a hundred KB": ("/healthz", "A: " + "x" * 100_000 + "\r\n"),
    "a long address and headers": ("/" + "x" * 3_000, "A: " + "x" * 15_000 + "\r\n"),
}


class TestTooLarge:
    @pytest.mark.parametrize("name", LARGE)
    def test_a_head_over_the_limit_is_told_so(self, shared_server: Server, name: str) -> None:
        path, lines = LARGE[name]
        for before in (False, True):
            with RawSocket(shared_server.url) as raw:
                if before:
                    assert raw.request("GET", "/healthz").status == 200
                raw.send(f"GET {path} HTTP/1.1\r\nHost: {raw.host}\r\n{lines}\r\n")
                refused(raw, 431, "headers_too_large")

    @pytest.mark.parametrize("target", ["/" + "x" * 17_000, "/api/market/items?q=" + "x" * 40_000])
    def test_an_address_over_the_limit_is_told_so(self, shared_server: Server, target: str) -> None:
        for before in (False, True):
            with RawSocket(shared_server.url) as raw:
                if before:
                    assert raw.request("GET", "/healthz").status == 200
                raw.send(f"GET {target} HTTP/1.1\r\nHost: {raw.host}\r\n\r\n")
                refused(raw, 414, "uri_too_long")

    def test_behind_another_request_the_first_is_answered_first(self, shared_server: Server) -> None:
        with RawSocket(shared_server.url) as raw:
            raw.send(f"GET /healthz HTTP/1.1\r\nHost: {raw.host}\r\n\r\n"
                     f"GET /healthz HTTP/1.1\r\nHost: {raw.host}\r\nA: {'x' * 17_000}\r\n\r\n")
            assert raw.response().status == 200
            refused(raw, 431, "headers_too_large")

    def test_a_handshake_is_held_to_the_same(self, user: Client) -> None:
        with RawSocket(user.url) as raw:
            raw.send(f"GET /api/realtime HTTP/1.1\r\nHost: {raw.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Protocol: {'x' * 17_000}\r\n\r\n")
            refused(raw, 431, "headers_too_large")

    def test_what_is_below_the_limit_is_read(self, user: Client) -> None:
        with RawSocket(user.url) as raw:
            bearer = {"Authorization": f"Bearer {user.token}"}
            assert raw.request("GET", "/api/auth/me", {**bearer, "A": "x" * 15_500}).status == 200
            assert raw.request("GET", "/api/auth/me", {**bearer, **{f"A{n}": "x" for n in range(98)}}).status == 200
            assert raw.request("GET", "/api/settings/" + "x" * 15_000, bearer).status == 404


class TestOrder:
    """Size, then who asks, then how often, and only then the body."""

    @pytest.fixture
    def tired(self, start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> Client:
        """Has sent all the requests of this minute and the next."""
        client = sign_up(start_server(env={"LOCKSTEP_REQUESTS_PER_MINUTE": "1"}))
        assert client.request("GET", "/api/auth/me").status_code == 200
        assert client.request("GET", "/api/auth/me").status_code == 429
        return client

    @staticmethod
    def head(raw: RawSocket, token: str | None, *lines: str, path: str = "/api/settings") -> None:
        """A POST without its body."""
        bearer = [f"Authorization: Bearer {token}"] if token else []
        raw.send("\r\n".join([f"POST {path} HTTP/1.1", f"Host: {raw.host}", *bearer, *lines, "", ""]))

    def test_a_body_that_is_too_large_is_refused_before_anybody_is_looked_up(self, tired: Client) -> None:
        for token in (None, nobodys_token(), tired.token):
            for path, most in (("/api/settings", 65_536), ("/api/sync", 1_048_576)):
                with RawSocket(tired.url) as raw:
                    self.head(raw, token, f"Content-Length: {most + 1}", path=path)
                    refused(raw, 413, "payload_too_large")

    def test_who_is_not_signed_in_is_told_before_the_body_came(self, user: Client) -> None:
        for token in (None, nobodys_token(), "no token"):
            with RawSocket(user.url) as raw:
                self.head(raw, token, "Content-Length: 10")
                answer = raw.response()
                assert (answer.status, answer.json()["code"]) == (401, "unauthenticated")
                # The connection goes on behind the body, whatever that is.
                raw.send("{{{{{{{{{{")
                assert raw.request("GET", "/healthz").status == 200

    def test_who_asks_too_often_is_told_before_the_body_came(self, tired: Client) -> None:
        with RawSocket(tired.url) as raw:
            self.head(raw, tired.token, "Content-Length: 10")
            answer = raw.response()
            assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
            raw.send("{{{{{{{{{{")
            assert raw.request("GET", "/healthz").status == 200

    def test_what_strangers_send_in_somebodys_name_counts_against_nobody(
        self, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    ) -> None:
        client = sign_up(start_server(env={"LOCKSTEP_REQUESTS_PER_MINUTE": "10"}))
        wrong = f"{client.token[:-1]}{'A' if client.token[-1] != 'A' else 'B'}"
        for _ in range(20):
            answer = client.request("GET", "/api/settings", headers={"Authorization": f"Bearer {wrong}"})
            assert answer.status_code == 401
        assert client.request("GET", "/api/settings").status_code == 200

    @pytest.mark.parametrize(("who", "path", "lines", "status"), [
        ("a stranger", "/api/settings", ["Content-Length: 10"], 401),
        ("a user", "/api/settings", ["Content-Length: 10"], 429),
        ("a stranger", "/api/settings", ["Content-Length: 70000"], 413),
        ("a stranger", "/api/auth/login", ["Content-Length: 10", "Content-Encoding: gzip"], 415),
        ("a stranger", "/api/auth/login", ["Content-Length: 10", "Content-Type: text/csv"], 415),
        ("a stranger", "/api/nowhere", ["Content-Length: 10"], 404),
        ("a stranger", "/healthz", ["Content-Length: 10"], 405),
    ])
    def test_who_is_refused_is_not_told_to_send_the_body(
        self, tired: Client, who: str, path: str, lines: list[str], status: int,
    ) -> None:
        with RawSocket(tired.url) as raw:
            self.head(raw, tired.token if who == "a user" else None, *lines, "Expect: 100-continue", path=path)
            answer = raw.response()
            assert answer.status == status and answer.headers["connection"] == "close"
            assert raw.wait_end() == b""

    def test_who_does_not_wait_to_be_told_keeps_the_connection(self, shared_server: Server) -> None:
        with RawSocket(shared_server.url) as raw:
            raw.send("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}")
            answer = raw.response()
            assert (answer if answer.status != 100 else raw.response()).status == 422
            assert raw.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("text", ["%00", "a%00b", "%ff", "%", "%2", "%zz", "%ED%A0%80", "%C0%80"])
def test_a_query_that_cannot_be_decoded_is_refused_as_such(user: Client, text: str) -> None:
    for path in ("/api/market/items?q=", "/api/market/items?category=", "/api/market/items?rarity=", "/api/market/items?after=",
                 "/api/market/items?limit=", "/api/focus?before=", "/api/focus/stats?days=", "/api/focus/stats?tz=",
                 "/api/market/inventory?after=", "/api/market/transactions?before=", "/api/market/rewards?before=",
                 "/api/sync/conflicts?before=", "/api/sync?wait="):
        with RawSocket(user.url) as raw:
            answer = raw.request("GET", path + text, {"Authorization": f"Bearer {user.token}"})
            assert (answer.status, answer.json()["code"]) == (422, "invalid_query"), path
            assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("text", ["%00", "a%00b", "%ff", "%", "%2", "%zz", "%2e%2e%2f", "%C0%80"])
def test_a_path_that_cannot_be_decoded_leads_nowhere(user: Client, text: str) -> None:
    for path in ("/api/settings/", "/api/settings/{}/history", "/api/market/items/", "/api/devices/", "/web/", "/"):
        whole = path.format(text) if "{}" in path else path + text
        with RawSocket(user.url) as raw:
            answer = raw.request("GET", whole, {"Authorization": f"Bearer {user.token}"})
            assert answer.status in (404, 405), whole


@pytest.mark.parametrize("line", [
    "Cookie: lockstep_session=%00", "Cookie: lockstep_session=\"", "Cookie: =; ;;; lockstep_session", "Authorization: Bearer %00",
    "Authorization: Bearer", "Authorization: Bearer a b", "Authorization:", "Cookie: lockstep_session=" + "x" * 5_000,
])
def test_who_shows_nothing_that_can_be_read_is_a_stranger(shared_server: Server, line: str) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(f"GET /api/settings HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n")
        assert raw.response().status == 401
        assert raw.request("GET", "/healthz").status == 200


POST = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("data", [
    "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nA: a\0b\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\nA\0: a\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nA : a\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n",
    "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz\r\nHost: x\r\n\r\n",
    "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", POST + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    POST + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    *(POST + f"Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n" for coding in (
        "chunked, identity", "xchunked", "gzip", "identity", "", "chunked, chunked", "chunked;a=b", "chunked\r\nTransfer-Encoding: gzip")),
    "POST /api/auth/login HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /api/auth/login HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a@b\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "GET http://x/healthz HTTP/1.1\r\n\r\n",
    POST + "Content-Length: 99999999999999999999\r\n\r\n", POST + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    POST + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", POST + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
])
def test_what_two_readers_could_read_differently_is_refused_and_nothing_behind_it_is_read(
    shared_server: Server, data: str,
) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(data + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = refused(raw, 400, "bad_request")
        assert answer.headers["content-length"] == str(len(answer.body))


def test_trailers_are_read_and_too_many_are_not(shared_server: Server) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(POST + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\nC: d\r\n\r\n")
        assert raw.response().status == 422
        assert raw.request("GET", "/healthz").status == 200
    with RawSocket(shared_server.url) as raw:
        raw.send(POST + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + "A: b\r\n" * 200 + "\r\n")
        answer = raw.wait_end()
        assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")) and answer.count(b"x-request-id") == 1


def test_http_1_0_is_answered_whole_and_without_chunks(user: Client) -> None:
    body = '{"key": "old", "value": 1}'
    with RawSocket(user.url) as raw:
        raw.send(f"POST /api/settings HTTP/1.0\r\nAuthorization: Bearer {user.token}\r\nContent-Length: {len(body)}\r\n"
                 "Expect: 100-continue\r\n\r\n")
        # Whatever is said to the head is said by then.
        assert user.request("GET", "/api/auth/me").status_code == 200
        raw.send(body)
        answer = raw.response()
        # Nobody of that time knows what 100 is.
        assert answer.status == 200 and "transfer-encoding" not in answer.headers
        assert raw.wait_end() == b""


@pytest.mark.parametrize(("target", "status"), [
    ("http://{host}/healthz", 200), ("HTTP://{host}/healthz", 200), ("http://elsewhere.example/healthz", 200),
    ("http://{host}", 200), ("//healthz", 200), ("*", 404),
])
def test_a_target_in_another_form_is_its_path(shared_server: Server, target: str, status: int) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(f"GET {target.format(host=raw.host)} HTTP/1.1\r\nHost: {raw.host}\r\nConnection: close\r\n\r\n")
        assert raw.response().status == status


@pytest.mark.parametrize("target", [
    "http://", "http:///healthz", "http://[::1", "http://[::1/healthz", "http://[]/healthz", "http://[1.2.3.4]/healthz", "http://:80/healthz",
    "http://?x", "http://a:b/healthz", "http://a:99999/healthz", "http://user@x/healthz", "http://a..b/healthz", "http://%00/healthz",
    "https://", "ftp://x/healthz", "x://y/healthz",
])
def test_a_target_without_an_authority_that_can_be_read_is_refused(shared_server: Server, target: str) -> None:
    for version in ("1.1", "1.0"):
        with RawSocket(shared_server.url) as raw:
            raw.send(f"GET {target} HTTP/{version}\r\nHost: {raw.host}\r\n\r\n")
            refused(raw, 400, "bad_request")


@pytest.mark.parametrize("target", [
    "http://[::1]/healthz", "http://[::1]:8080/healthz", "http://127.0.0.1/healthz", "http://a.example./healthz", "HTTPS://A:/healthz",
])
def test_one_with_an_authority_is_its_path(shared_server: Server, target: str) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(f"GET {target} HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
        assert raw.response().body == raw.request("GET", "/healthz").body


def test_the_host_is_the_one_in_the_target(user: Client) -> None:
    """RFC 9112, 3.2.2: whatever `Host` says. What origin is our own goes by it."""
    cookie = f"Cookie: lockstep_session={user.token}\r\n"
    for target, host, origin, status in (
        ("http://a.example/api/focus/pause", "b.example", "http://b.example", 403),
        ("http://a.example/api/focus/pause", "b.example", "http://a.example", 404),
        ("/api/focus/pause", "b.example", "http://b.example", 404),
    ):
        with RawSocket(user.url) as raw:
            raw.send(f"POST {target} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{cookie}\r\n")
            answer = raw.response()
            assert answer.status == status, answer.body


def test_a_handshake_may_name_the_whole_address(user: Client) -> None:
    with RawSocket(user.url) as raw:
        raw.send(f"GET http://{raw.host}/api/realtime HTTP/1.1\r\nHost: {raw.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 f"Authorization: Bearer {user.token}\r\n\r\n")
        assert raw.response().status == 101


@pytest.mark.parametrize("lines", ["gzip, chunked", "identity, chunked", "br,chunked", "gzip\r\nTransfer-Encoding: chunked"])
def test_a_transfer_coding_that_is_not_known_is_told_so(shared_server: Server, lines: str) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(POST + f"Transfer-Encoding: {lines}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        refused(raw, 501, "not_implemented")


@pytest.mark.parametrize("before", [
    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", POST + "Content-Length: 2\r\n\r\n{}", POST + "Content-Length: 7\r\n\r\n{\n\n\n\n\n}",
    POST + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
])
@pytest.mark.parametrize(("head", "status"), [
    ("GET /" + "x" * 20_000 + " HTTP/1.1\r\n", 414), ("GET /" + "x" * 9_000 + " HTTP/1.1\r\nA: " + "x" * 8_000, 414),
    ("GET / HTTP/1.1\r\nA: " + "x" * 20_000, 431), ("GET / HTTP/1.1\r\n" + "x" * 20_000 + ": a", 431),
    ("GET / HTTP/1.1\r\n" + "A: x\r\n" * 120, 431),
])
def test_behind_another_request_it_is_told_apart_too_what_was_too_long(
    shared_server: Server, before: str, head: str, status: int,
) -> None:
    with RawSocket(shared_server.url) as raw:
        raw.send(before + head + "\r\nHost: x\r\n\r\n")
        assert raw.response().status in (200, 422)
        assert raw.response().status == status
        assert raw.wait_end() == b""
