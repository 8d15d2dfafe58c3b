"""The market on REST (contract, section 5)."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from harness import Client, Refused, documents, eventually
from harness.shop import Shop, buy, code, inventory, wallet


def test_a_purchase_is_seen_in_wallet_inventory_ledger_and_replica(shop: Shop, ada: Client) -> None:
    tea = shop.item("Tea", 40)
    cursor = ada.pull()["cursor"]
    key = str(uuid.uuid4())
    answer = buy(ada, tea, key, quantity=2, expected_cost_coins=40)
    assert answer.status_code == 201
    bought = answer.json()
    assert bought["purchase"].items() >= {"id": key, "item_id": tea, "quantity": 2, "cost_paid_coins": 80}.items()
    assert bought["wallet"] == wallet(ada) and bought["wallet"]["total_coins"] == 920
    assert bought["transaction"]["id"] == key and bought["transaction"]["coins_amount"] == -80
    row = inventory(ada)[tea]
    assert (row["quantity"], row["redeemed"], row["item"]["name"]) == (2, 0, "Tea")
    ledger = ada.expect(200, "GET", "/api/market/transactions")["transactions"]
    assert ledger[0] == bought["transaction"]
    pull = ada.pull(cursor)
    assert [d["value"] for d in documents(pull, "wallet")] == [bought["wallet"]]
    (held,) = documents(pull, "inventory")
    assert held["id"] == tea and {**held["value"], "item": row["item"]} == row
    assert [d["value"]["reward_type"] for d in documents(pull, "rewards")] == ["first_purchase"]
    again = buy(ada, tea, key, quantity=2, expected_cost_coins=40)
    assert again.status_code == 201 and again.json() == bought and again.headers["Idempotency-Replayed"] == "true"
    assert wallet(ada) == bought["wallet"]
    assert ada.replica().digest() == ada.digest()["digest"]


def test_a_purchase_without_a_key_is_refused(shop: Shop, ada: Client) -> None:
    tea = shop.item("Tea", 1)
    assert code(ada.request("POST", "/api/market/purchase", {"item_id": tea})) == (400, "idempotency_key_required")
    assert code(buy(ada, tea, "seven")) == (400, "invalid_idempotency_key")
    assert wallet(ada)["total_coins"] == 1_000


def test_a_key_belongs_to_one_request(shop: Shop, ada: Client) -> None:
    tea, key = shop.item("Tea", 1), str(uuid.uuid4())
    assert buy(ada, tea, key).status_code == 201
    assert buy(ada, tea, key, quantity=1).status_code == 201
    assert code(buy(ada, tea, key, quantity=2)) == (422, "idempotency_key_reused")
    assert code(ada.request("POST", "/api/market/redeem", {"item_id": tea}, headers={"Idempotency-Key": key})) == (
        422, "idempotency_key_reused")
    assert wallet(ada)["total_coins"] == 999


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 2**31, 100, "1", [], True])
def test_a_quantity_that_cannot_be_is_refused(shop: Shop, ada: Client, quantity: object) -> None:
    tea = shop.item("Tea", 1)
    assert code(buy(ada, tea, quantity=quantity)) == (422, "invalid_body")
    assert code(ada.request("POST", "/api/market/redeem", {"item_id": tea, "quantity": quantity})) == (422, "invalid_body")
    assert wallet(ada)["total_coins"] == 1_000 and inventory(ada) == {}


@pytest.mark.parametrize("body", [{}, {"item_id": None}, {"item_id": 5}, {"item_id": "x"}, {"item_id": "' OR 1=1 --" + "x" * 25}])
def test_an_item_that_cannot_be_is_refused(ada: Client, body: dict[str, Any]) -> None:
    answer = ada.request("POST", "/api/market/purchase", body, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert code(answer) == (422, "invalid_body") and answer.json()["errors"][0]["pointer"] == "/item_id"


def test_refusals_say_why(shop: Shop, ada: Client, sign_up: Callable[..., Client]) -> None:
    assert code(buy(ada, str(uuid.uuid4()))) == (404, "not_found")
    assert code(buy(ada, shop.item("Gone", 1, available=False))) == (409, "item_unavailable")
    tea = shop.item("Tea", 600)
    answer = buy(ada, tea, expected_cost_coins=500)
    assert code(answer) == (409, "price_changed") and answer.json()["cost_coins"] == 600
    answer = buy(ada, tea, quantity=2)
    assert code(answer) == (409, "insufficient_coins")
    assert (answer.json()["balance"], answer.json()["cost"]) == (1_000, 1_200)
    assert code(buy(ada, shop.item("Few", 1, max_per_user=2), quantity=3)) == (409, "limit_reached")
    assert code(buy(ada, shop.item("Last", 1, stock_remaining=2), quantity=3)) == (409, "out_of_stock")
    assert code(buy(ada, shop.item("Dear", 2**53 - 1), quantity=99)) == (409, "insufficient_coins")
    assert code(buy(ada, shop.item("Dear", 2**53 - 1))) == (409, "insufficient_coins")
    ben = sign_up(shop.server)
    walk = ben.expect(201, "POST", "/api/market/items", {"name": "Walk", "cost_coins": 0})["id"]
    assert code(buy(ada, walk)) == (404, "not_found")
    assert wallet(ada)["total_coins"] == 1_000 and inventory(ada) == {}


def test_a_refusal_is_final_for_its_key(shop: Shop, ada: Client) -> None:
    tea, key = shop.item("Tea", 2_000), str(uuid.uuid4())
    first = buy(ada, tea, key)
    shop.give(ada, 5_000)
    again = buy(ada, tea, key)
    assert code(again) == (409, "insufficient_coins") and again.headers["Idempotency-Replayed"] == "true"
    assert first.json()["balance"] == again.json()["balance"] == 1_000
    assert buy(ada, tea).status_code == 201


def test_a_window_opens_and_closes_by_the_servers_clock(shop: Shop, ada: Client) -> None:
    now = shop.database.value("SELECT now()")
    tea = shop.item("Tea", 1, available_from=now.replace(year=now.year + 1))
    assert code(buy(ada, tea)) == (409, "item_unavailable")
    version = ada.expect(200, "GET", f"/api/market/items/{tea}")["version"]
    shop.change(tea, "available_from = now() + interval '0.5 s'")
    eventually(lambda: buy(ada, tea).status_code == 201, what="the window to open")
    item = ada.expect(200, "GET", f"/api/market/items/{tea}")
    assert item["version"] > version and item["available"] is True
    shop.change(tea, "available_until = now()")
    assert code(buy(ada, tea)) == (409, "item_unavailable")


def test_redeem_and_refund(shop: Shop, ada: Client) -> None:
    tea, first, second = shop.item("Tea", 10), str(uuid.uuid4()), str(uuid.uuid4())
    buy(ada, tea, first)
    buy(ada, tea, second)
    row = ada.expect(200, "POST", "/api/market/redeem", {"item_id": tea})
    assert (row["quantity"], row["redeemed"], row["item"]["id"]) == (2, 1, tea)
    refund = lambda id: ada.request("POST", "/api/market/refund", {"transaction_id": id})  # noqa: E731
    assert code(refund(first)) == (409, "not_refundable")
    answer = refund(second).json()
    assert answer["transaction"]["transaction_type"] == "refund" and answer["transaction"]["coins_amount"] == 10
    assert answer["wallet"].items() >= {"total_coins": 990, "earned_coins": 1_000, "spent_coins": 10}.items()
    assert code(refund(second)) == (409, "not_refundable")
    assert code(refund(answer["transaction"]["id"])) == (409, "not_refundable")
    assert code(refund(str(uuid.uuid4()))) == (404, "not_found")
    assert code(refund("x")) == (422, "invalid_body")
    assert code(ada.request("POST", "/api/market/redeem", {"item_id": tea})) == (409, "nothing_to_redeem")
    assert inventory(ada)[tea]["quantity"] == 1


def test_after_24_hours_nothing_is_refunded(shop: Shop, ada: Client) -> None:
    tea, key = shop.item("Tea", 10), str(uuid.uuid4())
    buy(ada, tea, key)
    shop.database.rows("UPDATE user_market_purchases SET purchased_at = purchased_at - interval '24 hours' WHERE id = %s", [key])
    assert code(ada.request("POST", "/api/market/refund", {"transaction_id": key})) == (409, "not_refundable")


def test_personal_items_belong_to_their_maker(shop: Shop, ada: Client, sign_up: Callable[..., Client]) -> None:
    ben = sign_up(shop.server)
    key = str(uuid.uuid4())
    answer = ada.request(
        "POST", "/api/market/items", {"name": "Hidden waterfall", "cost_coins": 5, "category": "Secret"},
        headers={"Idempotency-Key": key})
    item = answer.json()
    assert answer.status_code == 201 and item["id"] == key and answer.headers["ETag"] == f'"{item["version"]}"'
    path = f"/api/market/items/{key}"
    search = {"params": {"q": "waterfall"}}
    assert ada.expect(200, "GET", path) == item
    assert ada.expect(200, "GET", "/api/market/items", **search)["items"] == [item]
    assert item in ada.expect(200, "GET", "/api/market")["items"]
    assert [d["value"] for d in documents(ada.pull(), "personal_items")] == [item]
    categories = lambda who: {c["name"] for c in who.expect(200, "GET", "/api/market/categories")["categories"]}  # noqa: E731
    assert "Secret" in categories(ada) and "Secret" not in categories(ben)
    assert ben.expect(200, "GET", "/api/market/items", **search)["items"] == []
    for answer in [ben.request("GET", path), ben.request("PATCH", path, {"name": "x"}), ben.request("DELETE", path), buy(ben, key)]:
        assert code(answer) == (404, "not_found")
    assert key not in ben.pull().__repr__()
    stale = ada.request("PATCH", path, {"cost_coins": 6}, headers={"If-Match": '"0"'})
    assert code(stale) == (412, "version_mismatch") and stale.json()["current"] == item
    changed = ada.request("PATCH", path, {"cost_coins": 6}, headers={"If-Match": f'"{item["version"]}"'})
    assert changed.status_code == 200 and changed.json()["cost_coins"] == 6 and changed.json()["name"] == item["name"]
    assert buy(ada, key, expected_cost_coins=6).status_code == 201
    assert ada.request("DELETE", path).status_code == 204 and ada.request("GET", path).status_code == 404
    assert inventory(ada)[key]["item"]["name"] == "Hidden waterfall"
    assert ada.expect(200, "POST", "/api/market/redeem", {"item_id": key})["redeemed"] == 1


@pytest.mark.parametrize(("body", "pointer"), [
    ({"cost_coins": 1}, "/name"), ({"name": " ", "cost_coins": 1}, "/name"), ({"name": "x"}, "/cost_coins"),
    ({"name": "x" * 201, "cost_coins": 1}, "/name"), ({"name": "x", "cost_coins": -1}, "/cost_coins"),
    ({"name": "x", "cost_coins": 2**53}, "/cost_coins"), ({"name": "x", "cost_coins": 0.5}, "/cost_coins"),
    ({"name": "x", "cost_coins": 1, "category": ""}, "/category"),
    ({"name": "x", "cost_coins": 1, "description": 5}, "/description"),
])
def test_an_item_of_ones_own_that_cannot_be_is_refused(ada: Client, body: dict[str, Any], pointer: str) -> None:
    answer = ada.request("POST", "/api/market/items", body)
    assert code(answer) == (422, "invalid_body") and answer.json()["errors"][0]["pointer"] == pointer
    assert documents(ada.pull(), "personal_items") == []


def test_the_catalogue_is_changed_by_nobody_s_request(shop: Shop, ada: Client) -> None:
    tea = shop.item("Tea", 1)
    assert code(ada.request("PATCH", f"/api/market/items/{tea}", {"cost_coins": 0})) == (404, "not_found")
    assert code(ada.request("DELETE", f"/api/market/items/{tea}")) == (404, "not_found")
    assert code(ada.request("GET", "/api/market/items/x")) == (404, "not_found")


def test_lists_are_searched_filtered_and_cut_into_pages(shop: Shop, ada: Client) -> None:
    mark = uuid.uuid4().hex
    for name in ["Žluťoučký kůň", "b", "B", "a%", "Z_"]:
        shop.item(f"{name} {mark}", 1, rarity="epic")
    seen: list[str] = []
    after = None
    while True:
        params = {"q": mark.upper(), "limit": "2", "rarity": "epic", "category": "things", **({"after": after} if after else {})}
        page = ada.expect(200, "GET", "/api/market/items", params=params)
        seen += [item["name"].split(f" {mark}")[0] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
        assert after == httpx.QueryParams({"x": after}).__str__()[2:], "next must be safe in a URL"
    assert seen[0] == "a%" and sorted(seen[1:3]) == ["B", "b"] and seen[3:] == ["Z_", "Žluťoučký kůň"]
    for q, found in [("zlutoucky KUN", 1), ("%", 1), ("_", 1), ("\\", 0), ("zlutoucky w", 0)]:
        page = ada.expect(200, "GET", "/api/market/items", params={"q": f"{q} {mark}"})
        assert len(page["items"]) == found, q
    for params in [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"rarity": "odd"}, {"after": "x"}, {"q": "x" * 201}]:
        assert code(ada.request("GET", "/api/market/items", params=params)) == (422, "invalid_query"), params
    assert ada.request("GET", "/api/market/items", params={"q": "\x00"}).status_code == 422


def test_the_ledger_comes_in_pages_and_its_chain_can_be_checked(shop: Shop, ada: Client) -> None:
    tea = shop.item("Tea", 3)
    for _ in range(4):
        buy(ada, tea)
    entries: list[dict[str, Any]] = []
    before = None
    while True:
        page = ada.expect(200, "GET", "/api/market/transactions", params={"limit": "2", **({"before": before} if before else {})})
        entries += page["transactions"]
        before = page["next"]
        if before is None:
            break
    entries.reverse()
    previous, balance = "", 0
    for number, entry in enumerate(entries, start=1):
        balance += entry["coins_amount"]
        assert entry["balance_after"] == balance
        lines = [previous, ada.user["id"], number, entry["id"], entry["transaction_type"], entry["coins_amount"],
                 entry["balance_after"], entry["item_id"] or "", entry["created_at"], entry["reason"]]
        previous = hashlib.sha256("\n".join(map(str, lines)).encode()).hexdigest()
        assert entry["hash"] == previous
    assert len(entries) == 5 and balance == wallet(ada)["total_coins"]
    for params in [{"before": "0"}, {"before": "x"}, {"limit": "1000"}]:
        assert code(ada.request("GET", "/api/market/transactions", params=params)) == (422, "invalid_query"), params


def test_a_double_click_buys_once(shop: Shop, ada: Client) -> None:
    tea, key = shop.item("Tea", 10), str(uuid.uuid4())
    answers: list[httpx.Response] = []
    phone = ada.other_device()
    clicks = [threading.Thread(target=lambda c=client: answers.append(buy(c, tea, key))) for client in [ada, phone] * 4]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join(20)
    assert {a.status_code for a in answers} == {201} and len({a.text for a in answers}) == 1
    assert wallet(ada)["total_coins"] == 990
    phone.close()


def test_without_signing_in_there_is_no_market(shop: Shop, ada: Client) -> None:
    for path in ["", "/items", "/wallet", "/inventory", "/transactions", "/rewards", "/recommendations", "/categories"]:
        assert ada.request("GET", "/api/market" + path, headers={"Authorization": ""}).status_code == 401
    with pytest.raises(Refused):
        ada.expect(200, "GET", "/api/market/none")
