"""Who was signed out moments ago, and is remembered by the process that answers (docs/decisions/0041), is nobody: in every
operation, whatever they send.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import Client, Database, Server, mutation

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = json.loads((ROOT / "Clients" / "Web" / "openapi.json").read_text())
METHODS = {"get", "post", "patch", "put", "delete"}


def operations() -> list[str]:
    """Those that are for who is signed in."""
    return sorted(
        f"{method} {path}" for path, item in DESCRIPTION["paths"].items() for method, operation in item.items()
        if method in METHODS and operation.get("security") != [] and "401" in operation["responses"]
        and path not in ("/api/auth/login", "/api/realtime"))


@pytest.fixture
def gone(shared_server: Server, sign_up: Callable[..., Client]) -> Client:
    """A device that asked for everything a moment ago, and whose session another device has ended."""
    owner = sign_up(shared_server)
    device = owner.other_device("lost")
    for _ in range(2):
        device.expect(200, "GET", "/api/settings")
    owner.expect(204, "DELETE", f"/api/devices/{device.device['id']}")
    return device


@pytest.mark.parametrize("operation", operations())
def test_no_operation_serves_who_was_signed_out(operation: str, gone: Client) -> None:
    method, path = operation.split(" ")
    path = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
    for body in (... if method in ("get", "delete") else {}, {"key": "theme", "value": "dark"}, [1]):
        answer = gone.request(method.upper(), path, body)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (operation, body, answer.text)


def test_nor_is_a_poll_answered_with_what_another_device_reads_at_that_moment(
    shared_server: Server, sign_up: Callable[..., Client],
) -> None:
    owner = sign_up(shared_server)
    lost = owner.other_device("lost")
    owner.set("theme", "dark")
    cursor = owner.pull()["cursor"]
    lost.expect(200, "GET", "/api/sync", params={"cursor": cursor})
    owner.expect(204, "DELETE", f"/api/devices/{lost.device['id']}")
    with ThreadPoolExecutor(16) as both:
        def ask(client: Client) -> int:
            return client.request("GET", "/api/sync", params={"cursor": cursor}).status_code
        answers = list(both.map(ask, [owner, lost] * 40))
    assert answers == [200, 401] * 40


def test_a_session_that_ends_while_it_is_remembered_is_refused_in_its_own_statement(
    server: Server, client: Client, database: Database,
) -> None:
    client.expect(200, "GET", "/api/settings")
    client.expect(200, "GET", "/api/settings")
    database.rows("UPDATE sessions SET expires_at = now() - interval '1 second'")
    assert client.request("GET", "/api/settings").status_code == 401
    assert client.request("GET", "/api/sync").status_code == 401
    assert client.request("POST", "/api/sync", {"mutations": [mutation("settings.set", {"key": "a", "value": 1})]}).status_code == 401
    assert client.request("POST", "/api/settings", {"key": "a", "value": 1}).status_code == 401
    assert database.value("SELECT count(*) FROM user_settings") == 0
    assert database.value("SELECT count(*) FROM mutations") == 0
