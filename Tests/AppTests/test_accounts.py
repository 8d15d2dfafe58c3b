"""Accounts, sessions and who may ask (contract, sections 1 and 2)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Database, RawSocket, Server

BODY = {"email": "somebody@example.com", "password": "correct horse", "device": {"name": "Desk", "kind": "desktop"}}


def register(server: Server, **changes: object) -> httpx.Response:
    body = {**BODY, "email": f"{uuid.uuid4().hex}@example.com", **changes}
    return httpx.post(f"{server.url}/api/auth/register", json=body)


def test_registering_answers_with_token_user_device_and_cookie(shared_server: Server) -> None:
    answer = register(shared_server)
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"token", "expires_at", "user", "device"}
    assert set(body["user"]) == {"id", "email", "created_at"} and set(body["device"]) == {"id", "name", "kind"}
    assert uuid.UUID(body["user"]["id"]).version == 7 and len(body["token"]) == 67
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"lockstep_session={body['token']};")
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie


def test_an_email_is_taken_once_in_any_case(shared_server: Server) -> None:
    email = f"{uuid.uuid4().hex}@Example.com"
    assert register(shared_server, email=email).status_code == 201
    again = register(shared_server, email=email.upper())
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")


@pytest.mark.parametrize(("change", "pointer"), [
    ({"email": "nobody"}, "/email"), ({"email": "a b@c"}, "/email"), ({"email": 5}, "/email"),
    ({"email": "x" * 250 + "@example.com"}, "/email"), ({"password": "short"}, "/password"),
    ({"password": "x" * 257}, "/password"), ({"password": None}, "/password"), ({"device": None}, "/device"),
    ({"device": {"name": "x", "kind": "toaster"}}, "/device/kind"), ({"device": {"kind": "web"}}, "/device/name"),
])
def test_a_wrong_registration_says_where(shared_server: Server, change: dict[str, object], pointer: str) -> None:
    answer = register(shared_server, **change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]


def test_signing_in_again_reuses_the_named_device(user: Client) -> None:
    before = user.me()["device"]["id"]
    answer = user.request("POST", "/api/auth/login", {
        "email": user.email, "password": user.password, "device": {"id": before, "name": "New", "kind": "web"}})
    assert answer.status_code == 200 and answer.json()["device"] == {"id": before, "name": "New", "kind": "web"}
    fresh = user.other_device()
    assert fresh.me()["device"]["id"] != before


def test_another_users_device_id_makes_a_new_device(user: Client, sign_up: Callable[..., Client], shared_server: Server) -> None:
    other = sign_up(shared_server)
    theirs = other.me()["device"]["id"]
    answer = user.request("POST", "/api/auth/login", {
        "email": user.email, "password": user.password, "device": {"id": theirs, "name": "x", "kind": "web"}})
    assert answer.json()["device"]["id"] != theirs
    assert other.me()["device"]["id"] == theirs


def test_wrong_credentials_tell_nothing(user: Client) -> None:
    device = {"name": "x", "kind": "web"}
    wrong = user.request("POST", "/api/auth/login", {"email": user.email, "password": "wrong password", "device": device})
    nobody = user.request("POST", "/api/auth/login", {"email": "nobody@example.com", "password": "wrong password", "device": device})
    assert wrong.status_code == nobody.status_code == 401
    strip = lambda answer: {k: v for k, v in answer.json().items() if k != "request_id"}  # noqa: E731
    assert strip(wrong) == strip(nobody) and wrong.json()["code"] == "wrong_credentials"


def test_an_unknown_email_takes_as_long_as_a_wrong_password(start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> None:
    server = start_server(env={"LOCKSTEP_PASSWORD_COST": "14"})
    user = sign_up(server)
    device = {"name": "x", "kind": "web"}

    def took(email: str) -> float:
        began = time.perf_counter()
        user.request("POST", "/api/auth/login", {"email": email, "password": "wrong password", "device": device})
        return time.perf_counter() - began

    known = sorted(took(user.email) for _ in range(5))[2]
    unknown = sorted(took("nobody@example.com") for _ in range(5))[2]
    assert 0.5 < unknown / known < 2


def test_the_database_holds_neither_token_nor_password(server: Server, client: Client, database: Database) -> None:
    assert client.token not in str(database.rows("SELECT encode(token_hash, 'hex'), s::text FROM sessions s"))
    stored = database.value("SELECT password_hash FROM users")
    assert stored.startswith("$scrypt$ln=10,r=8,p=3$") and client.password not in stored


def test_signing_out_ends_this_session_only(user: Client) -> None:
    phone = user.other_device()
    user.logout()
    assert user.request("GET", "/api/auth/me").status_code == 401
    assert phone.request("GET", "/api/auth/me").status_code == 200


@pytest.mark.parametrize("header", ["Bearer x", "Bearer " + "A" * 43, "Basic abc", "Bearer", "Bearer a b c"])
def test_a_token_that_is_worth_nothing_is_refused(shared_server: Server, header: str) -> None:
    answer = httpx.get(f"{shared_server.url}/api/auth/me", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert "www-authenticate" in answer.headers


def test_a_session_that_expired_is_refused(server: Server, client: Client, database: Database) -> None:
    database.rows("UPDATE sessions SET expires_at = now() - interval '1 second'")
    assert client.request("GET", "/api/settings").status_code == 401


def test_a_session_in_use_slides(server: Server, client: Client, database: Database) -> None:
    database.rows("UPDATE sessions SET expires_at = now() + interval '3 days'")
    # Already the answer that moves it says where it ends.
    said = client.expect(200, "GET", "/api/auth/me")["expires_at"]
    assert database.value("SELECT expires_at > now() + interval '29 days' FROM sessions")
    assert said == database.value(
        "SELECT to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM sessions")


class TestCookie:
    """A cookie that changes something must come from a page of ours."""

    @pytest.fixture
    def browser(self, user: Client) -> httpx.Client:
        return httpx.Client(base_url=user.url, cookies={"lockstep_session": user.token})

    def test_reads_need_no_origin(self, browser: httpx.Client) -> None:
        assert browser.get("/api/settings").status_code == 200

    def test_the_own_origin_may_write(self, browser: httpx.Client, user: Client) -> None:
        answer = browser.post("/api/settings", json={"key": "a", "value": 1}, headers={"Origin": user.url})
        assert answer.status_code == 200

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", None])
    def test_no_other_origin_may(self, browser: httpx.Client, origin: str | None, user: Client) -> None:
        headers = {"Origin": origin} if origin else {}
        answer = browser.post("/api/settings", json={"key": "a", "value": 1}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
        assert "access-control-allow-origin" not in answer.headers
        assert "a" not in user.settings()

    def test_a_bearer_token_needs_no_origin(self, user: Client) -> None:
        answer = user.request("POST", "/api/settings", {"key": "a", "value": 1}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 200

    def test_whatever_page_answers_gives_the_cookie_all_of_its_time_again(
        self, shared_server: Server, browser: httpx.Client,
    ) -> None:
        """Also where the session was moved a moment ago: a browser forgets a cookie that is not sent anew."""
        cookie = f"lockstep_session={browser.cookies['lockstep_session']}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"
        for path, status in [("/app/today", 200), ("/", 200), ("/login", 303), ("/signup", 303), ("/nothing", 404)]:
            answer = browser.get(path, headers={"Accept": "text/html"}, follow_redirects=False)
            assert (answer.status_code, answer.headers.get("set-cookie")) == (status, cookie), path
        origin = {"Origin": shared_server.url, "Cookie": cookie.split(";")[0]}
        with RawSocket(shared_server.url) as raw:
            answer = raw.upgrade(headers=origin)
            assert (answer.status, answer.cookies) == (101, [cookie])

    def test_pages_redirect_to_the_login(self, shared_server: Server, browser: httpx.Client) -> None:
        answer = httpx.get(f"{shared_server.url}/app/settings")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert browser.get("/app/settings").status_code == 200


def test_an_allowed_origin_may_write_and_gets_cors(start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> None:
    server = start_server(env={"LOCKSTEP_ALLOWED_ORIGINS": "https://app.example.com"})
    user = sign_up(server)
    headers = {"Origin": "https://app.example.com", "Cookie": f"lockstep_session={user.token}"}
    answer = httpx.post(f"{server.url}/api/settings", json={"key": "a", "value": 1}, headers=headers)
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://app.example.com"
    preflight = httpx.options(f"{server.url}/api/settings", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 204


def test_a_trusted_proxy_makes_the_cookie_secure(start_server: Callable[..., Server]) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    body = {**BODY, "email": f"{uuid.uuid4().hex}@example.com"}
    trusting = start_server(env={"LOCKSTEP_TRUSTED_PROXIES": "127.0.0.1"})
    assert "Secure" in httpx.post(f"{trusting.url}/api/auth/register", json=body, headers=headers).headers["set-cookie"]
