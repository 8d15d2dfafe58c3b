"""Which transport a client uses, and when: who saves data polls, who is hidden gives the socket back, what is stuck starts anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from harness import Client, Proxy, Server
from harness.browser import Device
from harness.library import OPEN, library, until

LOOK = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def state(page: Page, connection: str, within: float = 5) -> None:
    until(page, f"client.status().connection === '{connection}'", within)


def test_who_saves_data_polls(device: Callable[..., Device], email: str) -> None:
    browser = device()
    browser.context.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
    browser.page.goto("/login")
    browser.get("login-email").fill(email)
    browser.get("login-password").fill("correct horse battery")
    browser.get("register-submit").click()
    browser.expect_state("polling")
    assert browser.sockets == []


def test_a_page_that_nobody_looked_at_for_five_minutes_gives_its_socket_back(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    browser.page.clock.install()
    page = library(browser, email)
    state(page, "realtime")
    socket = browser.sockets[-1]
    page.evaluate(LOOK, True)
    page.clock.fast_forward(4 * 60_000)
    browser.settle(0.3)
    assert not socket.is_closed(), "four minutes are not five"
    page.clock.fast_forward(61_000)
    until(page, "client.status().connection === 'polling'")
    browser.settle(0.3)
    assert socket.is_closed()
    asked = len(browser.requests)
    page.clock.fast_forward(120_000)
    browser.settle(0.3)
    assert len(browser.requests) == asked, "a page that nobody sees asks nothing"
    beside(browser, email).set("meanwhile", 1)
    page.evaluate(LOOK, False)
    until(page, "client.status().connection === 'realtime' && client.read('settings', 'meanwhile') === 1")


def test_a_hidden_tab_keeps_the_socket_while_somebody_looks_at_another(device: Callable[..., Device], email: str) -> None:
    browser = device()
    browser.page.clock.install()
    page = library(browser, email)
    state(page, "realtime")
    other = browser.context.new_page()
    other.goto("/")
    other.evaluate(OPEN)
    state(other, "realtime")
    page.evaluate(LOOK, True)
    page.clock.fast_forward(6 * 60_000)
    browser.settle(0.3)
    assert not browser.sockets[-1].is_closed()
    other.close()


@pytest.mark.timed
def test_polling_begins_within_two_seconds_of_a_server_that_swallows_the_upgrade(
    shared_server: Server, proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str,
) -> None:
    proxy = proxy_to(shared_server)
    browser = device(f"http://127.0.0.1:{proxy.port}")
    page = library(browser, email)
    state(page, "realtime")
    proxy.refuse_upgrades()
    state(page, "polling", within=2)
    page.evaluate("set('by.poll', 1)")
    until(page, "results.length === 1 && results[0][2] === 'applied'", within=2)
    proxy.accept_upgrades()
    state(page, "realtime", within=21)


@pytest.mark.timed
def test_a_reply_that_is_lost_buys_once(
    start_server: Callable[..., Server], proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    server = start_server(env={"LOCKSTEP_SEED_DEMO": "on"})
    proxy = proxy_to(server)
    browser = device(f"http://127.0.0.1:{proxy.port}")
    page = library(browser, email)
    other = beside(browser, email)
    reward = other.expect(200, "GET", "/api/market/rewards")["rewards"][0]
    until(page, f"client.read('rewards', '{reward['id']}') !== undefined")
    page.evaluate("(id) => client.mutate('market.claim', { reward_id: id })", reward["id"])
    mine = other.expect(201, "POST", "/api/market/items", {"name": "Tea", "cost_coins": 1})
    until(page, f"client.read('personal_items', '{mine['id']}') !== undefined")
    before = page.evaluate("client.read('wallet', 'coins').total_coins")

    proxy.freeze("down")
    page.evaluate("""(id) => {
        window.bought = [];
        void client.mutate("market.purchase", { item_id: id }).then((it) => bought.push(it.status));
    }""", mine["id"])
    until(page, f"client.read('wallet', 'coins').total_coins === {before - 1}", within=1)
    proxy.cut()
    proxy.thaw()
    until(page, "bought.length === 1 && client.status().pending === 0", within=10)
    assert page.evaluate("[bought, client.read('wallet', 'coins').total_coins]") == [["applied"], before - 1]
    spent = [it for it in other.expect(200, "GET", "/api/market/transactions")["transactions"]
             if it["transaction_type"] == "spend"]
    assert [it["coins_amount"] for it in spent] == [-1]
