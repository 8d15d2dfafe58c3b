"""The market of a server under test, and what a device does there."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from .client import Client
from .postgres import Database
from .server import Server


@dataclass
class Shop:
    """A server with a catalogue of its own, and the hand of who runs it."""

    server: Server
    database: Database

    def item(self, name: str, cost: int, **columns: Any) -> str:
        names = ["id", "name", "cost_coins", "category", *columns]
        id = str(uuid.uuid4())
        self.database.rows(
            f"INSERT INTO market_items ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})",
            [id, name, cost, "things", *columns.values()])
        return id

    def change(self, item: str, what: str) -> None:
        self.database.rows(f"UPDATE market_items SET {what} WHERE id = %s", [item])  # type: ignore[arg-type]

    def give(self, client: Client, coins: int) -> None:
        self.database.rows(
            "SELECT coins_grant(%s, gen_random_uuid(), %s, 'a gift')", [client.user["id"], coins])


def buy(client: Client, item: str, key: str | None = None, **body: Any) -> httpx.Response:
    return client.request(
        "POST", "/api/market/purchase", {"item_id": item, **body},
        headers={"Idempotency-Key": key or str(uuid.uuid4())})


def wallet(client: Client) -> dict[str, Any]:
    return client.expect(200, "GET", "/api/market/wallet")


def inventory(client: Client) -> dict[str, dict[str, Any]]:
    answer = client.expect(200, "GET", "/api/market/inventory")
    assert answer["total_items"] == len(answer["purchases"])
    return {row["item_id"]: row for row in answer["purchases"]}


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]
