"""Focus over REST, sync and the socket (contract, section 4)."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from harness import Client, Database, Server, documents, eventually, mutation

MEMBERS = {
    "id", "mode", "status", "duration_seconds", "started_at", "ends_at", "paused_at", "remaining_seconds",
    "pause_count", "paused_seconds", "task_title", "coins_awarded", "completed_at", "version",
}


def instant(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def start(client: Client, **body: Any) -> dict[str, Any]:
    return client.expect(201, "POST", "/api/focus", body)


def active(client: Client) -> dict[str, Any]:
    return client.expect(200, "GET", "/api/focus/active")


def session(client: Client, id: str) -> dict[str, Any]:
    return next(it for it in client.expect(200, "GET", "/api/focus")["sessions"] if it["id"] == id)


def completed(client: Client, id: str) -> dict[str, Any] | None:
    found = session(client, id)
    return found if found["status"] == "completed" else None


def test_a_session_starts_with_its_mode_s_length_and_is_seen_everywhere(user: Client) -> None:
    assert active(user)["session_active"] is False and active(user)["session"] is None
    phone = user.other_device()
    made = start(user, task_title="Write")
    assert set(made) == MEMBERS and made["mode"] == "focus" and made["duration_seconds"] == 1500
    length = instant(made["ends_at"]) - instant(made["started_at"])
    assert length == datetime.timedelta(seconds=1500)
    seen = active(phone)
    assert seen["session_active"] is True and seen["session"]["id"] == made["id"]
    assert abs(seen["session"]["remaining_seconds"] - 1500) <= 5 and seen["server_time"].endswith("Z")
    (document,) = documents(phone.pull(), "focus")
    assert (document["collection"], document["id"]) == ("focus", "active")
    assert document["value"] == {**made, "remaining_seconds": None}


def test_pausing_and_resuming_by_rest(user: Client) -> None:
    made = start(user)
    paused = user.expect(200, "POST", "/api/focus/pause")
    assert paused["status"] == "paused" and paused["ends_at"] is None and paused["pause_count"] == 1
    state = user.expect(200, "GET", "/api/focus/pause")
    assert state == {
        "is_paused": True, "session_id": made["id"], "paused_at": paused["paused_at"], "resumed_at": None,
        "remaining_seconds": paused["remaining_seconds"], "version": paused["version"]}
    again = user.request("POST", "/api/focus/pause")
    assert again.status_code == 409 and again.json()["code"] == "not_active" and again.json()["session"] == paused
    resumed = user.expect(200, "DELETE", "/api/focus/pause")
    assert resumed["status"] == "active" and resumed["paused_at"] is None
    assert user.expect(200, "GET", "/api/focus/pause")["is_paused"] is False
    refused = user.request("DELETE", "/api/focus/pause")
    assert refused.status_code == 409 and refused.json()["code"] == "not_paused"
    assert refused.json()["session"]["version"] == resumed["version"]


def test_without_a_session_there_is_nothing_to_pause(user: Client) -> None:
    for method in ("POST", "DELETE"):
        answer = user.request(method, "/api/focus/pause")
        assert answer.status_code == 404 and answer.json()["code"] == "no_session"
    state = user.expect(200, "GET", "/api/focus/pause")
    assert state["is_paused"] is False and state["session_id"] is None and state["version"] == 0


@pytest.mark.parametrize(("body", "pointer"), [
    ({"duration_seconds": 0}, "/duration_seconds"), ({"duration_seconds": -1}, "/duration_seconds"),
    ({"duration_seconds": 14401}, "/duration_seconds"), ({"duration_seconds": 1.5}, "/duration_seconds"),
    ({"duration_seconds": 1e9}, "/duration_seconds"), ({"mode": "nap"}, "/mode"),
    ({"mode": 5}, "/mode"), ({"task_title": "x" * 201}, "/task_title"), ({"replace": 1}, "/replace"),
])
def test_a_session_that_cannot_be_is_refused(user: Client, body: dict[str, Any], pointer: str) -> None:
    answer = user.request("POST", "/api/focus", body)
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_body"
    assert [it["pointer"] for it in answer.json()["errors"]] == [pointer]
    assert active(user)["session_active"] is False


@pytest.mark.timed
def test_one_that_is_moved_by_hand_ends_at_its_new_time(user: Client, shared_database: Database) -> None:
    def status(id: str) -> str:
        return shared_database.value("SELECT status FROM focus_sessions WHERE user_id = %s AND id = %s", [user.user["id"], id])

    running = start(user)["id"]
    shared_database.rows(
        "UPDATE focus_sessions SET started_at = started_at - interval '1 hour', ends_at = ends_at - interval '1 hour' WHERE id = %s",
        [running])
    # Nobody asks: only the clockwork can have done it.
    eventually(lambda: status(running) == "completed", within=1.5, what="the session is over")
    paused = start(user)["id"]
    user.expect(200, "POST", "/api/focus/pause")
    shared_database.rows(
        "UPDATE focus_pause_state SET paused_at = paused_at - interval '2 hours' WHERE session_id = %s", [paused])
    eventually(lambda: status(paused) == "expired", within=1.5, what="the pause has expired")


def test_the_live_session_has_a_tag(user: Client) -> None:
    assert user.request("GET", "/api/focus/active").headers["etag"] == '"0"'
    made = start(user)
    assert user.request("GET", "/api/focus/active").headers["etag"] == f'"{made["version"]}"'


def test_a_poll_that_waited_in_vain_says_when_the_session_ends(user: Client) -> None:
    start(user, duration_seconds=20)
    cursor = user.pull()["cursor"]
    waited = user.poll(cursor, wait=1)
    assert waited.status_code == 304 and 10_000 < int(waited.headers["lockstep-poll-after-ms"]) < 20_000


def test_a_title_with_nul_is_refused_and_markup_is_text(user: Client) -> None:
    answer = user.request("POST", "/api/focus", content=b'{"task_title":"a\\u0000b"}',
                          headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_body"
    markup = "<script>alert('1')</script> & \"more\""
    assert start(user, task_title=markup)["task_title"] == markup


def test_a_second_start_is_refused_or_replaces(user: Client) -> None:
    first = start(user)
    refused = user.request("POST", "/api/focus", {"mode": "break"})
    assert refused.status_code == 409 and refused.json()["code"] == "session_live"
    assert refused.json()["session"]["id"] == first["id"]
    second = start(user, mode="break", replace=True)
    assert second["duration_seconds"] == 300
    assert session(user, first["id"])["status"] == "abandoned"


def test_a_key_gives_the_first_answer_again(user: Client) -> None:
    key = {"headers": {"Idempotency-Key": str(uuid.uuid4())}}
    first = user.request("POST", "/api/focus", {}, **key)
    again = user.request("POST", "/api/focus", {"mode": "focus"}, **key)
    assert first.status_code == again.status_code == 201 and first.content == again.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json()["id"] == key["headers"]["Idempotency-Key"]


def test_ending_before_time_twice_or_somebody_else_s(user: Client, sign_up: Callable[..., Client], shared_server: Server) -> None:
    made = start(user)
    early = user.request("POST", f"/api/focus/{made['id']}/complete")
    assert early.status_code == 409 and early.json()["code"] == "too_early"
    assert 1490 <= early.json()["remaining_seconds"] <= 1500
    other = sign_up(shared_server)
    for verb in ("complete", "abandon"):
        foreign = other.request("POST", f"/api/focus/{made['id']}/{verb}")
        unknown = other.request("POST", f"/api/focus/{uuid.uuid4()}/{verb}")
        senseless = other.request("POST", f"/api/focus/x/{verb}")
        assert foreign.status_code == unknown.status_code == senseless.status_code == 404
        assert {**foreign.json(), "request_id": 0} == {**unknown.json(), "request_id": 0}
    assert user.expect(200, "POST", f"/api/focus/{made['id']}/abandon")["status"] == "abandoned"
    for verb in ("complete", "abandon"):
        again = user.request("POST", f"/api/focus/{made['id']}/{verb}")
        assert again.status_code == 409 and again.json()["code"] == "already_ended"


def test_a_session_nobody_watches_is_completed_at_its_due_time(user: Client, shared_database: Database) -> None:
    made = start(user, duration_seconds=1)
    # Looked for in the database: every route about the session would end it by itself.
    status = "SELECT status FROM focus_sessions WHERE id = %s"
    eventually(lambda: shared_database.value(status, [made["id"]]) == "completed", within=8, what="completed by the clockwork")
    found = session(user, made["id"])
    assert found["status"] == "completed" and found["completed_at"] == made["ends_at"]
    assert active(user)["session_active"] is False
    done = user.expect(200, "POST", f"/api/focus/{made['id']}/complete")
    assert done["completed_at"] == made["ends_at"] and done["version"] == found["version"]


def test_a_socket_hears_of_an_end_within_a_second(user: Client) -> None:
    socket = user.socket().caught_up()
    made = start(user, duration_seconds=1)
    begun = socket.wait(lambda it: it["type"] == "changes" and documents(it, "focus"), what="the start")
    assert documents(begun, "focus")[0]["value"]["id"] == made["id"]
    version = made["version"] + 1
    frame = socket.wait(
        lambda it: it["type"] == "changes" and any(d["version"] == version for d in documents(it, "focus")), what="the end")
    late = instant(frame["server_time"]) - instant(made["ends_at"])
    assert documents(frame, "focus") == [{"collection": "focus", "id": "active", "value": None, "version": version}]
    assert datetime.timedelta(0) <= late < datetime.timedelta(seconds=1)


def test_a_poll_is_asked_for_when_the_session_ends(user: Client) -> None:
    assert user.pull()["poll_after_ms"] == 30_000
    start(user, duration_seconds=10)
    pull = user.pull()
    assert 5_000 < pull["poll_after_ms"] <= 11_000
    assert 5_000 < int(user.poll(pull["cursor"]).headers["Lockstep-Poll-After-Ms"]) <= 11_000
    user.expect(200, "POST", "/api/focus/pause")
    assert user.pull()["poll_after_ms"] == 30_000


def test_offline_mutations_have_names_for_what_they_make(user: Client) -> None:
    begin = mutation("focus.start", {"duration_seconds": 600}, base_version=0)
    id = begin["id"]
    results = user.push(
        begin, mutation("focus.pause", {"id": id}, base_version=0, age_ms=60_000), mutation("focus.resume", {}, base_version=0),
        mutation("focus.pause", {"id": str(uuid.uuid4())}), mutation("focus.complete", {"id": id}, base_version=0),
        mutation("focus.abandon", {"id": id}, base_version=0), mutation("focus.abandon", {"id": id}))["results"]
    assert [it["status"] for it in results] == [
        "applied", "applied", "applied", "rejected", "rejected", "applied", "rejected"]
    assert results[0]["output"]["id"] == id and results[0]["document"]["value"]["remaining_seconds"] is None
    assert [results[at]["problem"]["code"] for at in (3, 4, 6)] == ["not_found", "too_early", "already_ended"]
    assert documents(user.pull(), "focus") == []


def test_an_age_moves_a_pause_back_within_what_was_possible(user: Client) -> None:
    begin = mutation("focus.start", {"duration_seconds": 600})
    result = user.push(begin, mutation("focus.pause", {}, age_ms=3_600_000))["results"][1]
    paused = result["output"]
    assert paused["paused_at"] == paused["started_at"] and paused["remaining_seconds"] == 600


def test_a_stale_pause_is_a_conflict_with_the_truth(user: Client) -> None:
    phone = user.other_device()
    made = start(user)
    paused = phone.expect(200, "POST", "/api/focus/pause")
    stale = mutation("focus.resume", {"id": made["id"]}, base_version=made["version"])
    result = user.push(stale)["results"][0]
    assert result["status"] == "conflict" and result["document"]["value"] == {**paused, "remaining_seconds": 1500}
    (kept,) = user.conflicts()
    assert kept["id"] == stale["id"] and kept["mutation"]["name"] == "focus.resume"
    assert kept["current"]["version"] == paused["version"]


def test_statistics_hold_every_day_of_the_period(user: Client) -> None:
    found = user.expect(200, "GET", "/api/focus/stats", params={"days": "7", "tz": "America/New_York"})
    assert set(found) == {"sessions", "focus_seconds", "coins_awarded", "streak_days", "longest_streak_days", "per_day"}
    assert len(found["per_day"]) == 7 and found["per_day"][0] == {
        "date": found["per_day"][0]["date"], "sessions": 0, "focus_seconds": 0}
    made = start(user, duration_seconds=1)
    eventually(lambda: completed(user, made["id"]), within=5, what="completed")
    found = user.expect(200, "GET", "/api/focus/stats")
    assert len(found["per_day"]) == 30 and found["sessions"] == 1 and found["focus_seconds"] == 1
    assert found["per_day"][-1]["sessions"] == 1 and found["streak_days"] == found["longest_streak_days"] == 1


@pytest.mark.parametrize("query", [
    {"tz": "Mars/Olympus"}, {"tz": ""}, {"tz": "UTC-14"}, {"tz": "PST"}, {"tz": "UTC-0530"}, {"tz": "'; DROP"}, {"days": "0"}, {"days": "367"}, {"days": "x"}])
def test_statistics_that_cannot_be_are_refused(user: Client, query: dict[str, str]) -> None:
    answer = user.request("GET", "/api/focus/stats", params=query)
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_query"


def test_pages_of_sessions(user: Client) -> None:
    made = [start(user, replace=True)["id"] for _ in range(5)]
    page = user.expect(200, "GET", "/api/focus", params={"limit": "3"})
    rest = user.expect(200, "GET", "/api/focus", params={"limit": "3", "before": page["next"]})
    assert [it["id"] for it in page["sessions"] + rest["sessions"]] == made[::-1] and rest["next"] is None
    for query in ({"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"before": "x"}):
        assert user.request("GET", "/api/focus", params=query).status_code == 422


def test_a_paused_session_expires(start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> None:
    client = sign_up(start_server(env={"LOCKSTEP_PAUSE_EXPIRY_SECONDS": "1"}))
    made = start(client)
    client.expect(200, "POST", "/api/focus/pause")
    cursor = client.pull()["cursor"]
    pull = client.pull(cursor, wait=10)
    assert documents(pull, "focus")[0]["value"] is None
    assert session(client, made["id"])["status"] == "expired"
