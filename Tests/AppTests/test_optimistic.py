"""What every client shows before the server has answered (Clients/Vectors/optimistic.json) is what the server decides."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness import Client, mutation
from harness.shop import Shop

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "Clients/Vectors/optimistic.json").read_text())
CASES = {case["name"]: case for case in VECTORS["cases"]}
# Documents whose id is a word of the contract; of all others it is a name of the vectors.
WORDED = {"settings", "focus", "wallet"}
DAY = re.compile(r"\d{4}-\d\d-\d\d")
# What is between the reading of a clock and the server's decision, on a machine that is busy.
SLACK_SECONDS = 10


class Case:
    """A case of the vectors as a database can have it: ids for names, and now for the time at which it was made."""

    def __init__(self, case: dict[str, Any], now: datetime) -> None:
        made = datetime.fromtimestamp(case["mutation"]["made"] / 1000, UTC)
        self.ids: dict[str, str] = {}
        self.later = now - made
        self.days_later = now.date() - made.date()
        change = case["mutation"]
        hint = change.get("hint", {}).get("transaction", {})
        names = {change["id"], hint.get("item_id")}
        names |= {value for name, value in change["args"].items() if name == "id" or name.endswith("_id")}
        for place, value in case["documents"].items():
            collection, id = place.split("/", 1)
            names |= {id} if collection not in WORDED else {value["id"]} if collection == "focus" else set()
        self.ids = {name: str(uuid.uuid4()) for name in names if isinstance(name, str)}
        self.documents = {self.place(place): self.real(value) for place, value in case["documents"].items()}
        self.change = {**change, "id": self.ids[change["id"]], "args": self.real(change["args"])}
        self.transaction = self.real(hint)
        self.effects = {self.place(f"{it['collection']}/{it['id']}"): self.real(it["value"]) for it in case["effects"]}
        self.decided = case["decided"]

    def place(self, place: str) -> str:
        collection, id = place.split("/", 1)
        return f"{collection}/{id if collection in WORDED else self.ids[id]}"

    def real(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.real(it) for name, it in value.items()}
        if isinstance(value, list):
            return [self.real(it) for it in value]
        if isinstance(value, str) and (at := instant(value)) is not None:
            return (at + self.later).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if isinstance(value, str) and DAY.fullmatch(value):
            return (date.fromisoformat(value) + self.days_later).isoformat()
        return self.ids.get(value, value) if isinstance(value, str) else value


def instant(text: Any) -> datetime | None:
    if not isinstance(text, str) or len(text) != 24 or not text.endswith("Z"):
        return None
    return datetime.fromisoformat(text)


def prepare(shop: Shop, client: Client, case: Case) -> None:
    """Puts the documents into the database, as rows of this user."""
    user = client.user["id"]

    def insert(table: str, **row: Any) -> None:
        columns = ", ".join(row)
        shop.database.rows(
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values()))

    shop.database.rows("UPDATE sync_heads SET version = 1 WHERE user_id = %s", [user])
    # A session last: once it is there the scheduler may end it, and pay.
    for place, value in sorted(case.documents.items(), key=lambda it: it[0].startswith("focus/")):
        collection, id = place.split("/", 1)
        match collection:
            case "settings":
                insert("user_settings", user_id=user, key=id, value=json.dumps(value), version=1, updated_at="now",
                       device_id=client.device["id"])
            case "focus":
                row = {name: value[name] for name in (
                    "id", "mode", "status", "duration_seconds", "started_at", "ends_at", "remaining_seconds", "pause_count",
                    "paused_seconds", "task_title")}
                insert("focus_sessions", user_id=user, version=1, number=1, device_id=client.device["id"], **row)
                insert("focus_pause_state", user_id=user, session_id=value["id"], is_paused=value["status"] == "paused",
                       paused_at=value["paused_at"])
            case "wallet":
                insert("user_wallet", user_id=user, version=1, seq=9, has_purchased=True, **value)
            case "items":
                insert("market_items", **{"name": "Hat", "category": "things", **value})
            case "personal_items":
                row = {name: value[name] for name in ("id", "cost_coins")}
                insert("market_personal_items", user_id=user, name="Hat", version=1, **row)
            case "inventory":
                insert("user_inventory", user_id=user, version=1, **value)
                purchase = {**value, "id": case.transaction.get("id", str(uuid.uuid4()))}
                if case.change["name"] == "market.refund":
                    purchase["id"] = case.change["args"]["transaction_id"]
                insert("user_market_purchases", user_id=user, version=1, **purchase)
            case "rewards":
                insert("user_rewards", user_id=user, version=1, created_at="now", **value)
            case _:
                # The rest stands in tables of their collections' names, as their documents say it.
                insert(collection, user_id=user, version=1, device_id=client.device["id"], **value)
    if case.change["name"] == "market.refund" and "transaction_id" in case.change["args"]:
        of = {"transaction_type": "spend", "coins_amount": -30, "created_at": "now", "item_id": None, **case.transaction}
        # What the page guesses, and no ledger holds.
        of.pop("quantity", None)
        insert("market_transactions", **{
            "user_id": user, "seq": 9, "balance_after": 0, "reason": "purchase", "hash": "", **of,
            "id": case.change["args"]["transaction_id"]})


def same(shown: Any, decided: Any) -> bool:
    """Whether a value says what another does: but for its version, and to a few seconds."""
    if isinstance(shown, dict) and isinstance(decided, dict):
        return all(same(value, decided.get(name)) for name, value in shown.items() if name != "version")
    if isinstance(shown, list) and isinstance(decided, list):
        return len(shown) == len(decided) and all(map(same, shown, decided))
    one, other = instant(shown), instant(decided)
    if one is not None and other is not None:
        return abs(one - other) < timedelta(seconds=SLACK_SECONDS)
    return type(shown) is type(decided) and shown == decided


def alike(shown: Any, decided: Any) -> bool:
    """The same of a session, whose seconds go by while the test runs."""
    if isinstance(shown, dict) and isinstance(decided, dict) and "duration_seconds" in shown:
        counted = ("remaining_seconds", "paused_seconds")
        near = all((shown[name] is None) == (decided[name] is None)
                   and abs((shown[name] or 0) - (decided[name] or 0)) < SLACK_SECONDS for name in counted)
        return near and same({name: it for name, it in shown.items() if name not in counted}, decided)
    return same(shown, decided)


@pytest.mark.parametrize("name", CASES)
def test_what_is_shown_is_what_is_decided(shop: Shop, sign_up: Callable[..., Client], name: str) -> None:
    client = sign_up(shop.server)
    now = shop.database.value("SELECT clock_timestamp()")
    began = time.monotonic()
    case = Case(CASES[name], now)
    prepare(shop, client, case)
    before = stand(client)
    age = round((time.monotonic() - began) * 1000)
    answer = client.request("POST", "/api/sync", {"mutations": [
        mutation(case.change["name"], case.change["args"], case.change["id"], age_ms=age)]})
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    code = result.get("problem", {}).get("code")
    assert {"status": result["status"], **({} if code is None else {"code": code})} == case.decided, result
    after = stand(client)
    for place, value in case.effects.items():
        assert alike(value, after.get(place)), (place, value, after.get(place))
    # What is not shown, though the server may do it, is what no device can tell.
    if case.decided["status"] == "rejected" or case.effects:
        untouched = set(case.documents) - set(case.effects) - over(case)
        assert {place: after.get(place) for place in untouched} == {place: before.get(place) for place in untouched}


def over(case: Case) -> set[str]:
    """What a session whose time is up moves by itself, whoever comes first."""
    return {"focus/active", "wallet/coins"} if "focus/active" in case.documents else set()


def stand(client: Client) -> dict[str, Any]:
    return {f"{it['collection']}/{it['id']}": it["value"] for it in client.pull()["documents"]}
