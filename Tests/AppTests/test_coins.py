"""`lockstep coins grant`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import Client, Database, Server, lockstep


@pytest.fixture
def grant(server: Server, database: Database) -> Callable[..., Any]:
    def run(*arguments: str) -> Any:
        return lockstep("coins", "grant", *arguments, env={"DATABASE_URL": database.url})

    return run


def wallet(client: Client) -> dict[str, Any]:
    return client.expect(200, "GET", "/api/market/wallet")


def test_granted_coins_are_in_the_wallet_and_the_ledger(grant: Callable[..., Any], client: Client) -> None:
    done = grant(client.email.upper(), "500", "--reason", "Welcome, and thanks")
    assert (done.returncode, done.stdout) == (0, f"granted 500 coins to {client.email}; the balance is 500\n")
    assert grant(client.email, "1", "--reason", "more").stdout.endswith("the balance is 501\n")
    assert wallet(client)["total_coins"] == 501
    entries = client.expect(200, "GET", "/api/market/transactions")["transactions"]
    assert [(one["transaction_type"], one["coins_amount"], one["balance_after"], one["reason"]) for one in entries] == [
        ("earn", 1, 501, "more"), ("earn", 500, 500, "Welcome, and thanks")]


@pytest.mark.timed
def test_sockets_of_every_process_and_waiting_polls_hear_of_it_within_a_second(
    grant: Callable[..., Any], client: Client, start_server: Callable[..., Server],
) -> None:
    phone = client.other_device(url=start_server().url)
    sockets = [client.socket().caught_up(), phone.socket().caught_up()]
    marks = [len(socket.messages) for socket in sockets]
    assert grant(client.email, "7", "--reason", "x").returncode == 0
    for socket, mark in zip(sockets, marks, strict=True):
        (document,) = socket.changes(after=mark, within=1)["documents"]
        assert (document["collection"], document["value"]["total_coins"]) == ("wallet", 7)
        assert socket.replica.digest() == client.digest()["digest"]
    phone.close()


@pytest.mark.parametrize("coins", ["0", "-5", "-0", "1.5", "1e3", "x", "", "1000000000001", "9223372036854775808", "5 6"])
def test_what_is_no_amount_is_one_line_and_changes_nothing(grant: Callable[..., Any], client: Client, coins: str) -> None:
    done = grant(client.email, *coins.split(" "), "--reason", "x")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert wallet(client)["total_coins"] == 0


@pytest.mark.parametrize("email", ["nobody@example.org", "no address", "", "' OR 1=1 --"])
def test_an_unknown_address_is_one_line(grant: Callable[..., Any], client: Client, email: str) -> None:
    done = grant(email, "5", "--reason", "x")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and f"nobody is registered as {email}" in done.stderr


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "x" * 201, "focus_session", "purchase", "refund", "reward:first_focus"])
def test_a_reason_that_cannot_be_is_one_line(grant: Callable[..., Any], client: Client, reason: str) -> None:
    done = grant(client.email, "5", "--reason", reason)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and wallet(client)["total_coins"] == 0


def test_a_wallet_that_would_overflow_is_left_alone(grant: Callable[..., Any], client: Client, database: Database) -> None:
    assert grant(client.email, "5", "--reason", "x").returncode == 0
    with database.connect() as connection:
        connection.execute("UPDATE user_wallet SET earned_coins = 9007199254740990, total_coins = 9007199254740990")
    done = grant(client.email, "5", "--reason", "x")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "cannot hold 5 coins more" in done.stderr
    assert wallet(client)["total_coins"] == 9007199254740990
    assert grant(client.email, "1", "--reason", "x").returncode == 0
