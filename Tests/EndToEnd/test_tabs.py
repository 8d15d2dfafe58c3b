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


def test_a_hung_leader_is_noticed_by_who_only_looks_and_steps_down_when_it_goes_on(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    first, second, sockets = two_tabs(browser, email)
    other = beside(browser, email)
    # As in a debugger: the page answers nobody, and its socket and its lock stay.
    debugger = browser.context.new_cdp_session(first)
    debugger.send("Debugger.enable")
    debugger.send("Debugger.pause")
    second.wait_for_timeout(300)
    other.set("while.hung", 1)
    until(second, "client.read('settings', 'while.hung') === 1", within=10)
    assert len(sockets) == 1, "the second tab has the connection now"
    second.evaluate("set('by.the.second', 2)")
    until(second, "results.length === 1 && client.status().pending === 0")
    debugger.send("Debugger.resume")
    until(first, "client.read('settings', 'by.the.second') === 2", within=10)
    other.set("after", 3)
    for page in (first, second):
        until(page, "client.read('settings', 'after') === 3")
    assert sorted(it["value"] for it in other.history("by.the.second")) == [], "sent once"


def test_signing_out_clears_the_other_tabs_within_300_ms_and_the_browser_of_what_it_showed(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device()
    first, second, _ = two_tabs(browser, email)
    third = browser.context.new_page()
    third.goto("/app/settings")
    third.get_by_test_id("sync-status").get_by_text("realtime").wait_for()
    first.evaluate("set('theme', 'dark')")
    until(first, "results.length === 1")
    for page in (second, third):
        page.evaluate("""() => {
            const look = () => {
                const hidden = document.documentElement.style.visibility === "hidden";
                const empty = window.client !== undefined && client.read("settings", "theme") === undefined;
                if (hidden || empty) return void (window.clearedAt = Date.now());
                setTimeout(look, 5);
            };
            look();
        }""")
    third.evaluate("() => addEventListener('pagehide', () => { document.cookie = `cleared=${window.clearedAt}; path=/`; })")
    ended = second.evaluate("""async () => {
        const { signOut } = await import("/web/account.js");
        await signOut();
        return Date.now();
    }""")
    until(first, "window.signedOut === true")
    until(second, "window.clearedAt > 0")
    third.wait_for_url("**/login*")
    cookies = {it["name"]: it["value"] for it in browser.context.cookies()}
    assert int(cookies["cleared"]) - ended < 300
    assert second.evaluate("window.clearedAt") - ended < 300
    assert first.evaluate("[client.read('settings', 'theme') ?? null, client.status().closed, client.status().reason]") == [
        None, True, "signed_out"]
    assert first.evaluate(KEPT_DOCUMENTS) == 0


KEPT_DOCUMENTS = """() => new Promise((resolve) => {
    indexedDB.open("lockstep").onsuccess = ({ target }) => {
        const count = target.result.transaction("documents").objectStore("documents").count();
        count.onsuccess = () => resolve(count.result);
    };
})"""


def test_a_session_that_ended_elsewhere_clears_the_replica_in_all_tabs_and_keeps_the_queue(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    first, second, _ = two_tabs(browser, email)
    other = beside(browser, email)
    own = next(it["id"] for it in other.expect(200, "GET", "/api/devices")["devices"] if not it["current"])
    browser.context.set_offline(True)
    second.evaluate("set('kept', true)")
    until(second, "client.status().pending === 1")
    other.expect(204, "DELETE", f"/api/devices/{own}")
    browser.context.set_offline(False)
    for page in (first, second):
        until(page, "window.signedOut === true", within=10)
        assert page.evaluate("client.list('settings').length") == 0
    until(first, f"({KEPT_DOCUMENTS})().then((it) => it === 0)")
    browser.login(email)
    browser.expect_pending(0)
    assert beside(browser, email).setting("kept")["value"] is True
