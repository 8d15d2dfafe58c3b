"""The market page: a wallet and an inventory that are the same everywhere, and a click that buys once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from harness import Client, Database, Server
from harness.browser import Device
from harness.server import lockstep

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
OUTSIDE = "0190b1c0-0000-76a0-b1b8-0bc7873dbb32"  # of the demo: 10 coins, consumable, without limits


@pytest.fixture
def shop(start_server: Callable[..., Server]) -> Server:
    """A server with the demo's catalogue."""
    return start_server(env={"LOCKSTEP_SEED_DEMO": "on"})


@pytest.fixture
def grant(database: Database) -> Callable[[str, int], None]:
    def give(email: str, coins: int) -> None:
        done = lockstep("coins", "grant", email, str(coins), "--reason", "Welcome", env={"DATABASE_URL": database.url})
        assert done.returncode == 0, done.stderr
    return give


def buy(device: Device, item: str) -> None:
    device.get(f"buy-item-{item}").click()
    device.get("confirm-purchase").click()


def inventory(client: Client) -> dict[str, int]:
    rows = client.expect(200, "GET", "/api/market/inventory")["purchases"]
    return {row["item_id"]: row["quantity"] for row in rows}


def test_what_is_bought_on_one_device_stands_on_the_other_within_a_second(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
    beside: Callable[[Device, str], Client], report_delays: Callable[..., None],
) -> None:
    one, other = device(shop).register(email, page="market"), device(shop).login(email, page="market")
    expect(one.get("coin-balance")).to_have_text("0")
    grant(email, 100)
    for browser in (one, other):
        expect(browser.get("coin-balance")).to_have_text("100", timeout=6_000)
    found = []
    for count in (1, 2, 3):
        one.get(f"buy-item-{OUTSIDE}").click()
        expect(one.get("purchase-sum")).to_contain_text(f"10 coins of your {110 - 10 * count}")
        began = time.monotonic()
        one.get("confirm-purchase").click()
        expect(other.get("coin-balance")).to_have_text(str(100 - 10 * count), timeout=1_000)
        words = "1 piece" if count == 1 else f"{count} pieces"
        expect(other.get(f"inventory-item-{OUTSIDE}")).to_contain_text(words, timeout=1_000)
        found.append((time.monotonic() - began) * 1000)
    report_delays("a purchase, to the other device's wallet and inventory", found)
    one.expect_pending(0)
    assert inventory(beside(one, email)) == {OUTSIDE: 3}
    expect(other.get("ledger")).to_contain_text("Bought Five minutes outside")
    expect(other.get("balance-chart").locator("svg")).to_have_accessible_description(
        re.compile("It is 70 coins now; the most was 100"))


def test_a_double_click_buys_once(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
    beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(shop, viewport={"width": 360, "height": 780}).register(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    button = desktop.get(f"buy-item-{OUTSIDE}")
    button.click()
    confirm = desktop.get("confirm-purchase").bounding_box()
    desktop.get("cancel").click()
    # Just where the question's yes will be, the second click of a double click falls on it.
    here = button.bounding_box()
    assert confirm and here
    desktop.page.evaluate("(by) => scrollBy(0, by)", here["y"] - confirm["y"])
    here = button.bounding_box()
    assert here and abs(here["y"] - confirm["y"]) < 2
    desktop.page.mouse.dblclick(here["x"] + here["width"] / 2, here["y"] + here["height"] / 2)
    desktop.settle(0.5)
    assert desktop.get("confirm-purchase").is_visible(), "the second click does not confirm"
    desktop.get("confirm-purchase").dblclick()
    expect(desktop.get("coin-balance")).to_have_text("90")
    desktop.expect_pending(0).settle(0.5)
    assert inventory(beside(desktop, email)) == {OUTSIDE: 1}


def test_a_purchase_is_made_refused_and_undone_by_keyboard_alone(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
    beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(shop).register(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    press = desktop.page.keyboard.press
    desktop.get(f"buy-item-{OUTSIDE}").focus()
    press("Enter")
    expect(desktop.get("cancel")).to_be_focused()
    press("Escape")
    expect(desktop.get("cancel")).to_be_hidden()
    expect(desktop.get(f"buy-item-{OUTSIDE}")).to_be_focused()
    press("Enter")
    desktop.get("purchase-quantity").focus()
    press("ArrowUp")
    expect(desktop.get("purchase-sum")).to_contain_text("20 coins of your 100; 80 are left")
    press("Tab")
    expect(desktop.get("confirm-purchase")).to_be_focused()
    press("Enter")
    expect(desktop.get("coin-balance")).to_have_text("80")
    expect(desktop.get(f"inventory-item-{OUTSIDE}")).to_contain_text("2 pieces")
    desktop.get("undo-purchase").focus()
    press("Enter")
    expect(desktop.get("coin-balance")).to_have_text("100")
    expect(desktop.get(f"inventory-item-{OUTSIDE}")).to_have_count(0)
    desktop.expect_pending(0)
    assert inventory(beside(desktop, email)) == {}


def test_a_piece_is_used_up_and_another_given_back(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
) -> None:
    desktop, other = device(shop).register(email, page="market"), device(shop).login(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    buy(desktop, OUTSIDE)
    expect(desktop.get("coin-balance")).to_have_text("90")
    buy(desktop, OUTSIDE)
    expect(desktop.get("coin-balance")).to_have_text("80")
    other.get(f"redeem-{OUTSIDE}").click()
    expect(desktop.get(f"inventory-item-{OUTSIDE}")).to_contain_text("1 of 2 left")
    other.get(f"refund-{OUTSIDE}").click()
    other.get("confirm-refund").click()
    expect(desktop.get("coin-balance")).to_have_text("90")
    for browser in (desktop, other):
        expect(browser.get(f"refund-{OUTSIDE}")).to_have_count(0)
        expect(browser.get(f"redeem-{OUTSIDE}")).to_have_count(0)


def test_too_few_coins_are_explained_before_and_after(
    shop: Server, device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(shop).register(email, page="market")
    button = desktop.get(f"buy-item-{OUTSIDE}")
    expect(button.locator("..")).to_contain_text("10 coins short")
    button.click()
    expect(desktop.get("purchase-sum")).to_contain_text("10 short: 1 focus session of 25 min away")
    desktop.get("confirm-purchase").click()
    expect(desktop.get("problem")).to_contain_text("costs 10 coins and the wallet holds 0")
    expect(desktop.get("coin-balance")).to_have_text("0")
    assert inventory(beside(desktop, email)) == {}


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "100", ""])
def test_a_quantity_that_cannot_be_buys_nothing(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
    beside: Callable[[Device, str], Client], quantity: str,
) -> None:
    desktop = device(shop).register(email, page="market")
    grant(email, 5_000)
    expect(desktop.get("coin-balance")).to_have_text("5000", timeout=6_000)
    desktop.get(f"buy-item-{OUTSIDE}").click()
    desktop.get("purchase-quantity").fill(quantity)
    desktop.get("confirm-purchase").click()
    expect(desktop.get("purchase-sum")).to_contain_text("from 1 to 99")
    expect(desktop.get("confirm-purchase")).to_be_visible()
    desktop.get("cancel").click()
    desktop.settle(0.3)
    assert inventory(beside(desktop, email)) == {}


def test_rewards_are_claimed_once_and_everywhere(
    shop: Server, device: Callable[..., Device], email: str,
) -> None:
    one, other = device(shop).register(email, page="market"), device(shop).login(email, page="market")
    button = one.get("rewards").get_by_role("button")
    expect(button).to_have_accessible_name("Claim 2 coins: Here today")
    button.dblclick()
    for browser in (one, other):
        expect(browser.get("coin-balance")).to_have_text("2")
        expect(browser.get("rewards").get_by_role("button")).to_have_count(0)
    expect(one.get("problem")).to_be_hidden()
    expect(other.get("ledger")).to_contain_text("Here today")


def test_items_are_found_by_words_category_and_rarity(
    shop: Server, device: Callable[..., Device], email: str,
) -> None:
    desktop = device(shop).register(email, page="market")
    items = desktop.get("items").locator("li")
    expect(desktop.get("items-count")).to_have_text(re.compile(r"^\d+ items$"))
    everything = items.count()
    assert everything >= 30
    desktop.get("search-items").fill("CAFE breakfast")
    expect(items).to_have_count(1)
    expect(items).to_contain_text("Breakfast at the café")
    desktop.get("search-items").fill("<b>nothing</b>")
    expect(desktop.get("items-count")).to_contain_text("Nothing fits")
    desktop.get("search-items").fill("")
    desktop.get("filter-rarity").select_option("legendary")
    expect(items.first.locator("[data-rarity]")).to_have_text("legendary")
    desktop.get("filter-rarity").select_option("")
    desktop.get("filter-category").select_option("Treats")
    expect(items.first).to_contain_text("Treats")
    assert 0 < items.count() < everything


def test_rewards_of_ones_own_are_made_changed_bought_and_deleted(
    shop: Server, device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    one, other = device(shop).register(email, page="market"), device(shop).login(email, page="market")
    one.get("own-save").click()
    expect(one.get("own-name")).to_have_accessible_description("What you will allow yourself.")
    expect(one.get("own-cost")).to_have_accessible_description("A whole number of coins, 0 or more.")
    one.get("own-name").fill("<i>Nap</i>")
    for wrong in ("-1", "1.5", "9007199254740993"):
        one.get("own-cost").fill(wrong)
        one.get("own-save").click()
        expect(one.get("own-cost")).to_have_attribute("aria-invalid", "true")
    one.get("own-cost").fill("0")
    one.get("own-save").dblclick()
    expect(other.get("own-rewards")).to_contain_text("<i>Nap</i>")
    client = beside(one, email)
    item, = [it for it in client.expect(200, "GET", "/api/market/items?q=nap")["items"] if it["personal"]]
    expect(other.get("own-rewards").locator("li")).to_have_count(1)

    other.get(f"edit-own-{item['id']}").click()
    expect(other.get("own-name")).to_be_focused()
    other.get("own-name").fill("Long nap")
    other.get("own-save").click()
    expect(one.get("own-rewards")).to_contain_text("Long nap")
    buy(one, item["id"])
    expect(other.get(f"inventory-item-{item['id']}")).to_contain_text("Long nap")
    one.get(f"delete-own-{item['id']}").click()
    one.get("confirm-delete").click()
    expect(other.get("own-rewards").locator("li")).to_have_count(0)
    expect(other.get(f"inventory-item-{item['id']}")).to_be_visible()


def test_a_window_opens_and_closes_by_itself_on_a_device_whose_clock_is_wrong(
    shop: Server, device: Callable[..., Device], email: str, tmp_path: Path, database: Database,
) -> None:
    now = datetime.now(UTC)
    soon = {"id": "0190b1c0-7777-7878-bae1-c0d050b9d900", "name": "Opens soon", "cost_coins": 1,
            "available_from": (now + timedelta(seconds=8)).isoformat().replace("+00:00", "Z")}
    ends = {"id": "0190b1c0-7777-7878-bae1-c0d050b9d901", "name": "Ends soon", "cost_coins": 1,
            "available_until": (now + timedelta(seconds=8)).isoformat().replace("+00:00", "Z")}
    add_items(tmp_path, database, soon, ends)
    desktop = device(shop)
    desktop.page.clock.install(time=datetime.now(UTC) + timedelta(days=3))
    desktop.register(email, page="market").settle(0.5)
    expect(desktop.get(f"buy-item-{ends['id']}")).to_be_visible()
    expect(desktop.get(f"buy-item-{soon['id']}")).to_have_count(0)
    before = len(desktop.requests)
    expect(desktop.get(f"buy-item-{soon['id']}")).to_be_visible(timeout=10_000)
    expect(desktop.get(f"buy-item-{ends['id']}")).to_have_count(0)
    late = (datetime.now(UTC) - now).total_seconds() - 8
    assert -0.3 < late < 2, f"{late} s late"
    assert [it.url for it in desktop.requests[before:] if "/api/" in it.url and "recommendations" not in it.url] == []


def test_more_than_one_may_have_is_not_bought(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None], database: Database, tmp_path: Path,
    beside: Callable[[Device, str], Client],
) -> None:
    hat = "0190b1c0-0000-7000-8000-000000000077"
    add_items(tmp_path, database, {"id": hat, "name": "Hat", "cost_coins": 1, "max_per_user": 3})
    desktop = device(shop).register(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    desktop.get(f"buy-item-{hat}").click()
    desktop.get("purchase-quantity").fill("5")
    expect(desktop.get("purchase-sum")).to_contain_text("You may have 3 of it")
    desktop.get("confirm-purchase").click()
    expect(desktop.get("confirm-purchase")).to_be_visible()
    desktop.get("purchase-quantity").fill("3")
    desktop.get("confirm-purchase").click()
    expect(desktop.get(f"inventory-item-{hat}")).to_contain_text("3 pieces")
    expect(desktop.get("coin-balance")).to_have_text("97")
    desktop.expect_pending(0)
    assert inventory(beside(desktop, email)) == {hat: 3}


def add_items(folder: Path, database: Database, *items: dict[str, object]) -> None:
    """Adds to the demo's catalogue what a file names besides it."""
    import json

    demo = json.loads((Path(__file__).resolve().parents[2] / "Catalog" / "demo.json").read_text())
    common = {"category": "Tests", "rarity": "common", "description": "Of a test."}
    file = folder / "catalogue.json"
    file.write_text(json.dumps([*demo, *({**common, **item} for item in items)]))
    done = lockstep("catalog", "import", str(file), env={"DATABASE_URL": database.url})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.picture
def test_picture_of_the_market(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
) -> None:
    desktop = device(shop).register(email, page="market")
    grant(email, 400)
    expect(desktop.get("coin-balance")).to_have_text("400", timeout=6_000)
    for item in desktop.get("items").locator("button").all()[1:4]:
        item.click()
        desktop.get("confirm-purchase").click()
        desktop.expect_pending(0)
    expect(desktop.get("ledger").locator("li")).to_have_count(4)
    desktop.page.wait_for_load_state("networkidle")
    desktop.page.evaluate("document.getElementById('toast').replaceChildren(); scrollTo(0, 0)")
    desktop.picture(IMAGES / "market.png")
