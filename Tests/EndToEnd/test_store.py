"""What a browser keeps: the replica and the queue of each account, through reloads, crashes, full disks and sign-ins."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from harness import Client
from harness.browser import Device
from harness.library import IMPORT, OPEN, crash, library, me, page_of, until


def values(other: Client, prefix: str) -> dict[str, object]:
    return {key: value for key, value in other.settings().items() if key.startswith(prefix)}


def test_a_start_without_network_shows_the_last_replica_and_says_that_it_is_old(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device()
    page = library(browser, email)
    page.evaluate("set('theme', 'dark')")
    until(page, "results.length === 1")
    page.reload()
    page.evaluate(IMPORT)
    browser.context.set_offline(True)
    page.evaluate(OPEN)
    until(page, "client.status().connection === 'offline'")
    assert page.evaluate("[client.read('settings', 'theme'), client.status().stale, client.status().ready]") == [
        "dark", True, True]
    browser.context.set_offline(False)
    until(page, "client.status().connection === 'realtime' && !client.status().stale")


def test_what_waits_survives_a_crash_and_arrives_once_and_in_order(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    # The crash takes a service worker with it, and Playwright waits for ever for that one to hear of the network.
    browser = device(service_workers="block")
    page = library(browser, email)
    browser.context.set_offline(True)
    for value in range(1, 6):
        page.evaluate("(value) => set('crash.count', value)", value)
    page.evaluate("set('crash.last', true)")
    until(page, "client.status().pending === 6")
    # Each is on disk once the next write is: one more that is waited for shows that the store has them.
    page.evaluate("""() => new Promise((resolve) => {
        const request = indexedDB.open("lockstep");
        request.onsuccess = () => {
            const count = request.result.transaction("queue").objectStore("queue").count();
            count.onsuccess = () => resolve(count.result);
        };
    })""")
    crash(page)
    page.close()
    browser.context.set_offline(False)
    again = page_of(browser)
    again.evaluate(OPEN)
    until(again, "client.status().connection === 'realtime' && client.status().pending === 0")
    other = beside(browser, email)
    assert values(other, "crash.") == {"crash.count": 5, "crash.last": True}
    assert sorted(it["value"] for it in other.history("crash.count")) == [1, 2, 3, 4], "each replaced exactly once"
    assert [it["value"] for it in other.history("crash.count")] in ([1, 2, 3, 4], [4, 3, 2, 1]), "in order"


def test_a_change_that_the_full_store_refuses_is_said_and_never_shown(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device()
    browser.page.goto("/")
    # Before anything is written: a browser remembers for a while that there was room.
    session = browser.context.new_cdp_session(browser.page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": browser.url, "quotaSize": 300_000})
    page = library(browser, email)
    browser.context.set_offline(True)
    refused, shown, kept = page.evaluate("""async () => {
        const shown = new Set();
        client.subscribe(() => client.list("settings").forEach((it) => shown.add(it.id)));
        const refused = [];
        let kept = 0;
        while (refused.length < 3 && kept < 1000) {
            const key = `full.${kept + refused.length}`;
            void client.mutate("settings.set", { key, value: "x".repeat(15000) })
                .then((it) => refused.push([key, it.status, it.problem.code]));
            const known = refused.length;
            while (client.read("settings", key) === undefined && refused.length === known) {
                await new Promise((resolve) => setTimeout(resolve));
            }
            if (refused.length === known) kept += 1;
        }
        return [refused, [...shown], kept];
    }""")
    assert len(refused) == 3 and {(status, code) for _, status, code in refused} == {("rejected", "storage_full")}
    assert not {key for key, _, _ in refused} & set(shown), "what is refused was never seen"
    assert page.evaluate("client.status().pending") == kept
    session.send("Storage.overrideQuotaForOrigin", {"origin": browser.url})


def test_each_account_has_a_queue_of_its_own_and_finds_it_again(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    browser.context.set_offline(True)
    page.evaluate("set('whose', 'mine')")
    until(page, "client.status().pending === 1")
    page.evaluate("client.close()")
    browser.context.set_offline(False)
    first = me(browser)

    # The session ends as a browser forgets it: nobody has signed out.
    browser.context.clear_cookies()
    someone = f"other-{email}"
    browser.register(someone)
    assert browser.get("pending-changes").inner_text() == "0"
    page.goto("/")
    page.evaluate(OPEN)
    until(page, "client.status().connection === 'realtime'")
    assert page.evaluate("client.read('settings', 'whose') ?? null") is None
    assert page.evaluate("client.status().pending") == 0
    assert "whose" not in beside(browser, someone).settings()
    page.evaluate("client.close()")

    browser.context.clear_cookies()
    browser.login(email)
    page.goto("/")
    page.evaluate(OPEN)
    until(page, "client.read('settings', 'whose') === 'mine' && client.status().pending === 0")
    assert beside(browser, email).setting("whose")["value"] == "mine"
    assert me(browser)["device"]["id"] == first["device"]["id"], "the same browser is the same device"


def test_an_ended_session_keeps_the_queue_for_the_next_sign_in(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    token = next(it["value"] for it in browser.context.cookies() if it["name"] == "lockstep_session")
    browser.context.set_offline(True)
    page.evaluate("set('kept', true)")
    until(page, "client.status().pending === 1")
    httpx.post(f"{browser.url}/api/auth/logout", headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    browser.context.set_offline(False)
    until(page, "window.signedOut === true")
    browser.login(email)
    browser.expect_pending(0)
    assert beside(browser, email).setting("kept")["value"] is True


def test_a_browser_that_keeps_nothing_works_and_says_so(device: Callable[..., Device], email: str) -> None:
    browser = device()
    browser.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    page = library(browser, email)
    assert page.evaluate("client.status().storage") == "memory"
    page.evaluate("set('theme', 'dark')")
    until(page, "results.length === 1")
    assert page.evaluate("results") == [["theme", "dark", "applied"]]


def test_the_server_s_clock_is_shown_whatever_the_device_s_says(device: Callable[..., Device], email: str) -> None:
    browser = device()
    browser.context.add_init_script("Date.now = ((real) => () => real() + 3 * 86_400_000)(Date.now)")
    page = library(browser, email)
    wrong = page.evaluate("client.serverNow()") - time.time() * 1000
    assert abs(wrong) < 250, f"{wrong} ms off"


def test_a_lost_change_is_listed_and_taken_back_with_one_call(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    other = beside(browser, email)
    browser.context.set_offline(True)
    page.evaluate("set('theme', 'dark')")
    until(page, "client.status().pending === 1")
    other.set("theme", "light")
    browser.context.set_offline(False)
    until(page, "client.conflicts().length === 1 && results.length === 1")
    assert page.evaluate("[results[0][2], client.read('settings', 'theme'), client.conflicts()[0].lost_value]") == [
        "conflict", "light", "dark"]
    assert page.evaluate("async () => (await client.takeBack(client.conflicts()[0])).status") == "applied"
    until(page, "client.conflicts().length === 0")
    assert page.evaluate("client.read('settings', 'theme')") == "dark"
    deadline = time.monotonic() + 5
    while other.conflicts():
        assert time.monotonic() < deadline, "dismissed at the server too"
        page.wait_for_timeout(50)


def test_what_was_done_offline_and_before_a_reload_arrives_once_and_in_order(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    other = beside(browser, email)
    reward = other.expect(200, "GET", "/api/market/rewards")["rewards"][0]
    other.expect(200, "POST", f"/api/market/rewards/{reward['id']}/claim")
    tea = other.expect(201, "POST", "/api/market/items", {"name": "Tea", "cost_coins": 1})["id"]
    session = other.expect(201, "POST", "/api/focus", {"duration_seconds": 600})
    until(page, f"client.read('focus', 'active') && client.read('personal_items', '{tea}')")
    coins = page.evaluate("client.read('wallet', 'coins').total_coins")

    browser.context.set_offline(True)
    page.evaluate("""(tea) => {
        set("theme", "dark");
        void client.mutate("focus.pause", { id: client.read("focus", "active").id });
        void client.mutate("market.purchase", { item_id: tea });
    }""", tea)
    shows = """(tea) => [client.read("settings", "theme"), client.read("focus", "active").status,
        client.read("wallet", "coins").total_coins, client.read("inventory", tea)?.quantity, client.status().pending]"""
    assert page.evaluate(shows, tea) == ["dark", "paused", coins - 1, 1, 3]
    until(page, """new Promise((resolve) => {
        const request = indexedDB.open("lockstep");
        request.onsuccess = () => {
            const count = request.result.transaction("queue").objectStore("queue").count();
            count.onsuccess = () => resolve(count.result === 3);
        };
    })""")
    # As a reload does, without a server that could bring the page: what is in memory goes, what is in the store stays.
    page.evaluate("client.close()")
    page.evaluate(OPEN)
    until(page, "client.status().connection === 'offline'")
    assert page.evaluate("client.status().stale") is True
    assert page.evaluate(shows, tea) == ["dark", "paused", coins - 1, 1, 3]

    browser.context.set_offline(False)
    until(page, "client.status().pending === 0 && client.status().connection === 'realtime'")
    assert page.evaluate(shows, tea) == ["dark", "paused", coins - 1, 1, 0]
    assert other.setting("theme")["value"] == "dark"
    live = other.expect(200, "GET", "/api/focus/active")["session"]
    assert (live["id"], live["status"], live["pause_count"]) == (session["id"], "paused", 1)
    spent = [it["coins_amount"] for it in other.expect(200, "GET", "/api/market/transactions")["transactions"]
             if it["transaction_type"] == "spend"]
    assert spent == [-1]
    assert other.conflicts() == []


@pytest.mark.parametrize("kind", ["desktop", "phone"])
def test_a_lost_store_does_not_lose_a_change(device: Callable[..., Device], email: str, kind: str) -> None:
    browser = device(kind=kind)
    browser.register(email)
    page = browser.page
    page.goto("/")
    page.evaluate(OPEN)
    until(page, "client.status().ready && !client.status().stale")
    for n in range(3):
        page.evaluate("(n) => set('before', n)", n)
    until(page, "results.length === 3")
    page.evaluate("client.close()")
    # The browser made room, or the user did: the count of this device begins anew, and is taken for a copy's.
    page.evaluate("""() => new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase("lockstep");
        request.onsuccess = resolve;
        request.onerror = reject;
    })""")
    page.evaluate(OPEN)
    until(page, "client.status().ready && !client.status().stale")
    for n in range(3):
        page.evaluate("(n) => set('after', n)", n)
    until(page, "results.length === 3")
    assert page.evaluate("results.map((it) => it[2])") == ["applied"] * 3
    assert page.evaluate("client.read('settings', 'after')") == 2
