"""Two users, every operation and every mutation: neither sees or touches what is the other's, and what is the other's
answers like what does not exist (contract, section 1).

A new operation of the description, or a new mutation, fails here until OPERATIONS or MUTATIONS has a case for it. A case
says what the first user sends; `ID` in it stands for the thing of the second user that `of` names in `belongings`, and, to compare,
for one that nobody has.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import Client, Realtime, Server, mutation

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = json.loads((ROOT / "Clients" / "Web" / "openapi.json").read_text())
METHODS = {"get", "post", "patch", "put", "delete"}
SHARED_COLLECTIONS = {"items", "flags"}
ID = "{ID}"


@dataclass
class Attempt:
    """What the first user sends. With `of` it names something of the second's."""

    of: str | None = None
    body: Any = ...
    options: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    """Demanded of the answer, where it is not plain that it must be a refusal."""
    path: dict[str, str] = field(default_factory=dict)
    """What stands in the path where it is not ID."""


def key(id: str) -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": id}}


# By "method path". An empty list: it takes nothing of a user and gives nothing of one.
OPERATIONS: dict[str, list[Attempt]] = {
    "post /api/auth/register": [],
    "post /api/auth/login": [Attempt(
        body={"email": "{my email}", "password": "{my password}", "device": {"id": "{their device}", "name": "x", "kind": "web"}},
        status=200)],
    "post /api/auth/logout": [Attempt(status=204)],
    "get /api/auth/me": [Attempt(status=200)],
    "post /api/auth/password": [Attempt(
        body={"current_password": "{my password}", "new_password": "another horse battery"}, status=204)],
    "get /api/devices": [Attempt(status=200)],
    "patch /api/devices/{id}": [Attempt("device", {"name": "taken over"}, status=404)],
    "delete /api/devices/{id}": [Attempt("device", status=404)],
    "get /api/account/export": [Attempt(status=200)],
    "delete /api/account": [Attempt(body={"password": "{my password}"}, status=204)],
    "get /api/settings": [Attempt(status=200)],
    "post /api/settings": [
        Attempt("key", {"key": ID, "value": "mine"}, status=200),
        Attempt("mutation", {"key": "a", "value": 1}, key(ID), status=200)],
    "patch /api/settings": [Attempt("key", {ID: None, "b": 1}, status=200)],
    "delete /api/settings": [Attempt(status=204)],
    "get /api/settings/{key}": [Attempt("key", status=404)],
    "delete /api/settings/{key}": [Attempt("key", status=204)],
    "get /api/settings/{key}/history": [Attempt("key", status=200)],
    "get /api/sync": [
        Attempt(status=200),
        Attempt("cursor", options={"params": {"cursor": ID}}, status=200),
        Attempt("cursor", options={"params": {"cursor": ID}, "headers": {"If-None-Match": f'"{ID}"'}}, status=200)],
    "post /api/sync": [Attempt("cursor", {"cursor": ID, "mutations": []}, status=200)],
    "get /api/sync/digest": [Attempt(status=200)],
    "get /api/sync/conflicts": [Attempt(status=200)],
    "delete /api/sync/conflicts/{id}": [Attempt("conflict", status=404)],
    "get /api/focus/active": [Attempt(status=200)],
    "get /api/focus/pause": [Attempt(status=200)],
    "post /api/focus/pause": [Attempt(status=404)],
    "delete /api/focus/pause": [Attempt(status=404)],
    "get /api/focus": [Attempt(status=200), Attempt("session", options={"params": {"before": ID}}, status=200)],
    "post /api/focus": [
        Attempt(body={"replace": True}, status=201),
        Attempt("session", {"replace": True}, key(ID), status=201)],
    "post /api/focus/{id}/complete": [Attempt("session", status=404)],
    "post /api/focus/{id}/abandon": [Attempt("session", status=404)],
    "get /api/focus/stats": [Attempt(status=200)],
    "get /api/market": [Attempt(status=200)],
    "get /api/market/items": [Attempt(options={"params": {"limit": "100"}}, status=200)],
    "get /api/market/items/{id}": [Attempt("thing", status=404)],
    "post /api/market/items": [
        Attempt(body={"name": "Mine", "cost_coins": 1}, status=201),
        Attempt("thing", {"name": "Mine", "cost_coins": 1}, key(ID), status=201)],
    "patch /api/market/items/{id}": [Attempt("thing", {"name": "taken over"}, status=404)],
    "delete /api/market/items/{id}": [Attempt("thing", status=404)],
    "get /api/market/categories": [Attempt(status=200)],
    "post /api/market/purchase": [Attempt("thing", {"item_id": ID}, key("{fresh}"), status=404)],
    "get /api/market/inventory": [Attempt(status=200)],
    "post /api/market/redeem": [Attempt("thing", {"item_id": ID}, status=404)],
    "post /api/market/refund": [Attempt("transaction", {"transaction_id": ID}, status=404)],
    "get /api/market/wallet": [Attempt(status=200)],
    "get /api/market/transactions": [Attempt(status=200)],
    "get /api/market/rewards": [Attempt(status=200)],
    "post /api/market/rewards/{id}/claim": [Attempt("reward", status=404)],
    "get /api/market/recommendations": [Attempt(status=200)],
    "get /api/realtime": [],
    "get /api/flags": [],
    "post /api/flags/reports": [],
    "get /api/client": [],
    "get /healthz": [],
    "get /readyz": [],
    "get /metrics": [],
    "get /problems": [],
    "get /problems/{code}": [],
    "get /openapi.json": [],
}

# By the mutation's name: arguments, with what `ID` stands for in them.
MUTATIONS: dict[str, list[tuple[str | None, dict[str, Any]]]] = {
    "settings.set": [("key", {"key": ID, "value": "mine"})],
    "settings.delete": [("key", {"key": ID})],
    "focus.start": [(None, {"replace": True})],
    "focus.pause": [("session", {"id": ID}), (None, {})],
    "focus.resume": [("session", {"id": ID}), (None, {})],
    "focus.complete": [("session", {"id": ID})],
    "focus.abandon": [("session", {"id": ID})],
    "market.purchase": [("thing", {"item_id": ID})],
    "market.redeem": [("thing", {"item_id": ID})],
    "market.refund": [("transaction", {"transaction_id": ID})],
    "market.claim": [("reward", {"reward_id": ID})],
}


def belongings(owner: Client) -> dict[str, str]:
    """Gives a user one of everything that has a name, all of them made up, and says what they are called."""
    name = f"key.{uuid.uuid4().hex}"
    set_by = str(uuid.uuid4())
    owner.set(name, f"value {uuid.uuid4().hex}", **key(set_by))
    owner.set(name, f"value {uuid.uuid4().hex}")
    phone = owner.other_device(f"phone {uuid.uuid4().hex}")
    lost = mutation("settings.set", {"key": name, "value": f"lost {uuid.uuid4().hex}"}, base_version=0)
    assert phone.push(lost)["results"][0]["status"] == "conflict"
    phone.close()
    session = owner.expect(201, "POST", "/api/focus", {"task_title": f"task {uuid.uuid4().hex}", "duration_seconds": 14_400})
    made = owner.expect(201, "POST", "/api/market/items", {"name": f"thing {uuid.uuid4().hex}", "cost_coins": 0})
    bought = owner.expect(201, "POST", "/api/market/purchase", {"item_id": made["id"]}, **key(str(uuid.uuid4())))
    rewards = owner.expect(200, "GET", "/api/market/rewards")["rewards"]
    return {
        "thing": made["id"], "transaction": bought["transaction"]["id"], "reward": rewards[0]["id"],
        "session": session["id"], "device": phone.device["id"], "key": name, "mutation": set_by, "conflict": lost["id"],
        "cursor": owner.pull()["cursor"]}


UNKNOWN: dict[str, Callable[[], str]] = {
    "key": lambda: f"key.{uuid.uuid4().hex}", "cursor": lambda: f"{uuid.uuid4().hex[:16]}.7.1"}


def unknown(of: str) -> str:
    """A name of that kind which nobody has."""
    return UNKNOWN.get(of, lambda: str(uuid.uuid4()))()


def operations() -> list[str]:
    """What is described, and what has a case already."""
    described = {f"{method} {path}" for path, item in DESCRIPTION["paths"].items() for method in item if method in METHODS}
    return sorted(described | set(OPERATIONS))


def pushable(client: Client) -> set[str]:
    """The mutations that the server takes in a push: of all that its code names, those it does not call unknown."""
    named = re.compile(r'"([a-z_]+(?:\.[a-z_]+)+)"')
    names = {name for file in (ROOT / "Modules").rglob("*.swift") for name in named.findall(file.read_text())}
    results = client.push(*[mutation(name, {}) for name in sorted(names)])["results"]
    return {name for name, result in zip(sorted(names), results, strict=True)
            if result.get("problem", {}).get("code") != "unknown_mutation"}


@dataclass
class Pair:
    mine: Client
    theirs: Client
    names: dict[str, str]
    socket: Realtime

    def filled(self, value: Any, id: str) -> Any:
        """`value` with everything in it that stands for something."""
        if isinstance(value, dict):
            return {self.filled(one, id): self.filled(other, id) for one, other in value.items()}
        if isinstance(value, list):
            return [self.filled(one, id) for one in value]
        if not isinstance(value, str):
            return value
        return (value.replace(ID, id).replace("{my email}", self.mine.email).replace("{my password}", self.mine.password)
                .replace("{their device}", self.names["device"]).replace("{fresh}", str(uuid.uuid4())))

    def send(self, operation: str, attempt: Attempt, id: str) -> httpx.Response:
        method, path = operation.split(" ")
        path = re.sub(r"\{(\w+)\}", lambda found: attempt.path.get(found[1], id), path)
        body = self.filled(attempt.body, id) if attempt.body is not ... else ...
        return self.mine.request(method.upper(), path, body, **self.filled(attempt.options, id))

    def state(self) -> dict[str, Any]:
        """All that is kept about the second user, but for what his own looking moves."""
        export = self.theirs.expect(200, "GET", "/api/account/export")
        # What the server works out about him in its own time.
        for table in ("device_presence", "market_recommendations", "recommendation_baskets"):
            export["tables"].pop(table)
        for device in export["tables"]["devices"]:
            device.pop("last_seen_at")
        return {"user": export["user"], "tables": export["tables"], "digest": self.theirs.digest()}

    def secrets(self) -> list[str]:
        """What the first user must never be shown."""
        settings = [str(value) for value in self.theirs.settings().values()]
        me = [self.theirs.email, self.theirs.user["id"], self.theirs.device["id"], self.theirs.token or "-"]
        return [*self.names.values(), *settings, *me]

    def untouched(self, before: dict[str, Any], seen: int) -> None:
        """The second user has what he had, and his socket said nothing of his own."""
        assert self.state() == before
        self.socket.send({"type": "ping", "t": len(self.socket.messages)})
        self.socket.wait_type("pong", after=seen)
        told = [message for message in self.socket.messages[seen:] if message["type"] in ("changes", "pushed")]
        assert not [one for message in told for one in message["documents"] if one["collection"] not in SHARED_COLLECTIONS]


@pytest.fixture
def pair(shared_server: Server, sign_up: Callable[..., Client]) -> Pair:
    mine, theirs = sign_up(shared_server, name="Mine"), sign_up(shared_server, name="Theirs")
    names = belongings(theirs)
    return Pair(mine, theirs, names, theirs.socket().caught_up())


def plain(text: str, id: str) -> str:
    """An answer without what differs between any two: its id, its time, its user's epoch, the name that was asked for, and
    what the ids of a user's first reward of the day are."""
    text = re.sub(r'"request_id"(\s*:\s*)"[^"]*"', r'"request_id"\1""', text.replace(id, ID))
    text = re.sub(r'"\d{4}-\d\d-\d\dT[0-9:.]+Z"', '"time"', text)
    text = re.sub(r'("collection"\s*:\s*"rewards"\s*,\s*"id"\s*:\s*"|"value"\s*:\s*\{"id"\s*:\s*")[0-9a-f-]{36}', r"\1", text)
    return re.sub(r'"[0-9a-f]{16}\.(\d+\.\d+)"', r'"\1"', text)


def headers(answer: httpx.Response, id: str) -> dict[str, str]:
    return {name: plain(value, id) for name, value in answer.headers.items() if name not in ("x-request-id", "date")}


@pytest.mark.parametrize("operation", operations())
def test_no_operation_shows_or_touches_what_is_anothers(
    operation: str, pair: Pair, shared_server: Server, sign_up: Callable[..., Client],
) -> None:
    assert operation in OPERATIONS, f"{operation} is new: say in OPERATIONS what of another user it could name"
    for attempt in OPERATIONS[operation]:
        before, seen, secrets = pair.state(), len(pair.socket.messages), pair.secrets()
        sent = pair.names[attempt.of] if attempt.of else ""
        answer = pair.send(operation, attempt, sent)
        assert answer.status_code == attempt.status, answer.text
        shown = answer.text.replace(sent, "") if sent else answer.text
        assert [secret for secret in secrets if secret and secret in shown] == []
        pair.untouched(before, seen)
        if attempt.of:
            # Somebody who has sent nothing yet asks for what nobody has.
            nobody = unknown(attempt.of)
            fresh = Pair(sign_up(shared_server, name="Mine"), pair.theirs, pair.names, pair.socket)
            other = fresh.send(operation, attempt, nobody)
            assert (answer.status_code, headers(answer, sent)) == (other.status_code, headers(other, nobody))
            assert plain(answer.text, sent) == plain(other.text, nobody)
        # Only the first attempt of a user is his first.
        pair.mine = sign_up(shared_server, name="Mine")


@pytest.mark.parametrize("name", sorted(MUTATIONS))
@pytest.mark.parametrize("door", ["rest", "socket"])
def test_no_mutation_touches_what_is_anothers(
    name: str, door: str, pair: Pair, shared_server: Server, sign_up: Callable[..., Client],
) -> None:
    def push(client: Client, sent: dict[str, Any]) -> dict[str, Any]:
        if door == "rest":
            return client.push(sent)["results"][0]
        socket = client.socket().caught_up()
        socket.push(sent)
        return socket.wait_type("pushed")["results"][0]

    for of, args in MUTATIONS[name]:
        before, seen, secrets = pair.state(), len(pair.socket.messages), pair.secrets()
        results = []
        for id in (pair.names[of] if of else "", unknown(of) if of else ""):
            client = sign_up(shared_server, name="Mine")
            sent = mutation(name, pair.filled(args, id))
            result = push(client, sent)
            assert [secret for secret in secrets if secret != id and secret in json.dumps(result)] == []
            results.append(plain(json.dumps(result).replace(sent["id"], "").replace(": ", ":"), id or "\0"))
        if of:
            assert results[0] == results[1]
        pair.untouched(before, seen)
        # The id of somebody else's mutation, and of what it made, is no id of one's own.
        for taken in ("mutation", "session"):
            client = sign_up(shared_server, name="Mine")
            result = push(client, mutation(name, pair.filled(args, unknown(of or "")), id=pair.names[taken]))
            assert "replayed" not in result
            pair.untouched(before, seen)


def test_every_mutation_that_can_be_pushed_has_a_case(user: Client) -> None:
    assert pushable(user) == set(MUTATIONS)
    assert set(DESCRIPTION["components"]["schemas"]["Mutation"]["properties"]["name"]["enum"]) <= set(MUTATIONS)


def test_neither_hears_what_the_other_does(pair: Pair) -> None:
    """Every kind of write by one, and what reaches the other's socket is nothing of it."""
    mine = pair.mine.socket().caught_up()
    seen = len(mine.messages)
    pair.theirs.set("theme", "dark")
    pair.theirs.patch({"a": 1, "theme": None})
    pair.theirs.expect(200, "POST", "/api/focus/pause")
    pair.theirs.expect(200, "DELETE", "/api/focus/pause")
    pair.theirs.expect(200, "POST", f"/api/focus/{pair.names['session']}/abandon")
    pair.theirs.other_device("another").close()
    pair.theirs.expect(200, "PATCH", f"/api/devices/{pair.names['device']}", {"name": "renamed"})
    pair.theirs.expect(204, "DELETE", f"/api/devices/{pair.names['device']}")
    mine.send({"type": "ping", "t": 1})
    mine.wait_type("pong", after=seen)
    assert [message["type"] for message in mine.messages[seen:] if message["type"] not in ("presence", "pong")] == []
    for message in mine.messages:
        if message["type"] == "presence":
            assert {device["name"] for device in message["devices"]} == {"Mine"}
