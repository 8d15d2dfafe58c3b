"""Sync for settings (contract, section 6)."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable

import pytest

from harness import Client, Database, Server, documents, mutation


def test_a_first_pull_brings_everything(user: Client) -> None:
    user.patch({"a": 1, "b": 2})
    user.delete("a")
    pull = user.pull()
    assert pull["previous"] is None and pull["reset"] is True and pull["poll_after_ms"] == 30_000
    assert documents(pull) == [{"collection": "settings", "id": "b", "value": 2, "version": 1}]
    assert set(pull) == {"previous", "cursor", "reset", "documents", "server_time", "poll_after_ms"}


def test_a_delta_brings_what_changed_in_version_order(user: Client) -> None:
    user.patch({"a": 1, "b": 2})
    cursor = user.pull()["cursor"]
    at = user.set("b", 3)["version"]
    user.set("c", 4)
    user.delete("a")
    pull = user.pull(cursor)
    assert pull["previous"] == cursor and pull["reset"] is False
    assert [(d["id"], d["value"], d["version"]) for d in pull["documents"]] == [
        ("b", 3, at), ("c", 4, at + 1), ("a", None, at + 2)]
    assert user.pull(pull["cursor"])["documents"] == []


def test_nothing_new_is_304(user: Client) -> None:
    cursor = user.pull()["cursor"]
    answer = user.poll(cursor)
    assert answer.status_code == 304 and answer.headers["lockstep-poll-after-ms"] == "30000"
    assert answer.headers["lockstep-server-time"].endswith("Z") and answer.content == b""
    user.set("a", 1)
    assert user.poll(cursor).status_code == 200


@pytest.mark.parametrize("cursor", ["", "x", "0.0.0", "a.b.c", "\x00", "'; DROP TABLE users", "9" * 5000, "..", "a.1.0.0"])
def test_a_cursor_that_is_none_of_ours_resets(user: Client, cursor: str) -> None:
    user.set("a", 1)
    answer = user.request("GET", "/api/sync", params={"cursor": cursor})
    assert answer.status_code == 200 and answer.json()["reset"] is True and len(documents(answer.json())) == 1


def test_a_cursor_above_the_head_or_of_another_user_resets(user: Client, sign_up: Callable[..., Client], shared_server: Server) -> None:
    epoch, place, shared = user.pull()["cursor"].split(".")
    assert user.pull(f"{epoch}.{int(place) + 1}.{shared}")["reset"] is True
    assert sign_up(shared_server).pull(f"{epoch}.{place}.{shared}")["reset"] is True


@pytest.mark.timed
def test_a_long_poll_answers_when_something_changes(user: Client) -> None:
    cursor = user.pull()["cursor"]
    phone = user.other_device()
    timer = threading.Timer(0.5, lambda: phone.set("theme", "dark"))
    timer.start()
    began = time.monotonic()
    pull = user.pull(cursor, wait=20)
    assert 0.3 < time.monotonic() - began < 5 and pull["documents"][0]["value"] == "dark"


def test_a_long_poll_ends_after_its_time(user: Client) -> None:
    cursor = user.pull()["cursor"]
    began = time.monotonic()
    assert user.poll(cursor, wait=1).status_code == 304
    assert 0.9 < time.monotonic() - began < 4


@pytest.mark.parametrize("wait", ["-1", "31", "x", "1.5"])
def test_a_wait_that_cannot_be_is_refused(user: Client, wait: str) -> None:
    assert user.request("GET", "/api/sync", params={"cursor": user.pull()["cursor"], "wait": wait}).status_code == 422


def test_a_push_is_one_round_trip_to_even(user: Client) -> None:
    cursor = user.pull()["cursor"]
    at = user.other_device().set("x", 1)["version"]
    answer = user.push(
        mutation("settings.set", {"key": "a", "value": 1}), mutation("settings.set", {"key": "theme", "value": "pink"}),
        mutation("settings.delete", {"key": "a"}), cursor=cursor)
    assert [result["status"] for result in answer["results"]] == ["applied", "rejected", "applied"]
    assert answer["results"][0]["version"] == at + 1 and answer["results"][1]["problem"]["code"] == "invalid_setting"
    assert [(d["id"], d["value"]) for d in answer["documents"]] == [("x", 1), ("a", None)]
    assert user.pull(answer["cursor"])["documents"] == []


def test_an_empty_push_pulls(user: Client) -> None:
    assert user.push()["results"] == []


def test_an_id_is_applied_once_whoever_sends_it(user: Client) -> None:
    phone = user.other_device()
    change = mutation("settings.set", {"key": "a", "value": 1})
    first = user.push(change)["results"][0]
    assert "replayed" not in first
    phone.set("a", 2)
    again = phone.push(change)["results"][0]
    assert again["replayed"] is True and again["status"] == "applied" and again["version"] == first["version"]
    assert user.settings() == {"a": 2}


def test_an_id_with_another_request_is_rejected(user: Client) -> None:
    change = mutation("settings.set", {"key": "a", "value": 1})
    user.push(change)
    result = user.push({**change, "args": {"key": "a", "value": 2}})["results"][0]
    assert result["status"] == "rejected" and result["problem"]["code"] == "idempotency_key_reused"


def test_unknown_mutations_and_wrong_arguments_are_rejected_for_good(user: Client) -> None:
    for name, args in [("settings.patch", {"a": 1}), ("x", {}), ("settings.set", {"key": 5}), ("settings.set", {}),
                       ("settings.set", {"key": "a", "value": None}), ("settings.delete", {"key": "a b"})]:
        change = mutation(name, args)
        first, again = user.push(change)["results"][0], user.push(change)["results"][0]
        assert first["status"] == again["status"] == "rejected" and again["replayed"] is True, name
    assert user.settings() == {}


@pytest.mark.parametrize("mutations", [
    5, {}, [5], [{}], [{"id": "x", "name": "settings.set"}], [{"id": str(uuid.uuid4())}],
    [{"id": str(uuid.uuid4()), "name": "settings.set", "args": []}],
    [{"id": str(uuid.uuid4()), "name": "settings.set", "base_version": -1}],
    [{"id": str(uuid.uuid4()), "name": "settings.set", "seq": 0}],
])
def test_a_malformed_push_is_refused_whole(user: Client, mutations: object) -> None:
    good = mutation("settings.set", {"key": "a", "value": 1})
    body = [good, *mutations] if isinstance(mutations, list) else mutations
    answer = user.request("POST", "/api/sync", {"mutations": body})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert answer.json()["errors"][0]["pointer"].startswith("/mutations") and user.settings() == {}


def test_five_hundred_mutations_and_no_more(user: Client) -> None:
    changes = [mutation("settings.set", {"key": "k", "value": n}) for n in range(501)]
    assert user.request("POST", "/api/sync", {"mutations": changes}).status_code == 413
    assert len(user.push(*changes[:500])["results"]) == 500
    assert user.setting("k")["value"] == 499


class TestConflict:
    """Offline changes that meet newer ones of another device."""

    def test_the_servers_value_stands_and_the_lost_one_is_kept(self, user: Client) -> None:
        phone = user.other_device()
        base = user.set("theme", "light")["version"]
        phone.set("theme", "dark")
        result = user.push(mutation("settings.set", {"key": "theme", "value": "system"}, base_version=base))["results"][0]
        assert result["status"] == "conflict" and result["document"]["value"] == "dark" and result["version"] == base + 1
        lost = user.conflicts()
        assert lost[0]["lost_value"] == "system" and lost[0]["mutation"]["args"]["value"] == "system"
        assert lost[0]["current"]["value"] == "dark" and set(lost[0]) == {"id", "mutation", "lost_value", "current", "at"}
        assert user.setting("theme")["value"] == "dark"
        assert user.request("DELETE", f"/api/sync/conflicts/{lost[0]['id']}").status_code == 204
        assert user.conflicts() == [] and user.request("DELETE", f"/api/sync/conflicts/{lost[0]['id']}").status_code == 404

    def test_the_same_value_is_no_conflict(self, user: Client) -> None:
        phone = user.other_device()
        base = user.set("theme", "light")["version"]
        phone.set("theme", "dark")
        result = user.push(mutation("settings.set", {"key": "theme", "value": "dark"}, base_version=base))["results"][0]
        assert result["status"] == "applied" and user.conflicts() == []

    def test_ones_own_changes_are_none(self, user: Client) -> None:
        base = user.set("theme", "light")["version"]
        answer = user.push(
            mutation("settings.set", {"key": "theme", "value": "dark"}, base_version=base),
            mutation("settings.set", {"key": "theme", "value": "system"}, base_version=base))
        assert [result["status"] for result in answer["results"]] == ["applied", "applied"]

    def test_another_device_in_between_is_one_even_below_ones_own(self, user: Client) -> None:
        phone = user.other_device()
        base = user.set("theme", "light")["version"]
        phone.set("theme", "dark")
        user.set("theme", "light")
        result = user.push(mutation("settings.set", {"key": "theme", "value": "system"}, base_version=base))["results"][0]
        assert result["status"] == "conflict"

    def test_base_zero_meets_one_that_was_made_meanwhile(self, user: Client) -> None:
        user.other_device().set("a", 1)
        result = user.push(mutation("settings.set", {"key": "a", "value": 2}, base_version=0))["results"][0]
        assert result["status"] == "conflict" and result["document"]["value"] == 1

    def test_a_deletion_of_another_device_is_one(self, user: Client) -> None:
        phone = user.other_device()
        base = user.set("a", 1)["version"]
        phone.delete("a")
        result = user.push(mutation("settings.set", {"key": "a", "value": 2}, base_version=base))["results"][0]
        assert result["status"] == "conflict" and result["document"]["value"] is None


def test_a_copied_device_is_told(user: Client) -> None:
    first = mutation("settings.set", {"key": "a", "value": 1}, seq=1)
    other = mutation("settings.set", {"key": "a", "value": 2}, seq=1)
    assert user.push(first)["results"][0]["status"] == "applied"
    for _ in range(2):
        result = user.push(other)["results"][0]
        assert result["status"] == "rejected" and result["problem"]["code"] == "device_forked"
    assert user.settings() == {"a": 1}


def test_a_seq_below_what_was_purged_is_not_applied_again(server: Server, client: Client, database: Database) -> None:
    client.push(mutation("settings.set", {"key": "a", "value": 1}, seq=5))
    database.rows("UPDATE mutations SET created_at = now() - interval '31 days'")
    database.rows("SELECT mutations_purge(user_id, now() - interval '30 days', NULL, 1000) FROM sync_heads")
    result = client.push(mutation("settings.set", {"key": "a", "value": 2}, seq=4))["results"][0]
    assert result["replayed"] is True and "document" not in result and client.settings() == {"a": 1}


def test_purged_tombstones_reset_who_had_not_seen_them(server: Server, client: Client, database: Database) -> None:
    client.patch({"a": 1, "b": 2})
    before = client.pull()["cursor"]
    client.delete("a")
    after = client.pull()["cursor"]
    database.rows("UPDATE user_settings SET updated_at = now() - interval '31 days'")
    database.rows("SELECT settings_purge(user_id, now() - interval '30 days', NULL, 1000) FROM sync_heads")
    assert client.pull(before)["reset"] is True and client.pull(after)["reset"] is False
    client.set("c", 3)
    assert client.pull(after)["documents"][0]["id"] == "c"


def test_the_digest_proves_a_replica(user: Client) -> None:
    user.patch({"a": 1, "b": [1]})
    user.set("b", 2)
    user.delete("a")
    total = 0
    held = user.pull()["documents"]
    for document in held:
        name = f"{document['collection']}\n{document['id']}\n{document['version']}"
        total ^= int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    assert user.digest() == {"cursor": user.pull()["cursor"], "documents": len(held), "digest": f"{total:016x}"}


def test_writers_of_one_user_get_consecutive_versions(user: Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        versions = list(pool.map(lambda n: user.set(f"k{n}", n)["version"], range(64)))
    assert sorted(versions) == list(range(1, 65))
    assert [d["version"] for d in documents(user.pull())] == list(range(1, 65))
