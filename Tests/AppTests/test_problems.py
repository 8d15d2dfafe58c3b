"""Every `type` of a problem leads to a page, and docs/errors.md and the OpenAPI document list the same codes.

After a change of the table `LOCKSTEP_WRITE_ERRORS=1 .venv/bin/pytest Tests/AppTests/test_problems.py` writes both anew.
"""

from __future__ import annotations

import html
import json
import os
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import Client, RawSocket, Server, mutation

ROOT = Path(__file__).resolve().parents[2]
ERRORS, OPENAPI = ROOT / "docs/errors.md", ROOT / "Clients/Web/openapi.json"
PAGE, JSON = {"Accept": "text/html,*/*;q=0.8"}, {"Accept": "application/json"}
HEAD = """# Errors

Every answer that is not good is a problem as RFC 9457 has it: `code` is what a program decides by, `type` (`/problems/<code>`) leads to a
page with what stands here, and `detail` says what happened this time: one of the texts below, with what is meant in place of names in
braces. Within v1 codes are added and never change; take an unknown
one by its status. `GET /problems`, asked for `application/json`, is this table for programs.

**Final** means that the same request, under the same Idempotency-Key or mutation id, gets this answer again: a new attempt is a new
id. Of what is not final nothing is kept: once the cause is gone, send it again under the same key. In a push each result ends its
mutation for the queue, final or not: none holds up the next.

This page is written from the table in the code, by a test that fails while the two differ.

| code | status | title | `detail` | what it means, and what to do | final |
|---|---|---|---|---|---|
"""


@pytest.fixture(scope="module")
def problems(shared_server: Server) -> list[dict[str, Any]]:
    return httpx.get(f"{shared_server.url}/problems", headers=JSON).raise_for_status().json()["problems"]


def row(problem: dict[str, Any]) -> str:
    statuses = ", ".join(str(it) for it in problem["statuses"])
    final = "yes" if problem["final"] else "no"
    details = " · ".join(f"“{it}”" for it in problem["details"])
    return f"| `{problem['code']}` | {statuses} | {problem['title']} | {details} | {problem['meaning']} | {final} |\n"


def test_the_document_of_errors_is_written_from_the_table(problems: list[dict[str, Any]]) -> None:
    written = HEAD + "".join(row(it) for it in problems)
    if os.environ.get("LOCKSTEP_WRITE_ERRORS"):
        ERRORS.write_text(written)
    assert ERRORS.read_text() == written, "LOCKSTEP_WRITE_ERRORS=1 .venv/bin/pytest Tests/AppTests/test_problems.py writes it"


def test_the_openapi_document_lists_the_codes_of_the_table(problems: list[dict[str, Any]]) -> None:
    document = json.loads(OPENAPI.read_text())
    codes = document["components"]["schemas"]["StoredProblem"]["properties"]["code"]
    if os.environ.get("LOCKSTEP_WRITE_ERRORS"):
        codes["x-extensible-enum"] = [it["code"] for it in problems]
        OPENAPI.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    assert codes["x-extensible-enum"] == [it["code"] for it in problems]


def test_every_code_has_a_page_and_the_list_leads_to_it(problems: list[dict[str, Any]], shared_server: Server) -> None:
    listed = httpx.get(f"{shared_server.url}/problems", headers=PAGE)
    assert listed.headers["content-type"] == "text/html; charset=utf-8"
    for problem in problems:
        assert f'href="{problem["type"]}"' in listed.text
        page = httpx.get(shared_server.url + problem["type"], headers=PAGE)
        assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "Accept" in page.headers["vary"] and page.headers["cache-control"] == "no-store"
        assert f"<h1>{problem['title']}</h1>" in html.unescape(page.text) and problem["code"] in page.text
        assert "{{" not in page.text
        assert httpx.get(shared_server.url + problem["type"], headers=JSON).json() == problem


def test_what_asks_for_nothing_by_name_gets_the_page(shared_server: Server) -> None:
    answer = httpx.get(f"{shared_server.url}/problems/not_found", headers={"Accept": "*/*"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert httpx.head(f"{shared_server.url}/problems/not_found").status_code == 200


def test_an_unknown_code_is_not_found_as_a_page_and_as_a_problem(shared_server: Server) -> None:
    for name in ("no_such_code", "Not_Found", "not_found%20", "%00"):
        page = httpx.get(f"{shared_server.url}/problems/{name}", headers=PAGE)
        assert page.status_code == 404 and "There is nothing at this address" in page.text, name
        problem = httpx.get(f"{shared_server.url}/problems/{name}", headers=JSON)
        assert problem.status_code == 404 and problem.json()["code"] == "not_found", name


def refusals(client: Client) -> list[tuple[str, dict[str, Any]]]:
    """Problems as this server really sends them, some of each room, with the code that is meant."""
    def problem(method: str, path: str, body: Any = ..., **options: Any) -> dict[str, Any]:
        answer = client.request(method, path, body, **options)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        return answer.json() | {"status_of_answer": answer.status_code}

    def raw(head: str) -> dict[str, Any]:
        with RawSocket(client.url) as socket:
            socket.send(head)
            return socket.response().json()

    dear = client.expect(201, "POST", "/api/market/items", {"name": "Sail", "cost_coins": 10})["id"]
    key = {"Idempotency-Key": str(uuid.uuid4())}
    client.set("k", 1, headers=key)
    client.expect(201, "POST", "/api/focus", {})
    credentials = {"email": client.email, "password": "not the right one", "device": {"name": "x", "kind": "web"}}
    passwords = {"current_password": "not the right one", "new_password": client.password}
    pushed = client.push(mutation("no.such", {}))["results"][0]["problem"]
    first, second = (mutation("settings.set", {"key": "k", "value": it}, seq=7) for it in (2, 3))
    client.push(first)
    forked = client.push(second)["results"][0]["problem"]
    return [
        ("unauthenticated", problem("GET", "/api/settings", headers={"Authorization": ""})),
        ("not_found", problem("GET", "/api/settings/none")),
        ("method_not_allowed", problem("DELETE", "/healthz")),
        ("invalid_body", problem("POST", "/api/settings", {"key": 5})),
        ("invalid_query", problem("GET", "/api/focus?limit=0")),
        ("version_mismatch", problem("POST", "/api/settings", {"key": "k", "value": 5}, headers={"If-Match": '"999999"'})),
        ("unsupported_media_type", problem("POST", "/api/settings", content=b"<a/>", headers={"Content-Type": "text/xml"})),
        ("idempotency_key_reused", problem("POST", "/api/settings", {"key": "k", "value": 9}, headers=key)),
        ("unknown_mutation", pushed),
        ("device_forked", forked),
        ("wrong_credentials", problem("POST", "/api/auth/login", credentials)),
        ("wrong_credentials", problem("POST", "/api/auth/password", passwords)),
        ("invalid_setting", problem("POST", "/api/settings", {"key": "theme", "value": "mauve"})),
        ("session_live", problem("POST", "/api/focus", {})),
        ("not_paused", problem("DELETE", "/api/focus/pause")),
        ("idempotency_key_required", problem("POST", "/api/market/purchase", {"item_id": dear})),
        ("insufficient_coins", problem(
            "POST", "/api/market/purchase", {"item_id": dear}, headers={"Idempotency-Key": str(uuid.uuid4())})),
        ("upgrade_required", problem("GET", "/api/realtime")),
        ("bad_request", raw("GET / HTTP/1.1\r\n\r\n")),
        ("not_implemented", raw("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")),
        ("headers_too_large", raw(f"GET / HTTP/1.1\r\nHost: x\r\nX: {'x' * 20_000}\r\n\r\n")),
    ]


def test_the_type_of_every_problem_that_is_sent_leads_to_its_words(
    user: Client, problems: list[dict[str, Any]],
) -> None:
    table = {it["code"]: it for it in problems}
    for code, problem in refusals(user):
        assert problem["code"] == code, problem
        answer = httpx.get(user.url + problem["type"], headers=PAGE)
        assert answer.status_code == 200 and f"<h1>{problem['title']}</h1>" in html.unescape(answer.text), code
        entry = table[code]
        assert problem["title"] == entry["title"] and problem["status"] in entry["statuses"], code
        assert problem.get("status_of_answer", problem["status"]) == problem["status"], code
