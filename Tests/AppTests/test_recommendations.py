"""Recommendations over HTTP (contract, section 5): from purchases, within seconds, and only what the user can buy."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from harness import Client, Database, Server, eventually

REASONS = {"bought_together", "frequently_purchased", "trending", "affordable"}


class Market:
    """A catalogue put into the database, and users with coins at whichever server."""

    def __init__(self, database: Database, sign_up: Callable[..., Client]) -> None:
        self.database, self.sign_up = database, sign_up

    def item(self, name: str, cost: int = 10, **columns: Any) -> str:
        id = str(uuid.uuid4())
        self.database.rows("INSERT INTO market_items (id, name, cost_coins, category) VALUES (%s, %s, %s, 'things')",
                           (id, name, cost))
        for column, value in columns.items():
            self.database.rows(f"UPDATE market_items SET {column} = %s WHERE id = %s", (value, id))
        return id

    def user(self, server: Server, *bought: str, coins: int = 1_000) -> Client:
        client = self.sign_up(server)
        self.database.rows("SELECT coins_grant(%s, gen_random_uuid(), %s, 'a gift')", (client.user["id"], coins))
        for item in bought:
            buy(client, item)
        return client


def buy(client: Client, item: str) -> dict[str, Any]:
    return client.expect(201, "POST", "/api/market/purchase", {"item_id": item},
                         headers={"Idempotency-Key": str(uuid.uuid4())})


def recommended(client: Client) -> list[dict[str, Any]]:
    return client.expect(200, "GET", "/api/market/recommendations")["recommendations"]


def reasons(client: Client) -> dict[str, str]:
    return {entry["item"]["name"]: entry["reason"] for entry in recommended(client)}


@pytest.fixture
def market(database: Database, sign_up: Callable[..., Client]) -> Market:
    return Market(database, sign_up)


def test_what_was_bought_is_in_the_lists_of_others_within_ten_seconds_at_every_process(
    start_server: Callable[..., Server], market: Market,
) -> None:
    first, second = start_server(), start_server()
    tea, cup, coffee = market.item("Tea"), market.item("Cup"), market.item("Coffee")
    market.item("Plain")
    ada = market.user(second, tea, coffee, coffee)
    assert reasons(ada)["Coffee"] == "frequently_purchased"
    for _ in range(3):
        market.user(first, tea, cup)
    begun = time.monotonic()
    eventually(lambda: reasons(ada)["Cup"] == "bought_together", within=10, what="the purchases of others to count")
    print(f"after {time.monotonic() - begun:.1f} s")
    assert reasons(ada) == {"Cup": "bought_together", "Coffee": "frequently_purchased", "Tea": "trending",
                            "Plain": "affordable"}
    entries = recommended(ada)
    assert [entry["score"] for entry in entries] == sorted((entry["score"] for entry in entries), reverse=True)
    for entry in entries:
        assert set(entry) == {"item_id", "score", "reason", "item"} and entry["reason"] in REASONS
        assert 0 <= entry["score"] <= 1 and entry["item"]["id"] == entry["item_id"]
        assert entry["item"] == ada.expect(200, "GET", f"/api/market/items/{entry['item_id']}")
    assert ada.expect(200, "GET", "/api/market")["recommendations"] == entries


def test_the_other_process_goes_on_counting_when_one_is_killed(
    start_server: Callable[..., Server], market: Market,
) -> None:
    first, second = start_server(), start_server()
    tea, cup = market.item("Tea"), market.item("Cup")
    ada = market.user(second, tea)
    market.user(first, tea, cup)
    first.kill()
    for _ in range(2):
        market.user(second, tea, cup)
    eventually(lambda: reasons(ada)["Cup"] == "bought_together", within=10, what="the other process to count")


def test_what_cannot_be_bought_is_never_recommended(server: Server, market: Market, database: Database) -> None:
    items = {name: market.item(name) for name in ("Fine", "Withdrawn", "Dear", "Sold out", "Limited", "Over", "Once")}
    for _ in range(4):
        market.user(server, *items.values())
    ada = market.user(server, items["Fine"], items["Limited"], items["Once"], coins=100)
    eventually(lambda: reasons(ada).get("Dear") == "bought_together", within=10, what="the purchases to count")
    for name, change in {
        "Withdrawn": "available = false", "Dear": "cost_coins = 71", "Sold out": "stock_remaining = 0",
        "Limited": "max_per_user = 1", "Over": "available_until = now()", "Once": "consumable = false",
    }.items():
        database.rows(f"UPDATE market_items SET {change} WHERE id = %s", (items[name],))
    assert set(reasons(ada)) == {"Fine"}
    # At once, without a count: the coins are gone.
    for _ in range(7):
        buy(ada, items["Fine"])
    assert recommended(ada) == []


def test_what_somebody_made_for_himself_is_in_nobody_else_s_list(server: Server, market: Market) -> None:
    tea = market.item("Tea")
    people = [market.user(server, tea) for _ in range(5)]
    for person in people[1:]:
        secret = person.expect(201, "POST", "/api/market/items", {"name": "Secret", "cost_coins": 1})["id"]
        for _ in range(3):
            buy(person, secret)
    eventually(lambda: reasons(people[0])["Tea"] == "trending", within=10, what="the purchases to count")
    assert set(reasons(people[0])) == {"Tea"}
    assert reasons(people[1])["Secret"] == "frequently_purchased"
