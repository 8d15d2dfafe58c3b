"""What one account can make the server keep, and lists that come in parts (contract 1.1, sections 1, 2, 5 and 6)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Client, Database, Server, eventually, lockstep, mutation
from harness.shop import Shop, buy, code

FULL = "UPDATE sync_heads SET answers_room_empty_at = clock_timestamp() + interval '720 hours 1 minute' WHERE user_id = %s"


def parts(client: Client, path: str, name: str, member: str, limit: int) -> list[list[dict[str, Any]]]:
    """Every part of a list, as `next` leads through them."""
    found: list[list[dict[str, Any]]] = []
    params: dict[str, Any] = {"limit": limit}
    while True:
        answer = client.expect(200, "GET", path, params=params)
        found.append(answer[member])
        if answer["next"] is None:
            return found
        assert answer["next"] and not set(answer["next"]) - set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"), "URL-safe"
        params[name] = answer["next"]


def names(client: Client) -> list[str]:
    return [one["name"] for one in client.expect(200, "GET", "/api/devices")["devices"]]


def test_a_hundred_and_first_device_takes_the_place_of_the_one_idle_longest_and_signs_it_out(
    user: Client, shared_database: Database,
) -> None:
    sleeper = user.other_device(name="sleeper")
    socket = user.socket().caught_up()
    old = sleeper.socket().caught_up()
    for number in range(98):
        user.other_device(name=f"device {number}").close()
    assert len(names(user)) == 100 and socket.is_open and old.is_open
    eventually(lambda: sum(
        one["online"] for one in user.expect(200, "GET", "/api/devices")["devices"]) == 2, what="both online")
    shared_database.rows(
        "UPDATE devices SET last_seen_at = last_seen_at - interval '9 days' WHERE user_id = %s AND name IN "
        "('sleeper', 'Test device', 'device 7')", [user.user["id"]])
    # Who holds a socket is not idle, however long ago it was last noted.
    one = user.other_device(name="one more")
    assert len(names(one)) == 100 and "device 7" not in names(one) and {"sleeper", "Test device"} <= set(names(one))
    old.close()
    eventually(lambda: shared_database.value(
        "SELECT NOT EXISTS (SELECT FROM device_presence p JOIN devices d ON d.id = p.device_id WHERE d.user_id = %s AND d.name = 'sleeper')",
        [user.user["id"]]), what="the sleeper is gone")
    shared_database.rows(
        "UPDATE devices SET last_seen_at = last_seen_at - interval '9 days' WHERE user_id = %s AND name = 'sleeper'",
        [user.user["id"]])
    two = user.other_device(name="two more")
    assert len(names(two)) == 100 and "sleeper" not in names(two) and socket.is_open
    assert code(sleeper.request("GET", "/api/auth/me")) == (401, "unauthenticated")
    for client in (sleeper, one, two):
        client.close()


@pytest.mark.timed
def test_the_sockets_of_a_device_that_gave_way_close_within_a_second(user: Client, shared_database: Database) -> None:
    other = user.other_device(name="other")
    sockets = [user.socket().caught_up() for _ in range(2)]
    shared_database.rows(
        """INSERT INTO devices (user_id, id, name, kind, last_seen_at)
        SELECT %s, gen_random_uuid(), 'seen later', 'web', now() + interval '1 day' FROM generate_series(1, 98)""",
        [user.user["id"]])
    theirs = other.socket().caught_up()
    shared_database.rows("UPDATE devices SET last_seen_at = now() + interval '1 day' WHERE id = %s", [other.device["id"]])
    third = user.other_device(name="third")
    assert [socket.wait_closed(within=1) for socket in sockets] == [4401, 4401] and theirs.is_open
    eventually(lambda: any(
        message["type"] == "presence" and {one["name"] for one in message["devices"]} == {"other", "third", "seen later"}
        for message in theirs.messages), within=2, what="presence without it")
    for client in (other, third):
        client.close()


def test_devices_that_sign_in_at_the_same_moment_are_still_a_hundred(user: Client, shared_database: Database) -> None:
    shared_database.rows(
        """INSERT INTO devices (user_id, id, name, kind, last_seen_at)
        SELECT %s, gen_random_uuid(), 'old', 'web', now() - interval '1 day' FROM generate_series(1, 95)""",
        [user.user["id"]])
    with ThreadPoolExecutor(12) as pool:
        clients = list(pool.map(lambda number: user.other_device(name=f"new {number}"), range(24)))
    assert len(names(user)) == 100
    assert all(client.request("GET", "/api/auth/me").status_code == 200 for client in clients)
    for client in clients:
        client.close()


def test_a_device_that_signs_in_again_and_again_has_ten_sessions(user: Client, shared_database: Database) -> None:
    clients = [Client(user.url).login(user.email, user.password, device_id=user.device["id"]) for _ in range(11)]
    count = "SELECT count(*) FROM sessions WHERE user_id = %s"
    assert shared_database.value(count, [user.user["id"]]) == 10 and len(names(clients[-1])) == 1
    alive = [client.request("GET", "/api/auth/me").status_code == 200 for client in (user, *clients)]
    assert alive == [False] * 2 + [True] * 10
    for client in clients:
        client.close()


def test_lost_changes_come_in_parts_newest_first(user: Client) -> None:
    phone = user.other_device()
    keys = [f"k{number}" for number in range(7)]
    phone.patch(dict.fromkeys(keys, "theirs"))
    results = user.push(*(mutation("settings.set", {"key": key, "value": key}, base_version=0) for key in keys))["results"]
    assert {result["status"] for result in results} == {"conflict"}
    found = parts(user, "/api/sync/conflicts", "before", "conflicts", 3)
    assert [[one["lost_value"] for one in part] for part in found] == [["k6", "k5", "k4"], ["k3", "k2", "k1"], ["k0"]]
    # One that is dismissed in between leaves the rest where it is.
    first = user.expect(200, "GET", "/api/sync/conflicts", params={"limit": 3})
    user.expect(204, "DELETE", f"/api/sync/conflicts/{first['conflicts'][-1]['id']}")
    rest = user.expect(200, "GET", "/api/sync/conflicts", params={"before": first["next"]})
    assert [one["lost_value"] for one in rest["conflicts"]] == ["k3", "k2", "k1", "k0"] and rest["next"] is None
    phone.close()


def test_nine_thousand_lost_changes_are_a_thousand_and_an_answer_has_a_hundred_at_most(
    user: Client, shared_database: Database,
) -> None:
    value = "x" * 16_000
    user.set("k", value)
    shared_database.rows(
        """INSERT INTO sync_conflicts (user_id, id, name, args, lost_value, collection, document_id, at)
        SELECT %s, gen_random_uuid(), 'settings.set', json_build_object('key', 'k', 'value', %s::text), to_json(%s::text),
            'settings', 'k', now() - make_interval(mins => n) FROM generate_series(1, 9000) AS n""",
        [user.user["id"], value, value])
    phone = user.other_device()
    assert phone.push(mutation("settings.set", {"key": "k", "value": 1}, base_version=0))["results"][0]["status"] == "conflict"
    answer = user.request("GET", "/api/sync/conflicts", params={"limit": 100})
    assert len(answer.json()["conflicts"]) == 100 and len(answer.content) < 6_000_000
    assert len(user.expect(200, "GET", "/api/sync/conflicts")["conflicts"]) == 50
    assert sum(map(len, parts(user, "/api/sync/conflicts", "before", "conflicts", 100))) == 1_000
    phone.close()


def test_inventory_and_rewards_come_in_parts(shop: Shop, ada: Client) -> None:
    items = [shop.item(f"Thing {number}", 1) for number in range(5)]
    for item in items:
        assert buy(ada, item).status_code == 201
    found = parts(ada, "/api/market/inventory", "after", "purchases", 2)
    assert [[row["item_id"] for row in part] for part in found] == [items[4:2:-1], items[2:0:-1], items[:1]]
    first = ada.expect(200, "GET", "/api/market/inventory", params={"limit": 2})
    assert first["total_items"] == 5
    assert ada.expect(200, "GET", "/api/market/inventory", params={"after": first["next"]})["total_items"] == 5
    shop.database.rows(
        """INSERT INTO user_rewards (user_id, id, reward_type, coins_earned, created_at, day, version)
        SELECT %s, gen_random_uuid(), 'daily_login', 2, now() - make_interval(days => n), current_date - n, 1
        FROM generate_series(1, 119) AS n""", [ada.user["id"]])
    rewards = parts(ada, "/api/market/rewards", "before", "rewards", 50)
    # Beside these the first purchase, and today's.
    assert [len(part) for part in rewards[:2]] == [50, 50] and len(rewards) == 3 and len(rewards[2]) in (20, 21)
    times = [reward["created_at"] for part in rewards for reward in part]
    assert times == sorted(times, reverse=True) and len(ada.expect(200, "GET", "/api/market/rewards")["rewards"]) == 50


@pytest.mark.parametrize(("path", "name"), [
    ("/api/sync/conflicts", "before"), ("/api/market/inventory", "after"), ("/api/market/rewards", "before"),
])
def test_a_place_or_a_limit_that_is_none_is_refused(user: Client, path: str, name: str) -> None:
    wrong = ["x", "1", "1.x", "99999999999999999999.0190f5a4-7b5c-7cc4-8000-00000000c0fe", "9223372036854775807." + "0" * 36,
             "9223372036854775807.0190f5a4-7b5c-7cc4-8000-00000000c0fe", "01.0190f5a4-7b5c-7cc4-8000-00000000c0fe",
             "-9223372036854775808.0190f5a4-7b5c-7cc4-8000-00000000c0fe"]
    for text in wrong:
        assert code(user.request("GET", path, params={name: text})) == (422, "invalid_query"), text
    for text in ("0", "101", "-1", "x", ""):
        assert code(user.request("GET", path, params={"limit": text})) == (422, "invalid_query"), text
    # A place where nothing is left is the end of the list.
    far = {"before": "0.0190f5a4-7b5c-7cc4-8000-00000000c0fe", "after": "0.0190f5a4-7b5c-7cc4-8000-00000000c0fe"}
    assert user.expect(200, "GET", path, params={name: far[name]})["next"] is None


def test_a_full_account_is_told_so_through_every_door_and_nothing_is_kept(user: Client, shared_database: Database) -> None:
    kept = user.push(one := mutation("settings.set", {"key": "a", "value": 1}))["results"][0]
    shared_database.rows(FULL, [user.user["id"]])
    count = "SELECT count(*) FROM mutations WHERE user_id = %s"
    before = shared_database.value(count, [user.user["id"]])
    key = str(uuid.uuid4())
    for method, path, body in [
        ("POST", "/api/settings", {"key": "a", "value": 2}), ("PATCH", "/api/settings", {"a": 2}),
        ("DELETE", "/api/settings/a", ...), ("DELETE", "/api/settings", ...), ("POST", "/api/focus", {}),
        ("POST", "/api/market/items", {"name": "Walk", "cost_coins": 0}),
    ]:
        answer = user.request(method, path, body, headers={"Idempotency-Key": key})
        assert code(answer) == (409, "storage_full"), path
        assert answer.json()["what"] == "answers" and answer.json()["limit"] == 129_600_000
        assert 0 < int(answer.headers["Retry-After"]) <= 60
    pushed = user.push(
        mutation("settings.set", {"key": "a", "value": 3}), one, mutation("settings.set", {"key": "nonsense ", "value": 3}))
    refused, again, wrong = pushed["results"]
    assert (refused["status"], refused["problem"]["code"], refused["problem"]["what"]) == ("rejected", "storage_full", "answers")
    assert "replayed" not in refused and again == {**kept, "replayed": True}
    assert (wrong["status"], wrong["problem"]["code"]) == ("rejected", "storage_full")
    socket = user.socket().caught_up()
    socket.push(mutation("settings.set", {"key": "a", "value": 4}))
    assert socket.wait_type("pushed")["results"][0]["problem"]["code"] == "storage_full"
    # It can be read, signed in to and left.
    assert user.settings() == {"a": 1} and shared_database.value(count, [user.user["id"]]) == before
    user.login()
    assert user.request("GET", "/api/account/export").status_code == 200
    shared_database.rows("UPDATE sync_heads SET answers_room_empty_at = now() WHERE user_id = %s", [user.user["id"]])
    assert user.set("a", 2, headers={"Idempotency-Key": key})["value"] == 2


def test_a_large_patch_is_kept_once_and_not_again_in_its_answer(user: Client, shared_database: Database) -> None:
    def size() -> int:
        return shared_database.value(
            "SELECT coalesce(sum(pg_column_size(m.*)), 0) FROM mutations m WHERE user_id = %s", [user.user["id"]])

    before = size()
    for _ in range(5):
        values = {f"k{number}": os.urandom(7_800).hex() for number in range(4)}
        key = str(uuid.uuid4())
        first = user.request("PATCH", "/api/settings", values, headers={"Idempotency-Key": key})
        again = user.request("PATCH", "/api/settings", values, headers={"Idempotency-Key": key})
        assert again.headers["Idempotency-Replayed"] == "true" and again.content == first.content
        assert {one["key"]: one["value"] for one in first.json()["settings"]} == values
    assert size() - before < 5 * 1_000


def test_the_doctor_and_the_metrics_say_who_is_near_the_end(
    start_server: Callable[..., Server], database: Database, sign_up: Callable[..., Client],
) -> None:
    client = sign_up(start_server())
    database.rows("UPDATE sync_heads SET answers_room_empty_at = clock_timestamp() + interval '684 hours'")
    said = lockstep("doctor", env={"DATABASE_URL": database.url})
    assert said.returncode == 0
    assert "answers: 1 account near the limit; the fullest takes 95 % of 129600000 bytes" in said.stdout
    assert "focus_sessions: 0 accounts near the limit; the fullest takes 0 % of 500000" in said.stdout
    second = start_server()

    def metric(name: str) -> float:
        lines = client.http.get(f"{second.url}/metrics").text.splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f'lockstep_storage_{name}{{what="answers"}}')))

    eventually(lambda: metric("accounts_near_limit") == 1, what="the first look")
    assert 0.94 < metric("largest_ratio") < 0.96
