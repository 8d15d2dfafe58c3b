"""The throttles with their defaults (contract, section 1)."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from harness import Client, RawSocket, Server, eventually


@pytest.fixture
def guarded(start_server: Callable[..., Server]) -> Server:
    return start_server(defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10"})


def test_the_eleventh_sign_in_of_a_minute_is_refused(guarded: Server, sign_up: Callable[..., Client]) -> None:
    user = sign_up(guarded)
    body = {"email": user.email, "password": "wrong password", "device": {"name": "x", "kind": "web"}}
    statuses = [user.request("POST", "/api/auth/login", body).status_code for _ in range(10)]
    assert statuses == [401] * 10
    answer = user.request("POST", "/api/auth/login", body)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert user.request("GET", "/api/settings").status_code == 200


def test_an_address_that_a_client_makes_up_counts_nothing(guarded: Server, sign_up: Callable[..., Client]) -> None:
    user = sign_up(guarded)
    statuses = [user.request(
        "POST", "/api/auth/login", {"email": f"x{n}@example.com", "password": "wrong password", "device": {"name": "x", "kind": "web"}},
        headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(12)]
    assert statuses[10:] == [429, 429]


def test_behind_a_trusted_proxy_each_client_counts_for_itself(start_server: Callable[..., Server], sign_up: Callable[..., Client]) -> None:
    server = start_server(defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10", "LOCKSTEP_TRUSTED_PROXIES": "127.0.0.0/8"})
    user = sign_up(server)
    statuses = [user.request(
        "POST", "/api/auth/login", {"email": f"x{n}@example.com", "password": "wrong password", "device": {"name": "x", "kind": "web"}},
        headers={"X-Forwarded-For": f"198.51.100.7, 10.0.0.{n}"}).status_code for n in range(12)]
    assert 429 not in statuses


@pytest.mark.timed
def test_the_six_hundred_and_first_request_of_a_minute_is_refused(guarded: Server, sign_up: Callable[..., Client]) -> None:
    user = sign_up(guarded)
    other = sign_up(guarded)
    statuses = [user.request("GET", "/api/auth/me").status_code for _ in range(700)]
    refused = statuses.index(429)
    # While they are sent, some fall due again: ten a second.
    assert 600 <= refused < 690 and set(statuses[:600]) == {200}
    answer = user.request("GET", "/api/auth/me")
    assert answer.status_code in (200, 429)
    assert other.request("GET", "/api/auth/me").status_code == 200


class TestStrangers:
    """What strangers do to an address or an e-mail does not keep its owner out."""

    @pytest.fixture
    def behind(self, start_server: Callable[..., Server]) -> Server:
        return start_server(
            defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10", "LOCKSTEP_TRUSTED_PROXIES": "127.0.0.0/8"})

    @staticmethod
    def sign_in(user: Client, address: str, password: str = "wrong password", **body: object) -> int:
        device = {"name": "x", "kind": "web", **({"id": body.pop("device")} if "device" in body else {})}
        credentials = {"email": user.email, "password": password, "device": device, **body}
        return user.request(
            "POST", "/api/auth/login", credentials, headers={"X-Forwarded-For": address, "Authorization": ""}).status_code

    def test_a_walk_through_a_network_or_through_ports_counts_as_one_client(
        self, behind: Server, sign_up: Callable[..., Client],
    ) -> None:
        user = sign_up(behind)
        for walk in ("2001:db8:1:2::{n}", "[2001:db8:1:3:{n}::1]:44{n}", "198.51.100.7:80{n}", "::ffff:198.51.100.8"):
            statuses = [
                self.sign_in(user, walk.format(n=n), email=f"x{n}{len(walk)}@example.com") for n in range(10, 22)]
            assert statuses == [401] * 10 + [429] * 2, walk
        assert self.sign_in(user, "2001:db8:1:4::1", email="y@example.com") == 401

    def test_who_is_signed_in_changes_the_password_while_strangers_guess(
        self, behind: Server, sign_up: Callable[..., Client],
    ) -> None:
        user = sign_up(behind)
        statuses = [self.sign_in(user, f"198.51.100.{n}") for n in range(12)]
        assert statuses[-1] == 429
        # Also from the owner's own address.
        assert [self.sign_in(user, "203.0.113.5", email=f"x{n}@example.com") for n in range(12)][-1] == 429
        mine = {"X-Forwarded-For": "203.0.113.5"}
        passwords = {"current_password": user.password, "new_password": "another horse battery"}
        assert user.request("POST", "/api/auth/password", passwords, headers=mine).status_code == 204
        gone = user.request("DELETE", "/api/account", {"password": "another horse battery"}, headers=mine)
        assert gone.status_code == 204

    @pytest.mark.timed
    def test_the_owner_gets_in_on_a_known_device_while_strangers_guess(
        self, behind: Server, sign_up: Callable[..., Client],
    ) -> None:
        user, other = sign_up(behind), sign_up(behind)
        known = user.device["id"]
        for n in range(30):
            self.sign_in(user, f"198.51.100.{n}")
        assert self.sign_in(user, "203.0.113.1", user.password) == 429
        # Ten tries of its own; neither another account's device nor a made-up one has any.
        assert self.sign_in(user, "203.0.113.2", user.password, device=other.device["id"]) == 429
        assert self.sign_in(user, "203.0.113.2", user.password, device=known.replace(known[-4:], "0000")) == 429
        tries = [self.sign_in(user, f"203.0.113.{n}", user.password, device=known) for n in range(10, 21)]
        assert tries == [200] * 10 + [429]

    def test_who_knows_a_devices_id_locks_its_owner_out_no_more_than_another_stranger(
        self, behind: Server, sign_up: Callable[..., Client],
    ) -> None:
        user = sign_up(behind)
        device = {"device": user.device["id"]}
        assert [self.sign_in(user, f"198.51.100.{n}", "wrong password", **device) for n in range(10)] == [401] * 10
        assert self.sign_in(user, "203.0.113.1", user.password, **device) == 200

    def test_the_body_of_a_throttled_sign_in_is_not_read(self, guarded: Server, sign_up: Callable[..., Client]) -> None:
        user = sign_up(guarded)
        def answered_without_body(path: str) -> int | None:
            """None: it is waited for, as another attempt has fallen due since the last was refused."""
            with RawSocket(guarded.url, timeout=2) as raw:
                raw.send(f"POST {path} HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {user.token}\r\n"
                         "Content-Length: 60000\r\n\r\n")
                try:
                    return raw.response().status
                except TimeoutError:
                    return None

        for path, allowed in (("/api/auth/login", 10), ("/api/auth/register", 60), ("/api/auth/password", 10)):
            # What is malformed counts too: it has cost its reading.
            began, statuses = time.monotonic(), []
            while (status := user.request("POST", path, content="{").status_code) == 422:
                statuses.append(status)
            # While they are sent, some fall due again; the sign-up was one of its own.
            due = allowed + (time.monotonic() - began) * allowed / 60
            assert status == 429 and allowed - 1 <= len(statuses) <= due + 1, path
            eventually(lambda path=path: answered_without_body(path) == 429, within=30, what=f"429 from {path} without its body")


def test_whoever_uses_up_what_a_user_may_ask_keeps_nobody_from_ending_that_session(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10", "LOCKSTEP_REQUESTS_PER_MINUTE": "1"})
    owner = sign_up(server)
    thief = owner.other_device("Stolen")
    eventually(lambda: thief.request("GET", "/api/auth/me").status_code == 429, what="the user's requests are used up")
    assert owner.request("GET", "/api/settings").status_code == 429
    found = {it["name"]: it["id"] for it in owner.expect(200, "GET", "/api/devices")["devices"]}
    owner.expect(204, "DELETE", f"/api/devices/{found['Stolen']}")
    assert thief.request("GET", "/api/auth/me").status_code == 401
    owner.logout()


@pytest.mark.timed
def test_a_flood_of_registrations_from_one_address_does_not_delay_anothers_sign_in(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(
        defaults=True, env={"LOCKSTEP_PASSWORD_COST": "13", "LOCKSTEP_TRUSTED_PROXIES": "127.0.0.0/8"})
    user = sign_up(server)
    answered: list[int] = []

    def register(number: int) -> None:
        body = {"email": f"flood{number}@example.org", "password": "correct horse", "device": {"name": "x", "kind": "web"}}
        answered.append(crowd.post("/api/auth/register", json=body).status_code)

    # One client for all: they come at once, and not one after another as each sets up its own.
    crowd = httpx.Client(
        base_url=server.url, headers={"X-Forwarded-For": "198.51.100.7"}, timeout=120, trust_env=False,
        limits=httpx.Limits(max_connections=60))
    threads = [threading.Thread(target=register, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    # Those for whom there was no room are answered first: then the rest waits.
    eventually(lambda: answered.count(503) >= 15, within=30, what="the queue is full")
    before = answered.count(201)
    login = {"email": user.email, "password": user.password, "device": {"name": "x", "kind": "web"}}
    assert user.request("POST", "/api/auth/login", login, headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 200
    # Two were being worked on, and by turns one goes before each of ours.
    assert answered.count(201) - before <= 8
    for thread in threads:
        thread.join()
    crowd.close()
    assert answered.count(201) >= 38


def test_an_owner_and_a_stranger_get_their_turn_while_a_site_registers_from_more_networks_than_there_are_places(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(
        defaults=True, env={"LOCKSTEP_PASSWORD_COST": "12", "LOCKSTEP_TRUSTED_PROXIES": "127.0.0.0/8"})
    user = sign_up(server)
    enough = threading.Event()
    answered: list[int] = []

    def register(network: int, connection: RawSocket) -> None:
        body = json.dumps({"email": f"{network}-{len(answered)}@example.org", "password": "correct horse",
                           "device": {"name": "x", "kind": "web"}})
        connection.send(f"POST /api/auth/register HTTP/1.1\r\nHost: {connection.host}\r\n"
                        f"X-Forwarded-For: 2001:db8:0:{network:x}::1\r\nContent-Length: {len(body)}\r\n\r\n{body}")

    def crowd() -> None:
        """Each asks again as soon as it is answered, at most five times a second."""
        connections = dict(enumerate(RawSocket(server.url) for _ in range(60)))
        for network, connection in connections.items():
            connection.socket.setblocking(False)
            register(network, connection)
        while not enough.wait(0.2):
            for network, connection in connections.items():
                with contextlib.suppress(BlockingIOError):
                    answered.append(int(connection.socket.recv(65_536).split(b" ", 2)[1]))
                    register(network, connection)
        for connection in connections.values():
            connection.close()

    thread = threading.Thread(target=crowd)
    thread.start()
    try:
        eventually(lambda: 503 in answered, within=30, what="more than there are places")
        owner = [
            TestStrangers.sign_in(user, "203.0.113.5", user.password, device=user.device["id"]) for _ in range(2)]
        stranger = TestStrangers.sign_in(user, "203.0.113.6", user.password)
        passwords = {"current_password": user.password, "new_password": "another horse battery"}
        changed = user.request("POST", "/api/auth/password", passwords, headers={"X-Forwarded-For": "203.0.113.7"})
        newcomer = {"email": "other@example.org", "password": "correct horse", "device": {"name": "x", "kind": "web"}}
        registered = user.request("POST", "/api/auth/register", newcomer, headers={"X-Forwarded-For": "203.0.113.8"})
    finally:
        enough.set()
        thread.join()
    assert (owner, stranger, changed.status_code, registered.status_code) == ([200] * 2, 200, 204, 201)
    assert answered.count(503) >= 10
