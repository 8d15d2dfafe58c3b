"""Sockets that fail, are refused or fall silent, servers that are killed: nothing is lost, nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from harness import Client, Proxy, Server
from harness.browser import Device

# A client of the page's own library beside the page's, on the same cookie: it writes 1, 2, 3 … to one setting, each
# value once, and reports what the server finally said of each.
COUNT = """async ({ upto, pause }) => {
    const { createClient } = await import("/web/client.js");
    const client = createClient();
    window.counting = { results: [], done: false, client };
    (async () => {
        const all = [];
        for (let n = 1; n <= upto; n += 1) {
            all.push(client.mutate("settings.set", { key: "test.count", value: n }).then((it) => {
                window.counting.results.push([n, it.status]);
            }));
            await new Promise((resolve) => setTimeout(resolve, pause));
        }
        await Promise.all(all);
        window.counting.done = true;
    })();
}"""
COUNTED = "() => window.counting.results"
LAST = "() => window.counting.client.read('settings', 'test.count')"


def until(probe: Callable[[], object], device: Device, within: float, what: str) -> None:
    """Waits for something of a page, letting the browser's events in."""
    deadline = time.monotonic() + within
    while not probe():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        device.page.wait_for_timeout(20)


def test_a_desktop_asks_nothing_over_http_after_its_upgrade(
    device: Callable[..., Device], email: str,
) -> None:
    desktop, other = device().register(email), device().login(email)
    opened = len(desktop.requests)
    desktop.page.goto("/app/settings")
    desktop.expect_state("realtime")
    # What it asks once at its upgrade.
    until(lambda: [it for it in desktop.requests[opened:] if "/api/sync/conflicts" in it.url], desktop, 25, "the conflicts")
    before = len(desktop.requests)
    for theme in ("dark", "light", "system", "dark"):
        desktop.choose_theme(theme)
        other.expect_theme("dark" if theme == "dark" else "light")
    desktop.get("large-text").check()
    other.choose_theme("light")
    desktop.expect_theme("light").expect_pending(0).settle(1)
    assert [it.url for it in desktop.requests[before:]] == []
    # A page that is left before its socket is opened opens none.
    assert 1 <= len(desktop.sockets) <= 3, "at most one for each page load"


@pytest.mark.timed
def test_both_are_back_in_step_after_the_server_was_killed(
    start_server: Callable[..., Server], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    server = start_server(env={"LOCKSTEP_POLL_SECONDS": "1"})
    desktop, phone = device(server).register(email), device(server, "phone").login(email)
    for browser in (desktop, phone):
        browser.run(COUNT, {"upto": 0, "pause": 0})
    desktop.run(COUNT, {"upto": 20, "pause": 50})
    until(lambda: desktop.run(COUNTED), desktop, 5, "the first results")
    server.kill()
    desktop.expect_state("offline")
    phone.expect_state("offline")
    desktop.choose_theme("dark").expect_theme("dark", within=1)
    # One queue for all clients of a browser: those of the count wait in it too, whichever of them drains it.
    until(lambda: desktop.run("window.counting.client.status().pending") == 21 - len(desktop.run(COUNTED)), desktop, 2,
          "all that waits in the one queue")
    phone.get("large-text").check()
    phone.expect_pending(1)

    server.start()
    ready = time.monotonic()
    desktop.expect_state("realtime").expect_pending(0)
    phone.expect_state("polling").expect_pending(0)
    phone.expect_theme("dark")
    desktop.page.wait_for_selector("html[data-accessibility='large_text']", timeout=5_000)
    until(lambda: len(desktop.run(COUNTED)) == 20, desktop, 5, "all results")
    until(lambda: phone.run(LAST) == 20, phone, 5, "the last value on the phone")
    assert time.monotonic() - ready < 5
    assert sorted(desktop.run(COUNTED)) == [[n, "applied"] for n in range(1, 21)]
    history = beside(desktop, email).history("test.count")
    assert sorted(it["value"] for it in history) == list(range(1, 20)), "each value was replaced exactly once"


@pytest.mark.timed
def test_refused_upgrades_mean_polling_and_nothing_is_lost(
    start_server: Callable[..., Server], proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    server = start_server(env={"LOCKSTEP_POLL_SECONDS": "1"})
    proxy = proxy_to(server)
    desktop = device(f"http://127.0.0.1:{proxy.port}").register(email)
    other = beside(desktop, email)
    desktop.run(COUNT, {"upto": 20, "pause": 30})
    until(lambda: desktop.run(COUNTED), desktop, 5, "the first results")
    proxy.refuse_upgrades()
    desktop.expect_state("polling", within=2)
    other.set("theme", "dark")
    desktop.expect_theme("dark", within=3)
    desktop.choose_theme("light").expect_pending(0)
    assert other.setting("theme")["value"] == "light"
    until(lambda: len(desktop.run(COUNTED)) == 20, desktop, 10, "all results")
    assert sorted(desktop.run(COUNTED)) == [[n, "applied"] for n in range(1, 21)]
    assert sorted(it["value"] for it in other.history("test.count")) == list(range(1, 20))

    asked = sum("/api/sync" in it.url for it in desktop.requests)
    desktop.settle(3)
    assert sum("/api/sync" in it.url for it in desktop.requests) - asked <= 2 * 5, "it asks as often as it was told"
    proxy.accept_upgrades()
    desktop.expect_state("realtime", within=21)
    other.set("theme", "dark")
    desktop.expect_theme("dark", within=1)


@pytest.mark.timed
def test_a_socket_that_swallows_what_is_sent_is_replaced_within_two_seconds(
    shared_server: Server, proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    proxy = proxy_to(shared_server)
    desktop = device(f"http://127.0.0.1:{proxy.port}").register(email)
    other = beside(desktop, email)
    proxy.silence_sockets()
    desktop.choose_theme("dark").expect_theme("dark", within=1).expect_pending(0, within=3)
    assert other.setting("theme")["value"] == "dark"
    desktop.expect_state("realtime")
    other.set("theme", "light")
    desktop.expect_theme("light", within=1)


def test_a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing(
    shared_server: Server, proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    proxy = proxy_to(shared_server)
    desktop = device(f"http://127.0.0.1:{proxy.port}").register(email)
    other = beside(desktop, email)
    desktop.run(COUNT, {"upto": 20, "pause": 60})
    for count in (3, 8, 13):
        until(lambda count=count: len(desktop.run(COUNTED)) >= count, desktop, 10, f"{count} results")
        proxy.cut()
    until(lambda: len(desktop.run(COUNTED)) == 20, desktop, 15, "all results")
    assert sorted(desktop.run(COUNTED)) == [[n, "applied"] for n in range(1, 21)]
    assert sorted(it["value"] for it in other.history("test.count")) == list(range(1, 20))
    until(lambda: desktop.run(LAST) == 20, desktop, 5, "the last value")
    desktop.expect_state("realtime")


@pytest.mark.timed
def test_changes_made_offline_arrive_when_the_network_is_back(
    device: Callable[..., Device], email: str,
) -> None:
    desktop, other = device().register(email), device().login(email)
    desktop.context.set_offline(True)
    desktop.expect_state("offline")
    assert desktop.get("offline-status").is_visible()
    desktop.choose_theme("dark").expect_theme("dark", within=1)
    desktop.get("high-contrast").check()
    desktop.expect_pending(2)
    assert other.theme == "light"
    desktop.context.set_offline(False)
    other.expect_theme("dark", within=5)
    other.page.wait_for_selector("html[data-accessibility='high_contrast']")
    desktop.expect_state("realtime").expect_pending(0)
    assert desktop.get("offline-status").is_hidden()


def test_a_change_that_lost_says_so_and_shows_what_stands(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email)
    desktop.context.set_offline(True)
    desktop.expect_state("offline").choose_theme("dark").expect_theme("dark")
    other = beside(desktop, email)
    other.set("theme", "light")
    desktop.context.set_offline(False)
    desktop.expect_pending(0).expect_theme("light")
    assert "Another device" in desktop.get("problem").inner_text()
    assert [it["lost_value"] for it in other.conflicts()] == ["dark"]
