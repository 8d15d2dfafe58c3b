"""A user's devices: who is there, what they are called, and how one is signed out (contract, section 2)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from harness import Client, Database, Realtime, Server, eventually


def listed(client: Client) -> list[dict[str, Any]]:
    return client.expect(200, "GET", "/api/devices")["devices"]


def online(client: Client) -> set[str]:
    return {device["name"] for device in listed(client) if device["online"]}


def told(socket: Realtime) -> list[dict[str, Any]]:
    """What the last presence on this socket said."""
    said = [message for message in socket.messages if message["type"] == "presence"]
    return said[-1]["devices"] if said else []


def test_each_sign_in_is_a_device_and_one_of_them_asks(user: Client) -> None:
    phone = user.other_device()
    devices = listed(phone)
    assert [(one["name"], one["kind"], one["current"]) for one in devices] == [
        ("Test device", "desktop", False), ("Phone", "mobile", True)]
    assert set(devices[0]) == {"id", "name", "kind", "created_at", "last_seen_at", "online", "current"}
    assert [one["id"] for one in devices] == [user.device["id"], phone.device["id"]]
    assert not any(one["online"] for one in devices)
    phone.close()


def test_a_device_with_two_tabs_is_online_once_until_the_last_is_closed(user: Client) -> None:
    phone = user.other_device()
    tabs = [user.socket().caught_up(), user.socket().caught_up()]
    eventually(lambda: online(phone) == {"Test device"}, what="the device online")
    assert len(listed(phone)) == 2
    tabs[0].close()
    theirs = phone.socket().caught_up()
    eventually(lambda: online(phone) == {"Test device", "Phone"}, what="both online")
    tabs[1].close()
    eventually(lambda: online(phone) == {"Phone"}, within=8, what="the device offline")
    theirs.close()
    phone.close()


@pytest.mark.timed
def test_a_new_name_shows_everywhere_at_once(user: Client) -> None:
    phone = user.other_device()
    socket = phone.socket().caught_up()
    answer = user.expect(200, "PATCH", f"/api/devices/{user.device['id']}", {"name": "Desk <b>🖥</b>"})
    assert answer == next(one for one in listed(user) if one["current"]) and answer["name"] == "Desk <b>🖥</b>"
    eventually(lambda: {one["name"] for one in told(socket)} == {"Desk <b>🖥</b>", "Phone"}, within=1, what="presence")
    assert user.me()["device"]["name"] == "Desk <b>🖥</b>"
    phone.close()


@pytest.mark.parametrize("body", [
    {}, {"name": ""}, {"name": "x" * 101}, {"name": None}, {"name": 5}, {"name": ["x"]}, [], "x", {"name": "a\u0000b"},
])
def test_a_name_that_is_none_is_refused_and_changes_nothing(user: Client, body: Any) -> None:
    answer = user.request("PATCH", f"/api/devices/{user.device['id']}", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert [one["name"] for one in listed(user)] == ["Test device"]


@pytest.mark.parametrize("id", [str(uuid.UUID(int=7)), "x", "%00", "a" * 300])
def test_no_such_device(user: Client, id: str) -> None:
    assert user.request("PATCH", f"/api/devices/{id}", {"name": "x"}).json()["code"] == "not_found"
    assert user.request("DELETE", f"/api/devices/{id}").status_code == 404


@pytest.mark.timed
def test_a_removed_device_is_signed_out_at_once_and_everywhere_gone(user: Client) -> None:
    phone = user.other_device()
    again = Client(user.url, name="Phone", kind="mobile").login(user.email, user.password, device_id=phone.device["id"])
    sockets = [phone.socket().caught_up(), again.socket().caught_up()]
    mine = user.socket().caught_up()
    eventually(lambda: len(told(mine)) == 2, what="both devices told")
    user.expect(204, "DELETE", f"/api/devices/{phone.device['id']}")
    assert [socket.wait_closed(within=1) for socket in sockets] == [4401, 4401]
    assert phone.request("GET", "/api/settings").status_code == again.request("GET", "/api/settings").status_code == 401
    eventually(lambda: [one["name"] for one in told(mine)] == ["Test device"], within=1, what="presence without it")
    assert mine.is_open and len(listed(user)) == 1
    assert user.request("DELETE", f"/api/devices/{phone.device['id']}").status_code == 404
    # Its id is nobody's now: who signs in with it is another device.
    returned = Client(user.url, name="Phone", kind="mobile").login(user.email, user.password, device_id=phone.device["id"])
    assert returned.device["id"] != phone.device["id"]
    for one in (phone, again, returned):
        one.close()


@pytest.mark.timed
def test_removing_the_own_device_signs_out(user: Client) -> None:
    socket = user.socket().caught_up()
    answer = user.request("DELETE", f"/api/devices/{user.device['id']}")
    assert answer.status_code == 204 and "lockstep_session=;" in answer.headers["set-cookie"]
    assert socket.wait_closed(within=1) == 4401
    assert user.request("GET", "/api/auth/me").status_code == 401
    assert [one["current"] for one in listed(user.login())] == [True]


def test_what_a_removed_device_wrote_stays(user: Client) -> None:
    phone = user.other_device()
    phone.set("theme", "dark")
    phone.set("theme", "light")
    user.expect(204, "DELETE", f"/api/devices/{phone.device['id']}")
    assert user.settings() == {"theme": "light"}
    assert [(one["value"], one["device_name"]) for one in user.history("theme")] == [("dark", "Phone")]
    phone.close()


def test_when_a_device_was_seen_is_noted_every_few_minutes_and_not_with_every_request(
    server: Server, client: Client, database: Database,
) -> None:
    def seen() -> datetime:
        return database.value("SELECT last_seen_at FROM devices")

    before = seen()
    for _ in range(5):
        client.settings()
    assert seen() == before
    database.rows("UPDATE devices SET last_seen_at = last_seen_at - interval '6 minutes'")
    # Whoever is remembered is asked for by most requests, and by the others within two minutes.
    client.me()
    assert seen() > before
    assert listed(client)[0]["last_seen_at"] == seen().strftime("%Y-%m-%dT%H:%M:%S.") + f"{seen().microsecond // 1000:03}Z"


def test_a_device_that_leaves_was_seen_until_then(server: Server, client: Client, database: Database) -> None:
    socket = client.socket().caught_up()
    phone = client.other_device()
    eventually(lambda: online(phone) == {"Test device"}, what="online")
    database.rows("UPDATE devices SET last_seen_at = last_seen_at - interval '4 minutes'")
    # While it is online its presence tells.
    mine = next(one for one in listed(phone) if one["name"] == "Test device")
    now = database.value("SELECT clock_timestamp()")
    assert now - datetime.fromisoformat(mine["last_seen_at"]) < timedelta(seconds=60)
    socket.close()
    eventually(lambda: online(phone) == set(), within=8, what="offline")
    kept = database.value("SELECT last_seen_at FROM devices WHERE name = 'Test device'")
    assert database.value("SELECT clock_timestamp()") - kept < timedelta(seconds=30)
    phone.close()


def test_the_cookie_alone_cannot_remove_a_device_from_a_foreign_page(user: Client, sign_up: Callable[..., Client]) -> None:
    headers = {"Authorization": "", "Cookie": f"lockstep_session={user.token}", "Origin": "https://evil.example"}
    answer = user.request("DELETE", f"/api/devices/{user.device['id']}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
    assert len(listed(user)) == 1
