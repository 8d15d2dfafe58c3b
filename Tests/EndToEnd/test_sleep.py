"""A countdown is right after its device slept, and after somebody set its clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from playwright.sync_api import expect

from harness import Client, Proxy, Server, eventually
from harness.browser import Device

# `sleepFor(ms)`: the stopwatch stood still so long while the clock went on. `setClock(ms)`: somebody set the clock.
CLOCKS = """
(() => {
    let slept = 0, set = 0;
    const now = performance.now.bind(performance), date = Date.now;
    performance.now = () => now() - slept;
    Date.now = () => date() + set;
    window.sleepFor = (ms) => { slept += ms; };
    window.setClock = (ms) => { set += ms; };
})();
"""


def shown(device: Device) -> int:
    minutes, seconds = device.get("focus-timer").inner_text().split(":")
    return int(minutes) * 60 + int(seconds)


def left(client: Client) -> float:
    answer = client.expect(200, "GET", "/api/focus/active")
    end, now = (datetime.fromisoformat(answer[name]) if name in answer else datetime.fromisoformat(
        answer["session"][name]) for name in ("ends_at", "server_time"))
    return (end - now).total_seconds()


def right(device: Device, client: Client) -> bool:
    device.settle(0.05)
    before = left(client)
    seen = shown(device)
    return left(client) - 1 <= seen <= before + 1.3


def counting(device: Device, email: str, beside: Callable[[Device, str], Client]) -> Client:
    device.context.add_init_script(CLOCKS)
    device.register(email, page="focus")
    device.get("start-focus").click()
    expect(device.get("pause-focus")).to_be_visible()
    device.expect_pending(0)
    client = beside(device, email)
    # Far enough from the start: no timer shows more than the whole length.
    expect(device.get("focus-timer")).to_have_text("24:53", timeout=10_000)
    assert right(device, client)
    return client


@pytest.mark.parametrize("seconds", [26, 3])
@pytest.mark.timed
def test_after_a_sleep_with_its_socket_alive_the_countdown_is_right_within_two_seconds(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], seconds: int,
) -> None:
    desktop = device()
    client = counting(desktop, email, beside)
    sockets = len(desktop.sockets)
    desktop.page.evaluate("(ms) => sleepFor(ms)", seconds * 1000)
    eventually(lambda: right(desktop, client), within=2, what="the countdown after a sleep")
    desktop.settle(2)
    assert right(desktop, client), "and stays so"
    assert len(desktop.sockets) == sockets, "the socket is the same"


@pytest.mark.timed
def test_after_a_sleep_without_network_too(
    shared_server: Server, proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    proxy = proxy_to(shared_server)
    desktop = device(f"http://127.0.0.1:{proxy.port}")
    counting(desktop, email, beside)
    client = Client(shared_server.url, name="Direct").login(email)
    proxy.refuse()
    desktop.expect_state("offline")
    desktop.page.evaluate("sleepFor(40_000)")
    eventually(lambda: right(desktop, client), within=2, what="the countdown after a sleep, offline")
    # What was right was perhaps not drawn anew yet.
    desktop.settle(2)
    assert right(desktop, client), "and stays so"
    client.close()


@pytest.mark.parametrize("by", [3_600_000, -3_600_000, 86_400_000])
@pytest.mark.parametrize("kind", ["desktop", "phone"])
@pytest.mark.timed
def test_a_clock_that_somebody_sets_moves_no_countdown(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], by: int, kind: str,
) -> None:
    browser = device(kind=kind)
    client = counting(browser, email, beside)
    browser.page.evaluate("(by) => setClock(by)", by)
    # Noticed within a second, asked at once, and right with the answer.
    browser.settle(1.3)
    eventually(lambda: right(browser, client), within=1.5, what="the countdown after the clock was set")
    browser.settle(1.5)
    assert right(browser, client), "and stays so"


def test_the_other_tabs_of_a_browser_are_put_right_too(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device()
    client = counting(desktop, email, beside)
    page = desktop.context.new_page()
    page.goto("/app/today")
    page.get_by_test_id("pause-focus").wait_for()
    for it in (desktop.page, page):
        it.evaluate("setClock(3_600_000)")
    desktop.settle(2.5)

    def in_step() -> bool:
        desktop.settle(0.05)
        minutes, seconds = page.get_by_test_id("focus-timer").inner_text().split(":")
        before = left(client)
        return abs(int(minutes) * 60 + int(seconds) - before) < 1.5

    eventually(in_step, within=3, what="the follower's countdown")
