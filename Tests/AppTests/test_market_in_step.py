"""The market's rewards, its mutations in a queue, and what other devices see of it (contract, sections 5 to 7)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Client, Cluster, Server, documents, mutation
from harness.shop import Shop, buy, code, wallet


class TestRewards:
    """Granted by the server, paid once."""

    def rewards(self, client: Client) -> list[str]:
        return [r["reward_type"] for r in client.expect(200, "GET", "/api/market/rewards")["rewards"]]

    def test_the_first_purchase_is_rewarded_once_and_paid_once(self, shop: Shop, ada: Client) -> None:
        tea = shop.item("Tea", 1)
        buy(ada, tea)
        buy(ada, tea)
        (reward,) = ada.expect(200, "GET", "/api/market/rewards")["rewards"]
        assert reward.items() >= {"reward_type": "first_purchase", "coins_earned": 5, "claimed": False}.items()
        path = f"/api/market/rewards/{reward['id']}/claim"
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ada.request("POST", path), range(16)))
        paid = [answer for answer in answers if answer.status_code == 200]
        assert len(paid) == 1 and all(code(a) == (409, "already_claimed") for a in answers if a.status_code != 200)
        assert paid[0].json()["reward"]["claimed"] is True and paid[0].json()["wallet"] == wallet(ada)
        assert wallet(ada)["total_coins"] == 1_003

    def test_somebody_else_s_reward_is_none(self, shop: Shop, ada: Client, sign_up: Callable[..., Client]) -> None:
        buy(ada, shop.item("Tea", 1))
        (reward,) = ada.expect(200, "GET", "/api/market/rewards")["rewards"]
        answer = sign_up(shop.server).request("POST", f"/api/market/rewards/{reward['id']}/claim")
        assert code(answer) == (404, "not_found")

    def test_a_day_is_rewarded_at_its_first_sync(self, shop: Shop, sign_up: Callable[..., Client]) -> None:
        user = sign_up(shop.server)
        assert self.rewards(user) == []
        pull = user.pull()
        assert [d["value"]["reward_type"] for d in documents(pull, "rewards")] == ["daily_login"]
        for _ in range(3):
            assert user.poll(pull["cursor"]).status_code == 304
        user.push()
        user.other_device().socket().caught_up()
        assert self.rewards(user) == ["daily_login"]

    def test_or_at_a_sign_in(self, shop: Shop, sign_up: Callable[..., Client]) -> None:
        user = sign_up(shop.server)
        user.other_device()
        assert self.rewards(user) == ["daily_login"]

    def test_or_at_a_socket_before_its_first_changes(self, shop: Shop, sign_up: Callable[..., Client]) -> None:
        user = sign_up(shop.server)
        assert [d["collection"] for d in user.socket().changes()["documents"] if d["collection"] == "rewards"] == ["rewards"]

    def test_another_date_by_another_time_zone_is_another_day(self, shop: Shop, sign_up: Callable[..., Client]) -> None:
        user = sign_up(shop.server)
        user.set("time_zone", "Pacific/Pago_Pago")
        user.pull()
        user.set("time_zone", "Pacific/Kiritimati")
        user.pull()
        user.set("time_zone", "Pacific/Pago_Pago")
        user.pull()
        assert self.rewards(user) == ["daily_login"] * 2

    def test_ordinary_polls_ask_nothing(
        self, talkative: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    ) -> None:
        def asked() -> int:
            return talkative.log_path.read_text(errors="replace").count("FROM market_arrival(")

        user = sign_up(start_server(talkative.database()))
        assert asked() == 0
        cursor = user.pull()["cursor"]
        assert asked() == 1, "the first sync of the day asks, and the log shows it"
        for _ in range(50):
            assert user.poll(cursor).status_code == 304
        assert asked() == 1
        user.set("time_zone", "Pacific/Kiritimati")
        user.pull()
        assert asked() == 2, "the log still shows it"


class TestPush:
    """The market's mutations in a queue."""

    def test_a_queue_names_what_it_makes(self, shop: Shop, ada: Client) -> None:
        tea = shop.item("Tea", 10)
        purchase = mutation("market.purchase", {"item_id": tea, "quantity": 2})
        answer = ada.push(
            purchase, mutation("market.refund", {"transaction_id": purchase["id"]}),
            mutation("market.purchase", {"item_id": tea}), mutation("market.redeem", {"item_id": tea}),
            mutation("market.redeem", {"item_id": tea}), mutation("market.claim", {"reward_id": str(uuid.uuid4())}))
        results = answer["results"]
        assert [r["status"] for r in results] == ["applied"] * 4 + ["rejected"] * 2
        assert [r["problem"]["code"] for r in results[4:]] == ["nothing_to_redeem", "not_found"]
        assert results[0]["output"]["purchase"]["id"] == purchase["id"]
        assert results[1]["output"]["wallet"]["total_coins"] == 1_000
        assert documents(answer, "wallet")[0]["value"]["total_coins"] == 990
        assert all(r.get("version") for r in results[:4])

    def test_one_id_by_push_and_by_rest_happens_once(self, shop: Shop, ada: Client) -> None:
        tea = shop.item("Tea", 10)
        purchase = mutation("market.purchase", {"item_id": tea})
        ada.push(purchase)
        answer = buy(ada, tea, purchase["id"])
        assert answer.status_code == 201 and answer.headers["Idempotency-Replayed"] == "true"
        assert ada.push(purchase)["results"][0]["output"] == answer.json()
        assert wallet(ada)["total_coins"] == 990

    def test_what_is_rest_s_alone_is_not_pushed(self, ada: Client) -> None:
        for name in ["market.items.create", "market.items.patch", "market.items.delete", "market.grant"]:
            result = ada.push(mutation(name, {"name": "x", "cost_coins": 1}))["results"][0]
            assert result["problem"]["code"] == "unknown_mutation", name


class TestSockets:
    """What other devices see, and when."""

    @pytest.mark.timed
    def test_a_purchase_stands_on_the_other_device(self, shop: Shop, ada: Client) -> None:
        tea = shop.item("Tea", 10)
        phone = ada.other_device()
        socket = phone.socket().caught_up()
        key = str(uuid.uuid4())
        began = time.monotonic()
        buy(ada, tea, key)
        frame = socket.wait(lambda m: m["type"] == "changes" and key in m["mutation_ids"])
        assert time.monotonic() - began < 1
        assert documents(frame, "wallet")[0]["value"] == wallet(ada)
        assert documents(frame, "inventory")[0]["id"] == tea
        socket.wait_cursor(ada.pull()["cursor"])
        assert socket.replica.documents == ada.replica().documents

    def test_the_stock_of_all_is_told_to_all(self, shop: Shop, ada: Client, sign_up: Callable[..., Client]) -> None:
        last = shop.item("Last", 1, stock_remaining=5)
        socket = sign_up(shop.server).socket().caught_up()
        buy(ada, last, quantity=2)
        frame = socket.wait(lambda m: m["type"] == "changes" and documents(m, "items") and m["reset"] is False)
        assert {d["id"]: d["value"]["stock_remaining"] for d in documents(frame, "items")} == {last: 3}
        assert documents(frame, "wallet") == []

    def test_a_withdrawn_item_is_told_at_the_next_comparison(self, shop: Shop, ada: Client) -> None:
        tea = shop.item("Tea", 1)
        cursor = ada.pull()["cursor"]
        shop.change(tea, "available = false")
        (document,) = documents(ada.pull(cursor, wait=20), "items")
        assert document["id"] == tea and document["value"]["available"] is False
