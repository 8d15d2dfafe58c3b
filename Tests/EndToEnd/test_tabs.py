"""Several tabs of one browser: one queue, one connection, and the same to be seen in all."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, WebSocket

from harness import Client
from harness.browser import Device
from harness.library import OPEN, crash, library, page_of, until


def two_tabs(browser: Device, email: str) -> tuple[Page, Page, list[WebSocket]]:
    first = library(browser, email)
    sockets: list[WebSocket] = []
    second = browser.context.new_page()
    second.on("websocket", lambda it: sockets.append(it))
    second.goto("/")
    second.evaluate(OPEN)
    until(second, "client.status().connection === 'realtime' && client.status().ready")
    return first, second, sockets


def test_two_tabs_have_one_connection_and_show_the_same(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    first, second, sockets = two_tabs(browser, email)
    assert sockets == [], "the second tab opens no socket"
    beside(browser, email).set("from.elsewhere", 1)
    for page in (first, second):
        until(page, "client.read('settings', 'from.elsewhere') === 1")
    second.evaluate("set('from.second', 2)")
    until(first, "client.read('settings', 'from.second') === 2")
    until(second, "results.length === 1 && client.status().pending === 0")
    assert second.evaluate("results") == [["from.second", 2, "applied"]]
    until(first, "client.devices() !== null")
    assert second.evaluate("client.devices()") == first.evaluate("client.devices()")


def test_what_two_tabs_do_offline_waits_in_one_queue_and_arrives_once(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    first, second, _ = two_tabs(browser, email)
    browser.context.set_offline(True)
    for page in (first, second):
        until(page, "client.status().connection === 'offline'")
    for n in range(6):
        (first, second)[n % 2].evaluate("(n) => set('together', n)", n)
        for page in (first, second):
            until(page, f"client.status().pending === {n + 1} && client.read('settings', 'together') === {n}")
    browser.context.set_offline(False)
    for page in (first, second):
        until(page, "client.status().pending === 0 && results.length === 3")
        assert page.evaluate("results.map((it) => it[2])") == ["applied"] * 3
    other = beside(browser, email)
    assert other.setting("together")["value"] == 5
    assert sorted(it["value"] for it in other.history("together")) == [0, 1, 2, 3, 4]


def test_the_other_tab_takes_over_when_the_one_that_had_the_network_is_closed_or_crashes(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    first, second, sockets = two_tabs(browser, email)
    third = page_of(browser)
    third.evaluate(OPEN)
    until(third, "client.status().connection === 'realtime' && client.status().ready")
    first.close()
    until(second, "client.status().connection === 'realtime'")
    beside(browser, email).set("after.close", True)
    for page in (second, third):
        until(page, "client.read('settings', 'after.close') === true")
    assert len(sockets) == 1, "the second tab has the connection now"
    third.evaluate("set('while.crashing', 1)")
    crash(second)
    until(third, "client.status().pending === 0 && results.length === 1")
    beside(browser, email).set("after.crash", True)
    until(third, "client.read('settings', 'after.crash') === true")


def test_a_leader_that_is_stuck_loses_the_lead(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device()
    first, second, sockets = two_tabs(browser, email)
    # The page's own thread stands still, as in a debugger: its socket and its lock stay.
    first.evaluate("() => void setTimeout(() => { const end = Date.now() + 12_000; while (Date.now() < end); }, 0)")
    second.evaluate("set('not.stuck', 1)")
    until(second, "results.length === 1", within=11)
    assert len(sockets) == 1
    until(first, "client.read('settings', 'not.stuck') === 1", within=20)


def test_tabs_of_a_browser_whose_user_signs_out_all_stop(device: Callable[..., Device], email: str) -> None:
    browser = device()
    first, second, _ = two_tabs(browser, email)
    first.evaluate("""async () => {
        const { signOut } = await import("/web/account.js");
        return signOut();
    }""")
    for page in (first, second):
        until(page, "window.signedOut === true")
