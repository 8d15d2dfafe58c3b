"""Where a request comes from, and below which address and cookie a server stands (contract 1.1, section 1)."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Cluster, RawSocket, Server, eventually
from harness.realtime import Realtime
from harness.server import lockstep

PROXY = {"LOCKSTEP_TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8"}


@pytest.fixture(scope="module")
def behind(shared_database, tmp_path_factory):  # type: ignore[no-untyped-def]
    """A server that trusts who stands in front of it."""
    server = Server(tmp_path_factory.mktemp("behind"), shared_database.url, PROXY).start()
    yield server
    server.finish()


def write(server: Server, token: str | None, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(
        f"{server.url}/api/settings", json={"key": "k", "value": 1}, trust_env=False,
        headers={"Cookie": f"lockstep_session={token}", **headers})


@pytest.mark.parametrize(("headers", "origin"), [
    ({"Host": "app.example:443", "X-Forwarded-Proto": "https"}, "https://app.example"),
    ({"Host": "app.example", "X-Forwarded-Proto": "https"}, "https://app.example:443"),
    ({"Host": "app.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443"}, "https://app.example:8443"),
    ({"X-Forwarded-Host": "app.example:8443", "X-Forwarded-Proto": "https"}, "https://app.example:8443"),
    ({"X-Forwarded-For": "198.51.100.7, 10.0.0.2", "X-Forwarded-Proto": "https, http",
      "X-Forwarded-Host": "app.example, inner:80"}, "https://app.example"),
    ({"Forwarded": 'for=198.51.100.7;host="app.example:8443";proto=https, for=10.0.0.2;proto=http'}, "https://app.example:8443"),
    ({"Host": "[2001:db8:0::1]:8443", "X-Forwarded-Proto": "https"}, "https://[2001:db8::1]:8443"),
    ({"Host": "APP.example.", "X-Forwarded-Proto": "HTTPS"}, "https://app.example"),
])
def test_a_page_of_the_servers_own_may_write_however_proxies_say_where_that_is(
    behind: Server, sign_up: Callable[..., Client], headers: dict[str, str], origin: str,
) -> None:
    token = sign_up(behind).token
    assert write(behind, token, {**headers, "Origin": origin}).status_code == 200
    assert write(behind, token, {**headers, "Referer": f"{origin}/app/today"}).status_code == 200
    for page, status in ((origin, 101), ("https://evil.example", 403)):
        with RawSocket(behind.url) as raw:
            upgrade = {"Cookie": f"lockstep_session={token}", "Origin": page}
            assert raw.upgrade(headers={**headers, **upgrade}).status == status
    for foreign in (origin.replace("https", "http"), origin + "0", "https://evil.example", "null"):
        assert write(behind, token, {**headers, "Origin": foreign}).status_code == 403, foreign


def test_a_refusal_names_the_origin_that_came_and_the_one_expected_in_the_answer_and_in_the_log(
    behind: Server, sign_up: Callable[..., Client],
) -> None:
    token = sign_up(behind).token
    said = {"Host": "app.example", "X-Forwarded-Proto": "https", "Origin": "https://other.example:8443"}
    answer = write(behind, token, said)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "cross_origin")
    assert (problem["origin"], problem["expected"]) == ("https://other.example:8443", "https://app.example")
    assert "https://other.example:8443" in problem["detail"] and "https://app.example" in problem["detail"]

    def logged() -> bool:
        return any(
            "https://other.example:8443" in line and "https://app.example" in line and problem["request_id"] in line
            for line in behind.log().splitlines())

    eventually(logged, what="the refusal in the log")


def test_the_public_address_counts_as_the_servers_own_where_a_proxy_says_nothing(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(env={"LOCKSTEP_PUBLIC_URL": "https://Lockstep.example.com:443/"})
    token = sign_up(server).token
    assert write(server, token, {"Origin": "https://lockstep.example.com"}).status_code == 200
    refused = write(server, token, {"Origin": "https://evil.example"})
    assert refused.status_code == 403 and refused.json()["expected"] == "https://lockstep.example.com"


@pytest.mark.parametrize(("env", "words"), [
    ({"LOCKSTEP_PUBLIC_URL": "https://example.com/sync/"}, "cannot stand below a path"),
    ({"LOCKSTEP_PUBLIC_URL": "https://example.com?x"}, "LOCKSTEP_PUBLIC_URL"),
    ({"LOCKSTEP_PUBLIC_URL": "example.com"}, "LOCKSTEP_PUBLIC_URL"),
    ({"LOCKSTEP_COOKIE_NAME": "a b"}, "LOCKSTEP_COOKIE_NAME"), ({"LOCKSTEP_COOKIE_NAME": "a;b"}, "LOCKSTEP_COOKIE_NAME"),
    ({"LOCKSTEP_CLIENT_ADDRESS_HEADER": "Fly Client"}, "LOCKSTEP_CLIENT_ADDRESS_HEADER"),
    ({"LOCKSTEP_ALLOWED_ORIGINS": "https://a.example/x"}, "LOCKSTEP_ALLOWED_ORIGINS"),
])
def test_a_server_that_cannot_stand_where_it_is_put_says_so_at_the_start(env: dict[str, str], words: str) -> None:
    said = lockstep("serve", env=env)
    assert said.returncode != 0 and len(said.stderr.strip().splitlines()) == 1 and words in said.stderr, said.stderr


def test_two_servers_on_one_host_do_not_sign_each_other_out(start_server: Callable[..., Server]) -> None:
    one, other = start_server(), start_server(env={"LOCKSTEP_COOKIE_NAME": "other_session"})
    # Cookies know no ports.
    browser = httpx.Client(trust_env=False)
    for server in (one, other):
        body = {"email": f"{uuid.uuid4().hex}@example.org", "password": "correct horse", "device": {"name": "x", "kind": "web"}}
        assert browser.post(f"{server.url}/api/auth/register", json=body).status_code == 201
    assert {cookie.name for cookie in browser.cookies.jar} == {"lockstep_session", "other_session"}
    assert [browser.get(f"{server.url}/api/auth/me").status_code for server in (one, other)] == [200, 200]
    assert browser.post(f"{other.url}/api/auth/logout", headers={"Origin": other.url}).status_code == 204
    assert [browser.get(f"{server.url}/api/auth/me").status_code for server in (one, other)] == [200, 401]


def test_a_stale_or_empty_cookie_in_front_does_not_hide_the_good_one(
    shared_server: Server, user: Client, sign_up: Callable[..., Client],
) -> None:
    gone = sign_up(shared_server)
    gone.logout()
    for before in ("", "x", gone.token):
        cookie = f"lockstep_session={before}; lockstep_session={user.token}"
        headers = {"Cookie": cookie, "Origin": user.url}
        assert httpx.get(f"{user.url}/api/auth/me", headers=headers).json()["user"]["id"] == user.user["id"]
        assert httpx.post(f"{user.url}/api/settings", json={"key": "k", "value": 1}, headers=headers).status_code == 200
        assert httpx.get(f"{user.url}/app/today", headers=headers).status_code == 200
        socket = Realtime(user.url, headers={"Cookie": cookie}, origin=user.url)
        socket.welcome()
        socket.close()


def test_however_many_cookies_a_browser_sends_it_is_signed_in_and_the_database_is_asked_once(
    talkative: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    user = sign_up(start_server(talkative.database()))
    good = f"lockstep_session={user.token}"
    # Of other applications on the same host, 8 KB of them, among them names that look like ours.
    others = [f"{name}{n}={'x' * 150}" for n in range(17) for name in ("app", "lockstep_session", "my_lockstep_session")]
    # Of our own name, as many as a head holds, such as from other paths and domains.
    stale = [f"lockstep_session={n:043}" for n in range(200)]
    for cookies in ([*others, good], [good, *others], [*stale[:20], good], [*stale, good], [*others[:20], *stale[:100], good, *stale[:20]]):
        before = talkative.log_path.read_text(errors="replace").count("AS note_is_due")
        answer = httpx.get(f"{user.url}/api/auth/me", headers={"Cookie": "; ".join(cookies)})
        assert answer.status_code == 200 and answer.json()["user"]["id"] == user.user["id"]
        assert talkative.log_path.read_text(errors="replace").count("AS note_is_due") == before + 1
    strangers = httpx.get(f"{user.url}/api/auth/me", headers={"Cookie": "; ".join([*others[:20], *stale])})
    assert strangers.status_code == 401


def test_the_doctor_says_what_is_believed_of_whom(shared_server: Server) -> None:
    def lines(**env: str) -> str:
        database = shared_server.environment["DATABASE_URL"]
        said = lockstep("doctor", env={"DATABASE_URL": database, **env})
        assert said.returncode == 0, said.stderr
        return said.stdout

    assert "no proxy is trusted" in lines() and "/api/client" in lines()
    trusting = lines(LOCKSTEP_TRUSTED_PROXIES="10.0.0.0/8", LOCKSTEP_PUBLIC_URL="https://lockstep.example.com")
    assert "from 10.0.0.0/8: the client is the last address of X-Forwarded-For" in trusting
    assert "https://lockstep.example.com/api/client" in trusting
    fly = lines(LOCKSTEP_TRUSTED_PROXIES="10.0.0.0/8", LOCKSTEP_CLIENT_ADDRESS_HEADER="Fly-Client-IP")
    assert "from 10.0.0.0/8: the client is Fly-Client-IP" in fly
    assert "counts for nothing" in lines(LOCKSTEP_CLIENT_ADDRESS_HEADER="Fly-Client-IP")
