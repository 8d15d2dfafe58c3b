"""What intermediaries do to tags, ranges, lengths and encodings is taken as RFC 9110 allows."""

from __future__ import annotations

import gzip
import json
import socket

import httpx
import pytest

from harness import Client, RawSocket, Server


class TestIfMatch:
    @pytest.mark.parametrize("form", [
        '"{v}"', 'W/"{v}"', '"999999", "{v}"', 'W/"999999",W/"{v}"', '"foreign", "{v}"', '"{v}" ,"0"', "*",
    ])
    def test_a_tag_that_fits_lets_the_write_through_alone_weak_or_among_others(self, user: Client, form: str) -> None:
        user.set("k", 0)
        version = user.setting("k")["version"]
        body = {"key": "k", "value": 1}
        answer = user.request("POST", "/api/settings", body, headers={"If-Match": form.format(v=version)})
        assert answer.status_code == 200, answer.text

    @pytest.mark.parametrize(("form", "status"), [
        ('"999999"', 412), ('W/"999999", "999998"', 412), ("0", 400), ('"foreign"', 400), ("", 400), ("W/", 400),
        ('"-1"', 400), ('"', 400), ('""', 400),
    ])
    def test_others_do_not(self, user: Client, form: str, status: int) -> None:
        user.set("k", 0)
        answer = user.request("POST", "/api/settings", {"key": "k", "value": 1}, headers={"If-Match": form})
        assert answer.status_code == status and user.setting("k")["value"] == 0

    def test_of_several_any_fits_wherever_a_write_is_held_to_one(self, user: Client) -> None:
        version = user.expect(201, "POST", "/api/focus", {})["version"]
        tags = {"If-Match": f'"999999", W/"{version}"'}
        assert user.request("POST", "/api/focus/pause", headers=tags).status_code == 200
        assert user.request("DELETE", "/api/focus/pause", headers=tags).status_code == 412
        item = user.expect(201, "POST", "/api/market/items", {"name": "Tea", "cost_coins": 0})
        path, stale = f"/api/market/items/{item['id']}", {"If-Match": '"999999"'}
        assert user.request("PATCH", path, {"name": "Mate"}, headers=stale).status_code == 412
        fits = {"If-Match": f'"999999", "{item["version"]}"'}
        assert user.request("PATCH", path, {"name": "Mate"}, headers=fits).status_code == 200
        wallet = user.expect(200, "GET", "/api/market/wallet")["version"]
        purchase = {"item_id": item["id"]}
        for tags, status in ((stale, 412), ({"If-Match": f'W/"{wallet}", "999999"'}, 201)):
            key = {"Idempotency-Key": f"0198c0de-0000-7000-8000-{status:012}"}
            assert user.request("POST", "/api/market/purchase", purchase, headers={**tags, **key}).status_code == status


@pytest.mark.parametrize("form", ["{t}", "W/{t}", '"x", {t}', 'W/"x",W/{t}', '"x" ,\t{t} ,', "*"])
def test_what_a_client_has_is_not_sent_again_however_its_tag_came_back(user: Client, form: str) -> None:
    user.set("k", 1)
    for path in ("/api/settings", "/api/flags", "/web/style.css"):
        tag = user.request("GET", path).headers["etag"]
        for method in ("GET", "HEAD"):
            answer = user.request(method, path, headers={"If-None-Match": form.format(t=tag)})
            assert (answer.status_code, answer.content) == (304, b""), path
            assert answer.headers["etag"] == tag
        assert user.request("GET", path, headers={"If-None-Match": '"x", W/"y"'}).status_code == 200


@pytest.mark.parametrize("headers", [
    {"Range": "bytes=0-9"}, {"Range": "bytes=-5"}, {"Range": "bytes=999999999-"}, {"Range": "lines=1-2", "If-Range": '"x"'},
    {"Accept-Encoding": "gzip, br"}, {"Accept-Encoding": "identity;q=0"}, {"Accept-Encoding": ""}, {"TE": "trailers"},
])
def test_a_file_comes_whole_and_as_it_is_whatever_else_would_do(shared_server: Server, headers: dict[str, str]) -> None:
    with RawSocket(shared_server.url) as raw:
        plain = raw.request("GET", "/web/style.css")
        answer = raw.request("GET", "/web/style.css", headers)
        assert (answer.status, answer.body) == (200, plain.body) and "content-range" not in answer.headers
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/web/style.css", "/openapi.json", "/api/flags", "/login", "/nowhere", "/api/settings"])
def test_head_is_get_without_its_body(shared_server: Server, path: str) -> None:
    with RawSocket(shared_server.url) as raw:
        whole = raw.request("GET", path)
        raw.send(f"HEAD {path} HTTP/1.1\r\nHost: {raw.host}\r\n\r\nGET /healthz HTTP/1.1\r\nHost: {raw.host}\r\n\r\n")
        head = raw.read_until(b"\r\n\r\n").decode().lower()
        assert f" {whole.status} " in head.split("\r\n")[0]
        if path != "/nowhere" and whole.status == 200:
            assert f"content-length: {len(whole.body)}\r\n" in head
        # What follows is the next answer and not a body.
        assert raw.response().status == 200


def test_a_body_that_was_compressed_on_its_way_is_refused_by_name(user: Client) -> None:
    body = {"key": "k", "value": 1}
    coded = gzip.compress(json.dumps(body).encode())
    answer = user.request("POST", "/api/settings", content=coded, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "Content-Encoding" in answer.json()["detail"]
    assert user.request("POST", "/api/settings", body, headers={"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize(("lines", "body", "status"), [
    ("Content-Length: 0\r\n", "", 200), ("", "", 200), ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", 200),
    ("Transfer-Encoding: Chunked\r\n", "2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n", 200),
    ("Content-Length:\r\n", "", 400), ("Content-Length: 1, 2\r\n", "x", 400), ("Content-Length: +2\r\n", "{}", 400),
])
def test_lengths_are_what_the_rfc_says_and_nothing_is_left_on_the_connection(
    user: Client, lines: str, body: str, status: int,
) -> None:
    user.expect(201, "POST", "/api/focus", {})
    with RawSocket(user.url) as raw:
        raw.send(
            f"POST /api/focus/pause HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {user.token}\r\n{lines}\r\n{body}")
        assert raw.response().status == status
        if status == 200:
            assert raw.request("GET", "/healthz").status == 200
        else:
            assert raw.wait_end() == b""


def test_a_request_line_with_the_whole_address_is_one_with_its_path(user: Client) -> None:
    with RawSocket(user.url) as raw:
        raw.send(f"GET http://{raw.host}/api/auth/me?x=1 HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {user.token}\r\n\r\n")
        answer = raw.response()
        assert answer.status == 200 and answer.json()["user"]["id"] == user.user["id"]
        assert "date" in answer.headers


def test_answers_to_pages_of_other_origins_are_kept_apart(start_server) -> None:  # type: ignore[no-untyped-def]
    server = start_server(env={"LOCKSTEP_ALLOWED_ORIGINS": "https://App.example.com:443/"})
    allowed = httpx.get(f"{server.url}/api/flags", headers={"Origin": "https://app.example.com"})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    for answer in (allowed, httpx.get(f"{server.url}/api/flags"), httpx.get(f"{server.url}/login")):
        assert "Origin" in answer.headers["vary"]
    assert "Cookie" in answer.headers["vary"]


@pytest.mark.parametrize("lines", ["Content-Length: 200", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("body", ["", '{"mode": "break"}'])
def test_a_request_that_is_broken_off_is_not_carried_out_however_whole_it_looks(user: Client, lines: str, body: str) -> None:
    chunk = f"{len(body):x}\r\n{body}\r\n" if "chunked" in lines and body else body
    with RawSocket(user.url) as raw:
        raw.send(
            f"POST /api/focus HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {user.token}\r\n"
            f"Content-Type: application/json\r\n{lines}\r\n\r\n{chunk}")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.response().status == 400
        raw.wait_end()
    # Behind it in the order of this user's writes.
    user.set("after", 1)
    assert user.expect(200, "GET", "/api/focus/active")["session"] is None
    assert [document["collection"] for document in user.pull()["documents"] if document["collection"] == "focus"] == []
