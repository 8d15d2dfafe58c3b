"""The product's switches, and what storage guards report (contract, section 8)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from harness import Client, Database, Server, eventually, lockstep

GUARD = "DISABLE_MASS_LOCAL_PERSISTENCE"


def flags(server: Server) -> dict[str, dict[str, Any]]:
    answer = httpx.get(f"{server.url}/api/flags").raise_for_status()
    return {flag["name"]: flag for flag in answer.json()["flags"]}


def command(database: Database, *arguments: str) -> Any:
    return lockstep("flags", *arguments, env={"DATABASE_URL": database.url})


def test_the_guard_is_on_and_known_before_anybody_signs_in(shared_server: Server) -> None:
    flag = flags(shared_server)[GUARD]
    assert set(flag) == {"name", "enabled", "description", "version", "allowed_keys"}
    assert flag["enabled"] is True and flag["version"] >= 1
    for key in ("theme", "wallet", "rewards", "purchases", "focus_paused_state"):
        assert key not in flag["allowed_keys"]


def test_flags_are_documents_of_every_replica(user: Client, shared_server: Server) -> None:
    documents = user.pull()["documents"]
    assert [one for one in documents if one["collection"] == "flags"] == [
        {"collection": "flags", "id": GUARD, "value": flags(shared_server)[GUARD], "version": flags(shared_server)[GUARD]["version"]}]
    assert user.replica().digest() == user.digest()["digest"]


@pytest.mark.timed
def test_a_switch_reaches_sockets_waiting_polls_and_other_processes_within_a_second(
    server: Server, client: Client, database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    elsewhere = sign_up(start_server())
    sockets = [client.socket().caught_up(), elsewhere.socket().caught_up()]
    marks = [len(socket.messages) for socket in sockets]
    cursor = client.pull()["cursor"]
    polled: list[dict[str, Any]] = []
    poll = threading.Thread(target=lambda: polled.append(client.pull(cursor, wait=20)))
    poll.start()
    eventually(lambda: server.metric("lockstep_waiting_polls") == 1, what="the poll waits")
    done = command(database, "set", GUARD, "off")
    assert (done.returncode, done.stdout) == (0, f"{GUARD} is off\n")
    for socket, mark in zip(sockets, marks, strict=True):
        (document,) = socket.changes(after=mark, within=1)["documents"]
        assert (document["collection"], document["id"], document["value"]["enabled"]) == ("flags", GUARD, False)
    poll.join(1)
    assert [one["value"]["enabled"] for one in polled[0]["documents"]] == [False]
    assert flags(server)[GUARD]["enabled"] is False
    assert client.replica().digest() == client.digest()["digest"]


def test_a_switch_that_is_so_already_tells_nobody(server: Server, client: Client, database: Database) -> None:
    before = flags(server)
    cursor = client.pull()["cursor"]
    assert command(database, "set", GUARD, "on").returncode == 0
    assert flags(server) == before and client.pull(cursor)["documents"] == []


def test_keys_that_the_guard_allows_can_be_set(server: Server, database: Database) -> None:
    assert command(database, "set", GUARD, "on", "--allowed-keys", "ui.sidebar, ui.zoom").returncode == 0
    assert flags(server)[GUARD]["allowed_keys"] == ["ui.sidebar", "ui.zoom"]
    assert command(database, "set", GUARD, "on", "--allowed-keys", "").returncode == 0
    assert flags(server)[GUARD]["allowed_keys"] == []
    assert command(database, "set", GUARD, "off").returncode == 0
    assert flags(server)[GUARD]["allowed_keys"] == []


def test_the_list_names_every_flag(server: Server, database: Database) -> None:
    done = command(database, "list")
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    assert line.split("\t")[:3] == ["on", GUARD, "ui.density,ui.last_page,ui.sidebar"]


@pytest.mark.parametrize(("arguments", "said"), [
    (["set", "NO_SUCH_FLAG", "on"], f"there is no flag NO_SUCH_FLAG; there is {GUARD}"), (["set", GUARD, "perhaps"], "perhaps"),
    (["set", GUARD, "on", "--allowed-keys", "a,,b"], "is no key"), (["set", GUARD], "Missing expected argument"),
])
def test_a_wrong_command_says_so_in_a_line(server: Server, database: Database, arguments: list[str], said: str) -> None:
    before = flags(server)
    done = command(database, *arguments)
    assert done.returncode != 0 and said in done.stderr and flags(server) == before


def test_without_a_database_the_command_says_which(tmp_path: Any) -> None:
    done = lockstep("flags", "list", env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert done.returncode == 1 and done.stderr.startswith("lockstep: the database") and len(done.stderr.splitlines()) == 1


def test_a_poller_gets_304_until_something_is_switched(server: Server, database: Database) -> None:
    tag = httpx.get(f"{server.url}/api/flags").headers["etag"]
    assert httpx.get(f"{server.url}/api/flags", headers={"If-None-Match": tag}).status_code == 304
    command(database, "set", GUARD, "off")
    assert httpx.get(f"{server.url}/api/flags", headers={"If-None-Match": tag}).status_code == 200


class TestReports:
    def report(self, server: Server, counts: Any, mode: Any = "enforce", **options: Any) -> httpx.Response:
        return httpx.post(f"{server.url}/api/flags/reports", json={"counts": counts, "mode": mode}, **options)

    def test_counts_add_up_where_an_operator_looks(self, server: Server, database: Database) -> None:
        assert self.report(server, {"wallet": 3, "my.key": 1}).status_code == 204
        assert self.report(server, {"wallet": 2}).status_code == 204
        assert self.report(server, {"theme": 1}, "report").status_code == 204
        assert self.report(server, {}).status_code == 204
        page = httpx.get(f"{server.url}/metrics").text
        for line in ('{mode="enforce",key="known"} 5.0', '{mode="enforce",key="other"} 1.0', '{mode="report",key="known"} 1.0'):
            assert f"lockstep_storage_guard_refusals_total{line}" in page
        assert "my.key" not in page and "wallet" not in page
        lines = [line.split("\t")[:3] for line in command(database, "report").stdout.splitlines()]
        assert lines == [["5", "enforce", "wallet"], ["1", "enforce", "my.key"], ["1", "report", "theme"]]
        assert "known=3" in server.log() and "other=1" in server.log() and "mode=enforce" in server.log()
        assert "my.key" not in server.log()

    def test_names_from_outside_are_cut_and_cannot_break_a_line(self, server: Server, database: Database) -> None:
        assert self.report(server, {"a\nERROR forged\u001b[31m\u202e": 1, "x" * 500: 1, "": 1}).status_code == 204
        keys = {row["key"] for row in database.rows("SELECT key FROM storage_guard_reports")}
        assert keys == {"a\ufffdERROR forged\ufffd[31m\ufffd", "x" * 64, "(empty)"}
        assert "\nERROR forged" not in server.log() and "\u001b" not in server.log()

    def test_strangers_cannot_fill_the_table(self, server: Server, database: Database) -> None:
        for page in range(6):
            assert self.report(server, {f"junk.{page}.{n}": 1 for n in range(64)}).status_code == 204
        assert self.report(server, {"wallet": 1, "late": 1}).status_code == 204
        assert database.value("SELECT count(*) FROM storage_guard_reports") == 202
        kept = {row["key"]: row["count"] for row in database.rows("SELECT key, count FROM storage_guard_reports")}
        assert kept["(other)"] == 6 * 64 - 200 + 1 and kept["wallet"] == 1 and "late" not in kept

    @pytest.mark.parametrize("body", [
        {}, [], {"counts": {"a": 1}}, {"mode": "enforce"}, {"counts": {"a": 1}, "mode": "off"}, {"counts": {"a": 1}, "mode": 1},
        {"counts": {"a": 0}, "mode": "report"}, {"counts": {"a": 1_000_001}, "mode": "report"},
        {"counts": {"a": "1"}, "mode": "report"}, {"counts": {"a": 1.5}, "mode": "report"}, {"counts": [1], "mode": "report"},
        {"counts": {"a\u0000": 1}, "mode": "report"}, {"counts": {str(n): 1 for n in range(65)}, "mode": "report"},
    ])
    def test_a_report_that_says_something_else_is_refused(self, shared_server: Server, body: Any) -> None:
        answer = httpx.post(f"{shared_server.url}/api/flags/reports", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")

    def test_a_foreign_page_cannot_have_its_visitors_report(self, shared_server: Server) -> None:
        answer = self.report(shared_server, {"a": 1}, headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
        assert self.report(shared_server, {"a": 1}, headers={"Origin": shared_server.url}).status_code == 204

    def test_an_address_may_report_thirty_times_a_minute(self, start_server: Callable[..., Server]) -> None:
        server = start_server(defaults=True)
        statuses = [self.report(server, {"a": 1}).status_code for _ in range(60)]
        # While they are sent, some fall due again: one in two seconds.
        assert 30 <= statuses.index(429) < 45
        assert httpx.get(f"{server.url}/api/flags").status_code == 200
