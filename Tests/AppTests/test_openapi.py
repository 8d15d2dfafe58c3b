"""The API's description is valid, is served, and says what the server does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    yield Call("get", "/healthz", 200)
    yield Call("get", "/readyz", 200)
    yield Call("get", "/metrics", 200)
    yield Call("get", "/openapi.json", 200)
    yield Call("delete", "/api/settings", 204)
    yield Call("post", "/api/auth/logout", 204)


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


def resolved(description: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = description
        for piece in node["$ref"].removeprefix("#/").split("/"):
            found = found[piece]
        node = found
    return node


def test_the_description_is_valid_openapi(description: dict[str, Any]) -> None:
    validate(description)


def test_every_answer_is_as_described(description: dict[str, Any], user: Client) -> None:
    seen = set()
    for call in calls(user):
        where = f"{call.method} {call.template} {call.status}"
        answer = user.request(call.method.upper(), call.path, call.body, **call.options)
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
            answer = user.request(method, template.format(key="theme", id=UNKNOWN))
            assert answer.status_code == 405, f"{method} {template}: {answer.status_code}"
            allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
            assert described <= allowed <= described | {"HEAD", "OPTIONS"}, f"{method} {template}: {allowed}"
