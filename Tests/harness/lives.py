"""What a user does in the course of years: once each, so that a test sees every statement of the server and a row in every table."""

from __future__ import annotations

import uuid
from typing import Any

from .client import Client, mutation
from .postgres import Database


def do_everything(ada: Client, database: Database) -> None:
    """What a user does in the course of years."""
    ada.set("theme", "dark")
    ada.patch({"sidebar": 240, "gone": 1})
    ada.delete("gone")
    ada.history("theme")
    ada.settings()
    phone = ada.other_device()
    socket = phone.socket().caught_up()
    assert phone.push(mutation("settings.set", {"key": "theme", "value": "light"}, base_version=0))["results"][0]["status"] == "conflict"
    ada.conflicts()
    ada.digest()
    database.rows("SELECT coins_grant(%s, gen_random_uuid(), 1000, 'a gift')", [ada.user["id"]])
    session = ada.expect(201, "POST", "/api/focus", {"task_title": "Letters", "duration_seconds": 1_500})
    ada.expect(200, "POST", "/api/focus/pause", {"id": session["id"]})
    ada.expect(200, "GET", "/api/focus/pause")
    ada.request("DELETE", "/api/focus/pause")
    ada.expect(200, "GET", "/api/focus/active")
    ada.expect(200, "GET", "/api/focus")
    ada.request("POST", f"/api/focus/{session['id']}/abandon", {})
    ada.expect(200, "GET", "/api/focus/stats")
    made = ada.expect(201, "POST", "/api/market/items", {"name": "Tea", "cost_coins": 1, "consumable": True})
    bought = [ada.expect(201, "POST", "/api/market/purchase", {"item_id": made["id"]},
                         headers={"Idempotency-Key": str(uuid.uuid4())}) for _ in range(2)]
    ada.push(mutation("market.redeem", {"item_id": made["id"]}), mutation("market.refund", {"transaction_id": bought[1]["transaction"]["id"]}))
    for path in ("items", "categories", "wallet", "rewards", "transactions", "inventory", "recommendations"):
        assert ada.request("GET", f"/api/market/{path}").status_code < 500
    cursor = ada.pull()["cursor"]
    ada.set("theme", "system")
    ada.poll(cursor)
    ada.expect(200, "GET", "/api/devices")
    ada.expect(200, "GET", "/api/account/export")
    ada.expect(204, "POST", "/api/auth/password", {"current_password": ada.password, "new_password": "another horse battery"})
    assert socket.wait_closed() == 4401
    ada.password = "another horse battery"


def live_on(ada: Client, database: Database) -> Client:
    """And what do_everything leaves undone: the shop's things bought, rewards claimed, a session completed, a push that is partly
    refused, and a device that is there as long as the answer is open."""
    database.rows("SELECT coins_grant(%s, gen_random_uuid(), 10000, 'another gift')", [ada.user["id"]])
    shelf = [one["id"] for one in ada.expect(200, "GET", "/api/market/items")["items"] if not one["personal"]][:3]
    # Of one there are only so many.
    database.rows("UPDATE market_items SET stock_remaining = 1000 WHERE id = %s", [shelf[0]])
    bought = [_keyed(ada, "purchase", {"item_id": item}) for item in shelf]
    _keyed(ada, "refund", {"transaction_id": bought[0]["transaction"]["id"]})
    made = _keyed(ada, "items", {"name": "Walk", "cost_coins": 1})["id"]
    ada.expect(200, "PATCH", f"/api/market/items/{made}", {"name": "Long walk"})
    _keyed(ada, "purchase", {"item_id": made})
    ada.request("DELETE", f"/api/market/items/{_keyed(ada, 'items', {'name': 'Nap', 'cost_coins': 1})['id']}")
    for reward in ada.expect(200, "GET", "/api/market/rewards")["rewards"]:
        _keyed(ada, f"rewards/{reward['id']}/claim", {})
    session = ada.expect(201, "POST", "/api/focus", {})["id"]
    database.rows("UPDATE focus_sessions SET started_at = started_at - interval '1500 s', ends_at = ends_at - interval '1500 s' "
                  "WHERE user_id = %s AND id = %s", [ada.user["id"], session])
    ada.expect(200, "POST", f"/api/focus/{session}/complete")
    phone = ada.other_device()
    phone.push(mutation("settings.set", {"key": "theme", "value": "light"}, seq=1), mutation("settings.delete", {"key": "none"}, seq=2),
               mutation("nobody.knows", {}, seq=3))
    socket = phone.socket().caught_up()
    socket.push(mutation("settings.set", {"key": "sidebar", "value": 200}, seq=4))
    for conflict in ada.conflicts()[1:]:
        ada.expect(204, "DELETE", f"/api/sync/conflicts/{conflict['id']}")
    ada.request("DELETE", "/api/settings")
    ada.set("theme", "dark")
    ada.expect(200, "GET", "/api/market/recommendations")
    ada.expect(200, "GET", "/api/auth/me")
    ada.expect(200, "GET", "/api/flags")
    return phone


def _keyed(ada: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = ada.request("POST", f"/api/market/{path}", body, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert answer.status_code < 300, answer.text
    return answer.json()
