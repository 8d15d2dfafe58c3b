"""The server against its own OpenAPI document: Schemathesis as two users, with all of its checks, for two minutes.

Not in `make test`: `make test-faults` runs it, and installs Schemathesis beside the other tests' packages, which it would
slow down.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Client, Server

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".build/schemathesis/bin/schemathesis"
SECONDS = int(os.environ.get("LOCKSTEP_DOCUMENT_SECONDS", "120"))

CONFIGURATION = """
continue-on-failure = true
hooks = "{hooks}"

# What no schema says of all text: NUL and lone surrogates are refused.
[generation]
database = "none"
allow-x00 = false
codec = "utf-8"

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422]

# What is refused for what stands in the database, and not for how it looks.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 429, "5xx"]

# It is asked as a WebSocket.
[[operations]]
include-path = "/api/realtime"
checks.positive_data_acceptance.expected-statuses = [101, 403, 426]

[auth.wfc]
path = "{users}"
peers = ["Ada", "Bob"]
"""


def sign_in(name: str, person: Client) -> dict[str, Any]:
    """How the person signs in, again and again: what is tried signs them out too."""
    device = {"name": name, "kind": "web", "id": person.device["id"]}
    return {"name": name, "loginEndpointAuth": {
        "endpoint": "/api/auth/login", "verb": "POST", "contentType": "application/json",
        "payloadRaw": json.dumps({"email": person.email, "password": person.password, "device": device}),
        "token": {"extractFrom": "body", "extractSelector": "/token", "sendIn": "header", "sendName": "Authorization",
                  "sendTemplate": "Bearer {token}"},
    }}


@pytest.mark.document
@pytest.mark.timeout(SECONDS + 120)
def test_two_users_find_nothing_that_the_document_does_not_say(
    server: Server, sign_up: Callable[..., Client], tmp_path: Path,
) -> None:
    people = {"Ada": sign_up(), "Bob": sign_up()}
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"auth": [sign_in(name, person) for name, person in people.items()]}))
    configuration = tmp_path / "schemathesis.toml"
    hooks = ROOT / "Tests/harness/document_hooks.py"
    configuration.write_text(CONFIGURATION.format(users=users, hooks=hooks))
    found = subprocess.run(
        [PROGRAM, "--config-file", configuration, "run", f"{server.url}/openapi.json", "--checks", "all",
         "--max-time", str(SECONDS), "--no-color"],
        cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
