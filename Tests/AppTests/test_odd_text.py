"""Text that is not what it seems: characters that join their neighbours, or that fold into many."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Server
from harness.client import PASSWORD


def page(server: Server, email: str, path: str) -> str:
    device = {"name": "Browser", "kind": "web"}
    answer = httpx.post(f"{server.url}/api/auth/register", json={"email": email, "password": PASSWORD, "device": device})
    assert answer.status_code == 201, answer.text
    cookie = {"Cookie": f"lockstep_session={answer.json()['token']}"}
    return httpx.get(f"{server.url}{path}", headers=cookie).raise_for_status().text


def test_what_joins_a_quote_or_a_bracket_does_not_carry_it_through(shared_server: Server) -> None:
    quote = page(shared_server, f"\"\u0301onclick=1@{uuid.uuid4().hex}.de", "/")
    assert '""\u0301' not in quote and "&quot;\u0301onclick" in quote
    bracket = page(shared_server, f"\u0600<b>x@{uuid.uuid4().hex}.de", "/app/settings")
    assert "\u0600<b>" not in bracket and "\u0600&lt;b&gt;" in bracket


def test_a_list_goes_on_behind_a_name_that_begins_with_what_joins(user: Client) -> None:
    names = ["\u200djoin", "\U0001f3ff zz", "\ufe0fx", "\u0e33y", "\ufdfa" * 200, "plain"]
    for name in names:
        user.expect(201, "POST", "/api/market/items", {"name": name, "cost_coins": 1})
    seen, after = [], None
    while True:
        params = {"limit": "1", "category": "personal", **({"after": after} if after else {})}
        answer = user.expect(200, "GET", "/api/market/items", params=params)
        seen += [item["name"] for item in answer["items"]]
        after = answer["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(names)


@pytest.mark.timed
def test_a_search_through_names_that_fold_into_many_stays_quick_for_everybody(
    user: Client, sign_up: Callable[..., Client], shared_server: Server,
) -> None:
    for number in range(100):
        user.expect(201, "POST", "/api/market/items", {
            "name": f"n{number}", "cost_coins": 1, "description": "\ufdfa" * 1_990 + " end"})
    many = user.request("GET", "/api/market/items", params={"q": " ".join("abcdefghi")})
    assert many.status_code == 422 and many.json()["code"] == "invalid_query"
    began = time.monotonic()
    user.expect(200, "GET", "/api/market/items", params={"q": "\u0635 \u0644 \u064a \u0627 \u0647 q r s"})
    # A thousand of them took 3.6 s a search, and every other reader waited.
    assert time.monotonic() - began < 2
