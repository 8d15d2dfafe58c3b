"""The server's own pages: prepared at the start, and filled with what differs from user to user."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Server

OPEN = ["/", "/login", "/signup", "/docs", "/problems", "/problems/not_found", "/nothing"]
APP = ["/app/today", "/app/focus", "/app/market", "/app/settings", "/app/devices"]


def get(server: Server, path: str, client: Client | None = None, **headers: str) -> httpx.Response:
    cookie = {"Cookie": f"lockstep_session={client.token}"} if client else {}
    return httpx.get(f"{server.url}{path}", headers={"Accept": "text/html", **cookie, **headers})


def root(page: str) -> tuple[str, str, str]:
    """How the page looks: resolved theme, chosen theme, and the switches that are on."""
    found = re.search(r'<html lang="en" data-theme="([^"]*)" data-theme-choice="([^"]*)" data-accessibility="([^"]*)">', page)
    assert found, page[:300]
    return found[1], found[2], found[3]


@pytest.mark.parametrize("path", OPEN)
def test_a_page_is_as_the_system_for_nobody_in_particular(shared_server: Server, path: str) -> None:
    for preferred, resolved in [("", "light"), ("light", "light"), ("dark", "dark"), ('"dark"', "dark"), ("darker", "light")]:
        answer = get(shared_server, path, **{"Sec-CH-Prefers-Color-Scheme": preferred})
        assert root(answer.text) == (resolved, "system", "") and "{{" not in answer.text, (path, preferred)
        assert "set-cookie" not in answer.headers and answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [path for path in OPEN if path not in ("/login", "/signup")] + APP)
def test_a_page_is_its_user_s_whoever_asked_before(shared_server: Server, user: Client, sign_up: Callable[..., Client], path: str) -> None:
    """The first page of a session asks who they are, the next ones find them remembered; both are as the database has them now."""
    other = sign_up(shared_server)
    other.set("theme", "dark")
    for theme, switches, look in [("dark", {"large_text": True, "reduced_motion": True}, ("dark", "dark", "reduced_motion large_text")),
                                  ("light", {"high_contrast": True, "large_text": False}, ("light", "light", "high_contrast")),
                                  ("system", {}, ("dark", "system", ""))]:
        user.patch({"theme": theme, "accessibility": switches})
        for _ in range(2):
            answer = get(shared_server, path, user, **{"Sec-CH-Prefers-Color-Scheme": "dark"})
            assert root(answer.text) == look and "{{" not in answer.text
            assert other.email not in answer.text and (path not in APP or f'data-user="{user.email}"' in answer.text)
            assert path not in APP or f'data-account="{user.user["id"]}"' in answer.text
        assert root(get(shared_server, path, other).text) == ("dark", "dark", "")


def test_who_was_signed_out_a_moment_ago_is_nobody(shared_server: Server, user: Client) -> None:
    phone = user.other_device()
    for _ in range(2):
        assert get(shared_server, "/app/today", phone).status_code == 200
        assert get(shared_server, "/login", phone).status_code == 303
    phone.logout()
    for _ in range(2):
        answer = get(shared_server, "/app/today", phone)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        for path, status in [("/login", 200), ("/", 200), ("/nothing", 404)]:
            answer = get(shared_server, path, phone)
            assert answer.status_code == status and user.email not in answer.text and "set-cookie" not in answer.headers
    assert user.email in get(shared_server, "/app/today", user).text


def test_a_page_that_is_kept_for_the_time_without_network_is_nobody_s(shared_server: Server, user: Client) -> None:
    for name in ["today", "focus", "market", "settings", "devices", "offline"]:
        answer = get(shared_server, f"/web/pages/{name}.html", user, **{"Sec-CH-Prefers-Color-Scheme": "dark"})
        assert answer.status_code == 200 and root(answer.text) == ("light", "system", "")
        assert "{{" not in answer.text and user.email not in answer.text
    assert get(shared_server, "/web/pages/home.html", user).status_code == 404


def test_a_file_is_answered_with_304_to_who_has_it(shared_server: Server) -> None:
    whole = get(shared_server, "/web/client.js")
    assert whole.status_code == 200 and whole.headers["content-type"].startswith("text/javascript") and whole.content
    for tags in [whole.headers["etag"], f'W/{whole.headers["etag"]}', f'"x", {whole.headers["etag"]}', "*"]:
        answer = get(shared_server, "/web/client.js", **{"If-None-Match": tags})
        assert (answer.status_code, answer.content) == (304, b"")
        assert [answer.headers.get(name) for name in ("etag", "cache-control")] == [whole.headers["etag"], "no-cache"]
    assert get(shared_server, "/web/client.js", **{"If-None-Match": '"x"'}).content == whole.content
