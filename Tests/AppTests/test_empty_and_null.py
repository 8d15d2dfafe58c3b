"""What is empty or null is taken as the OpenAPI document says: as left out, as wrong, or as a cursor of nobody's."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from harness import Client, RawSocket, mutation


@pytest.mark.parametrize("query", [
    "/api/focus?limit=", "/api/focus?before=", "/api/focus/stats?days=", "/api/focus/stats?tz=", "/api/market/items?limit=",
    "/api/market/items?after=", "/api/market/items?rarity=", "/api/market/inventory?after=", "/api/market/transactions?before=",
    "/api/market/rewards?before=", "/api/sync/conflicts?before=", "/api/sync/conflicts?limit", "/api/sync?wait=",
    "/api/focus?before=%ff", "/api/focus/stats?tz=%zz", "/api/market/items?q=%",
])
def test_a_parameter_that_says_nothing_or_cannot_be_read_is_refused_by_name(user: Client, query: str) -> None:
    answer = user.request("GET", query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_query"), answer.text
    name = query.split("?")[1].split("=")[0]
    assert name in answer.json()["detail"] or name == "tz"


def test_words_that_are_none_leave_nothing_out(user: Client) -> None:
    user.expect(201, "POST", "/api/market/items", {"name": "Tea", "cost_coins": 0})
    every = user.expect(200, "GET", "/api/market/items")["items"]
    assert user.expect(200, "GET", "/api/market/items?q=")["items"] == every != []
    assert user.expect(200, "GET", "/api/market/items?category=")["items"] == []


@pytest.mark.parametrize("text", ["", "=", "=%", "=%ff", "=%zz", "=%C3", "=%ED%A0%80", "=%00"])
def test_a_cursor_that_cannot_be_read_is_one_of_nobodys(user: Client, text: str) -> None:
    user.set("a", 1)
    everything = user.pull()
    for wait in ("", "&wait=20"):
        pull = user.expect(200, "GET", f"/api/sync?cursor{text}{wait}")
        assert pull["reset"] is True and pull["documents"] == everything["documents"]
    with RawSocket(user.url) as raw:
        assert raw.upgrade(user.token, cursor=text.removeprefix("=")).status == 101
        frames = iter(lambda: json.loads(raw.read_frame()[1]), None)
        first = next(frame for frame in frames if frame["type"] == "changes")
        assert first["reset"] is True and first["documents"] == everything["documents"]


@pytest.mark.parametrize("cursor", [None, ""])
def test_a_push_without_a_cursor_gets_everything(user: Client, cursor: str | None) -> None:
    user.set("a", 1)
    for mutations in ([], None):
        answer = user.expect(200, "POST", "/api/sync", {"cursor": cursor, "mutations": mutations})
        assert answer["reset"] is True and answer["results"] == []


def test_an_optional_member_that_is_null_is_left_out(user: Client) -> None:
    change = mutation("settings.set", {"key": "k", "value": 1})
    nulls = {"base_version": None, "age_ms": None, "seq": None}
    assert user.push(change | nulls)["results"][0]["status"] == "applied"
    # The same request, for what is left out is no part of it.
    assert user.push(change)["results"][0]["replayed"] is True
    # A seq of null is no count of the device's: two changes have it, and neither is a copied device's.
    others = user.push(mutation("settings.set", {"key": "k", "value": 2}) | nulls, mutation("focus.pause", {}) | {"args": None})
    assert [result["status"] for result in others["results"]] == ["applied", "rejected"]
    assert others["results"][1]["problem"]["code"] == "no_session"

    started = {"mode": None, "duration_seconds": None, "task_title": None, "replace": None}
    session = user.expect(201, "POST", "/api/focus", started)
    assert (session["mode"], session["duration_seconds"], session["task_title"]) == ("focus", 1500, None)
    assert user.expect(200, "POST", "/api/focus/pause", {"id": None})["status"] == "paused"

    item = user.expect(201, "POST", "/api/market/items", {"name": "Tea", "cost_coins": 0, "description": None, "category": None})
    order: dict[str, Any] = {"item_id": item["id"], "quantity": None, "expected_cost_coins": None}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert user.expect(201, "POST", "/api/market/purchase", order, headers=key)["purchase"]["quantity"] == 1
    assert user.expect(200, "POST", "/api/market/redeem", {"item_id": item["id"], "quantity": None})["redeemed"] == 1


@pytest.mark.parametrize(("method", "path", "body", "pointer"), [
    ("POST", "/api/settings", {"key": "k", "value": None}, "/value"), ("POST", "/api/settings", {"key": None, "value": 1}, "/key"),
    ("POST", "/api/market/items", {"name": None, "cost_coins": 1}, "/name"), ("POST", "/api/market/redeem", {"item_id": None}, "/item_id"),
    ("POST", "/api/market/items", {"name": "Tea", "cost_coins": None}, "/cost_coins"),
    ("POST", "/api/sync", {"mutations": [{"id": None, "name": "focus.pause"}]}, "/mutations/0/id"),
    ("POST", "/api/sync", {"mutations": [{"id": str(uuid.UUID(int=7)), "name": None}]}, "/mutations/0/name"),
    ("POST", "/api/auth/password", {"current_password": None, "new_password": "long enough"}, "/current_password"),
])
def test_one_that_must_be_there_is_not_there_when_it_is_null(
    user: Client, method: str, path: str, body: dict[str, Any], pointer: str,
) -> None:
    answer = user.request(method, path, body)
    assert answer.status_code == 422, answer.text
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]
