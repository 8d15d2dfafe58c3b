"""The API's description is valid, is served, and says what the server does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate

from harness import Client, Server, mutation

METHODS = {"get", "post", "patch", "put", "delete"}
ANONYMOUS = {"Authorization": ""}
UNKNOWN = str(uuid.UUID(int=7))


@pytest.fixture(scope="module")
def description(shared_server: Server) -> dict[str, Any]:
    return httpx.get(f"{shared_server.url}/openapi.json").raise_for_status().json()


@dataclass
class Call:
    """One request as a client of the document would send it, and the answer that must come."""

    method: str
    template: str
    status: int
    values: dict[str, str] = field(default_factory=dict)
    body: Any = ...
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.template.format(**self.values)


def calls(client: Client) -> Iterator[Call]:
    """Every operation at least once, and most of the answers that the document names."""
    device = {"name": "Laptop", "kind": "desktop"}
    signed_out = {"headers": ANONYMOUS}
    credentials = {"email": client.email, "password": client.password, "device": device}
    wrong = {**credentials, "password": "not the right one"}
    fresh = {**credentials, "email": f"fresh-{uuid.uuid4()}@example.org"}
    yield Call("post", "/api/auth/register", 201, body=fresh, options=signed_out)
    yield Call("post", "/api/auth/register", 409, body=credentials, options=signed_out)
    yield Call("post", "/api/auth/register", 422, body={"email": "nobody"}, options=signed_out)
    yield Call("post", "/api/auth/register", 413, body={"email": "x" * 70_000}, options=signed_out)
    yield Call("post", "/api/auth/login", 200, body=credentials, options=signed_out)
    yield Call("post", "/api/auth/login", 401, body=wrong, options=signed_out)
    yield Call("get", "/api/auth/me", 200)
    yield Call("get", "/api/auth/me", 401, options=signed_out)

    passwords = {"current_password": client.password, "new_password": client.password}
    yield Call("post", "/api/auth/password", 204, body=passwords)
    yield Call("post", "/api/auth/password", 403, body={**passwords, "current_password": "not the right one"})
    yield Call("post", "/api/auth/password", 422, body={**passwords, "new_password": "short"})
    yield Call("post", "/api/auth/password", 401, body=passwords, options=signed_out)
    tablet = client.other_device("Tablet")
    other = {"id": tablet.device["id"]}
    yield Call("get", "/api/devices", 200)
    yield Call("get", "/api/devices", 401, options=signed_out)
    yield Call("patch", "/api/devices/{id}", 200, other, body={"name": "Kitchen"})
    yield Call("patch", "/api/devices/{id}", 404, {"id": UNKNOWN}, body={"name": "Kitchen"})
    yield Call("patch", "/api/devices/{id}", 422, other, body={"name": ""})
    yield Call("delete", "/api/devices/{id}", 204, other)
    yield Call("delete", "/api/devices/{id}", 404, other)
    tablet.close()

    theme = {"key": "theme", "value": "dark"}
    key = {"headers": {"Idempotency-Key": str(uuid.uuid4())}}
    yield Call("post", "/api/settings", 200, body=theme, options=key)
    yield Call("post", "/api/settings", 200, body=theme, options=key)
    yield Call("post", "/api/settings", 422, body={"key": "theme", "value": "light"}, options=key)
    yield Call("post", "/api/settings", 422, body={"key": "theme", "value": 5})
    yield Call("post", "/api/settings", 400, body=theme, options={"headers": {"Idempotency-Key": "seven"}})
    yield Call("post", "/api/settings", 412, body=theme, options={"headers": {"If-Match": '"999999"'}})
    yield Call("post", "/api/settings", 401, body=theme, options=signed_out)
    yield Call("post", "/api/settings", 415, options={"content": b"<a/>", "headers": {"Content-Type": "text/xml"}})
    yield Call("patch", "/api/settings", 200, body={"theme": "light", "font.size": 12.5, "gone": None})
    yield Call("patch", "/api/settings", 422, body={"theme": "mauve"})
    yield Call("get", "/api/settings", 200)
    tag = client.request("GET", "/api/settings").headers["ETag"]
    yield Call("get", "/api/settings", 304, options={"headers": {"If-None-Match": tag}})
    yield Call("get", "/api/settings/{key}", 200, {"key": "theme"})
    yield Call("get", "/api/settings/{key}", 404, {"key": "none"})
    yield Call("get", "/api/settings/{key}/history", 200, {"key": "theme"})
    yield Call("delete", "/api/settings/{key}", 204, {"key": "font.size"})

    yield from focus_calls(client)
    yield from market_calls(client)

    yield Call("get", "/api/sync", 200)
    cursor = client.pull()["cursor"]
    unchanged = {"params": {"cursor": cursor}, "headers": {"If-None-Match": f'"{cursor}"'}}
    yield Call("get", "/api/sync", 200, options={"params": {"cursor": cursor}})
    yield Call("get", "/api/sync", 304, options=unchanged)
    yield Call("get", "/api/sync", 422, options={"params": {"wait": "31"}})
    applied = mutation("settings.set", {"key": "theme", "value": "system"})
    rejected = mutation("settings.set", {"key": "theme", "value": "mauve"})
    yield Call("post", "/api/sync", 200, body={"cursor": cursor, "mutations": [applied, rejected]})
    yield Call("post", "/api/sync", 200, body={"mutations": [applied]})
    yield Call("post", "/api/sync", 422, body={"mutations": [{"id": 5}]})
    phone = client.other_device()
    lost = mutation("settings.set", {"key": "theme", "value": "dark"}, base_version=0)
    result = phone.push(lost)["results"][0]
    assert result["status"] == "conflict"
    phone.close()
    yield Call("get", "/api/sync/conflicts", 200)
    yield Call("delete", "/api/sync/conflicts/{id}", 204, {"id": lost["id"]})
    yield Call("delete", "/api/sync/conflicts/{id}", 404, {"id": UNKNOWN})
    yield Call("get", "/api/sync/digest", 200)

    yield Call("get", "/api/realtime", 426)
    yield Call("get", "/api/flags", 200, options=signed_out)
    flags = client.request("GET", "/api/flags").headers["ETag"]
    yield Call("get", "/api/flags", 304, options={"headers": {"If-None-Match": flags}})
    yield Call("post", "/api/flags/reports", 204, body={"counts": {"wallet": 1}, "mode": "report"}, options=signed_out)
    yield Call("post", "/api/flags/reports", 422, body={"counts": {"wallet": 0}, "mode": "report"})
    yield Call("post", "/api/flags/reports", 413, body={"counts": {"x" * 20_000: 1}, "mode": "report"})
    foreign = {"headers": {"Origin": "https://evil.example"}}
    yield Call("post", "/api/flags/reports", 403, body={"counts": {"wallet": 1}, "mode": "report"}, options=foreign)
    yield Call("get", "/api/client", 200, options=signed_out)
    yield Call("get", "/healthz", 200)
    yield Call("get", "/readyz", 200)
    yield Call("get", "/metrics", 200)
    asking = {"headers": {**ANONYMOUS, "Accept": "application/json"}}
    yield Call("get", "/problems", 200, options=asking)
    yield Call("get", "/problems/{code}", 200, {"code": "out_of_stock"}, options=asking)
    yield Call("get", "/problems/{code}", 404, {"code": "none"}, options=asking)
    yield Call("get", "/openapi.json", 200)
    yield Call("delete", "/api/settings", 204)
    yield Call("get", "/api/account/export", 200)
    yield Call("get", "/api/account/export", 401, options=signed_out)
    yield Call("post", "/api/auth/logout", 204)
    client.login()
    yield Call("delete", "/api/account", 403, body={"password": "not the right one"})
    yield Call("delete", "/api/account", 422, body={})
    yield Call("delete", "/api/account", 204, body={"password": client.password})
    yield Call("delete", "/api/account", 401, body={"password": client.password})


def focus_calls(client: Client) -> Iterator[Call]:
    signed_out = {"headers": ANONYMOUS}
    first = str(uuid.uuid4())
    key = {"headers": {"Idempotency-Key": first}}
    yield Call("get", "/api/focus/active", 200)
    yield Call("get", "/api/focus/pause", 200)
    yield Call("post", "/api/focus/pause", 404)
    yield Call("post", "/api/focus", 201, body={"task_title": "Write"}, options=key)
    yield Call("post", "/api/focus", 409, body={"mode": "break"})
    yield Call("post", "/api/focus", 422, body={"duration_seconds": 0})
    yield Call("post", "/api/focus", 401, body={}, options=signed_out)
    yield Call("get", "/api/focus/active", 200)
    yield Call("post", "/api/focus/pause", 412, options={"headers": {"If-Match": '"999999"'}})
    yield Call("post", "/api/focus/pause", 200)
    yield Call("post", "/api/focus/pause", 409)
    yield Call("get", "/api/focus/pause", 200)
    yield Call("delete", "/api/focus/pause", 200)
    yield Call("delete", "/api/focus/pause", 409)
    yield Call("post", "/api/focus/{id}/complete", 409, {"id": first})
    yield Call("post", "/api/focus/{id}/complete", 404, {"id": UNKNOWN})
    yield Call("post", "/api/focus/{id}/abandon", 200, {"id": first})
    yield Call("post", "/api/focus/{id}/abandon", 409, {"id": first})
    short = str(uuid.uuid4())
    yield Call("post", "/api/focus", 201, body={"duration_seconds": 1}, options={"headers": {"Idempotency-Key": short}})
    yield Call("post", "/api/focus/{id}/complete", 200, {"id": short})
    yield Call("get", "/api/focus", 200, options={"params": {"limit": "1"}})
    yield Call("get", "/api/focus", 422, options={"params": {"limit": "0"}})
    yield Call("get", "/api/focus/stats", 200, options={"params": {"tz": "Europe/Berlin"}})
    yield Call("get", "/api/focus/stats", 422, options={"params": {"tz": "Nowhere/Else"}})


def market_calls(client: Client) -> Iterator[Call]:
    free, dear, bought = (str(uuid.uuid4()) for _ in range(3))

    def key(id: str) -> dict[str, Any]:
        return {"headers": {"Idempotency-Key": id}}

    items = "/api/market/items"
    yield Call("post", items, 201, body={"name": "Walk", "cost_coins": 0}, options=key(free))
    yield Call("post", items, 201, body={"name": "Sail", "cost_coins": 10, "description": None}, options=key(dear))
    yield Call("post", items, 422, body={"name": "", "cost_coins": 1.5})
    yield Call("post", items, 401, body={}, options={"headers": ANONYMOUS})
    yield Call("get", items, 200, options={"params": {"q": "WÁLK", "limit": "1"}})
    yield Call("get", items, 200, options={"params": {"limit": "1"}})
    yield Call("get", items, 422, options={"params": {"rarity": "odd"}})
    yield Call("get", items + "/{id}", 200, {"id": free})
    yield Call("get", items + "/{id}", 404, {"id": UNKNOWN})
    yield Call("patch", items + "/{id}", 200, {"id": dear}, body={"cost_coins": 11})
    yield Call("patch", items + "/{id}", 412, {"id": dear}, body={"cost_coins": 12}, options={"headers": {"If-Match": '"0"'}})
    yield Call("patch", items + "/{id}", 422, {"id": dear}, body={"cost_coins": -1})
    yield Call("patch", items + "/{id}", 404, {"id": UNKNOWN}, body={"cost_coins": 1})
    tag = client.request("GET", f"/api/market/items/{dear}").headers["ETag"]
    yield Call("get", items + "/{id}", 304, {"id": dear}, options={"headers": {"If-None-Match": tag}})
    yield Call("get", "/api/market/categories", 200)
    purchase = "/api/market/purchase"
    yield Call("post", purchase, 400, body={"item_id": free})
    yield Call("post", purchase, 201, body={"item_id": free, "quantity": 2}, options=key(bought))
    yield Call("post", purchase, 201, body={"item_id": free, "quantity": 2}, options=key(bought))
    yield Call("post", purchase, 409, body={"item_id": dear}, options=key(str(uuid.uuid4())))
    yield Call("post", purchase, 404, body={"item_id": UNKNOWN}, options=key(str(uuid.uuid4())))
    yield Call("post", purchase, 422, body={"item_id": free, "quantity": 100}, options=key(str(uuid.uuid4())))
    yield Call("get", "/api/market", 200)
    yield Call("get", "/api/market/inventory", 200)
    yield Call("get", "/api/market/wallet", 200)
    yield Call("get", "/api/market/transactions", 200)
    yield Call("get", "/api/market/transactions", 422, options={"params": {"before": "x"}})
    yield Call("get", "/api/market/recommendations", 200)
    yield Call("post", "/api/market/refund", 200, body={"transaction_id": bought})
    yield Call("post", "/api/market/refund", 409, body={"transaction_id": bought})
    yield Call("post", "/api/market/refund", 404, body={"transaction_id": UNKNOWN})
    yield Call("post", purchase, 201, body={"item_id": free}, options=key(str(uuid.uuid4())))
    yield Call("post", "/api/market/redeem", 200, body={"item_id": free})
    yield Call("post", "/api/market/redeem", 409, body={"item_id": free})
    yield Call("post", "/api/market/redeem", 404, body={"item_id": UNKNOWN})
    yield Call("get", "/api/market/rewards", 200)
    reward = client.expect(200, "GET", "/api/market/rewards")["rewards"][0]["id"]
    claim = "/api/market/rewards/{id}/claim"
    yield Call("post", claim, 200, {"id": reward})
    yield Call("post", claim, 409, {"id": reward})
    yield Call("post", claim, 404, {"id": UNKNOWN})
    yield Call("delete", items + "/{id}", 412, {"id": free}, options={"headers": {"If-Match": '"0"'}})
    yield Call("delete", items + "/{id}", 204, {"id": free})
    yield Call("delete", items + "/{id}", 404, {"id": free})


def remaining(description: dict[str, Any], seen: set[tuple[str, str]]) -> Iterator[Call]:
    """Each operation that no call was made of, in the order of the document, as its own examples have it: it is done."""
    for template, item in description["paths"].items():
        for method in METHODS & item.keys():
            if (template, method) in seen:
                continue
            operation = item[method]
            values = {it["name"]: it["example"] for it in operation.get("parameters", []) if it.get("in") == "path"}
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            done = min(int(status) for status in operation["responses"])
            yield Call(method, template, done, values, body=content.get("example", ...))


def resolved(description: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = description
        for piece in node["$ref"].removeprefix("#/").split("/"):
            found = found[piece]
        node = found
    return node


def test_the_description_is_valid_openapi(description: dict[str, Any]) -> None:
    validate(description)


def test_every_answer_is_as_described(
    description: dict[str, Any], user: Client, shared_server: Server, sign_up: Callable[..., Client],
) -> None:
    seen: set[tuple[str, str]] = set()
    # The first ends with their account.
    other = sign_up(shared_server)
    for client, call in chain(((user, it) for it in calls(user)), ((other, it) for it in remaining(description, seen))):
        where = f"{call.method} {call.template} {call.status}"
        answer = client.request(call.method.upper(), call.path, call.body, **call.options)
        assert answer.status_code == call.status, f"{where}: {answer.status_code} {answer.text}"
        assert answer.headers["X-Request-Id"], where
        operation = description["paths"][call.template][call.method]
        described = resolved(description, operation["responses"][str(call.status)])
        for name in described.get("headers", {}):
            if name != "Idempotency-Replayed" and (name, call.status) != ("Set-Cookie", 401):
                assert name in answer.headers, f"{where} lacks {name}"
        content = described.get("content")
        if content is None:
            assert answer.content == b"", where
        else:
            kind = answer.headers["Content-Type"].split(";")[0]
            assert kind in content, f"{where}: {kind}"
            if kind != "text/plain":
                schema = {**content[kind]["schema"], "components": description["components"]}
                checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
                faults = [f"{fault.json_path}: {fault.message}" for fault in checker.iter_errors(answer.json())]
                assert not faults, f"{where}: {faults}"
        seen.add((call.template, call.method))
    every = {(path, method) for path, item in description["paths"].items() for method in METHODS & item.keys()}
    assert every - seen == set(), "operations that no call of this test made"


def test_a_method_that_is_not_described_answers_405_and_names_those_that_are(
    description: dict[str, Any], user: Client,
) -> None:
    for template, item in description["paths"].items():
        described = {method.upper() for method in METHODS & item.keys()}
        for method in {name.upper() for name in METHODS} - described:
            answer = user.request(method, template.format(key="theme", id=UNKNOWN, code="not_found"))
            assert answer.status_code == 405, f"{method} {template}: {answer.status_code}"
            allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
            assert described <= allowed <= described | {"HEAD", "OPTIONS"}, f"{method} {template}: {allowed}"
