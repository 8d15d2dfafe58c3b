"""The throttles with their defaults (contract, section 1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Client, Server


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
