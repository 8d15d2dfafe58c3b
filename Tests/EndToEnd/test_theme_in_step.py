"""The theme, changed on one device, is seen on the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Client, Server
from harness.browser import Device

pytestmark = pytest.mark.timed

CHANGES = 20
POLL_SECONDS = 1
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def delays(source: Device, target: Device, count: int = CHANGES) -> list[float]:
    """Flips the theme on one device `count` times; the milliseconds until the other showed it, for each."""
    found = []
    for _ in range(count):
        before = len(target.themes_seen()), len(source.themes_seen())
        theme = "light" if source.theme == "dark" else "dark"
        source.get("theme-toggle").click()
        source.expect_theme(theme, within=1)
        target.expect_theme(theme, within=POLL_SECONDS + 4)
        shown, chosen = target.themes_seen()[before[0]:], source.themes_seen()[before[1]:]
        assert [it["theme"] for it in shown] == [theme], "seen once, and nothing else in between"
        assert [it["theme"] for it in chosen] == [theme], "the device that changed it does not flicker"
        found.append(shown[0]["at"] - chosen[0]["at"])
        source.expect_pending(0)
    return found


def test_two_desktops_see_each_other_s_theme_within_a_second(
    device: Callable[..., Device], email: str, report_delays: Callable[..., None],
) -> None:
    one, other = device().register(email), device().login(email)
    for source, target, way in [(one, other, "socket to socket"), (other, one, "socket to socket, back")]:
        found = delays(source, target)
        report_delays(way, found)
        assert max(found) < 1000


def test_a_desktop_and_a_phone_see_each_other_s_theme(
    start_server: Callable[..., Server], device: Callable[..., Device], email: str,
    report_delays: Callable[..., None],
) -> None:
    server = start_server(env={"LOCKSTEP_POLL_SECONDS": str(POLL_SECONDS)})
    desktop, phone = device(server).register(email), device(server, "phone").login(email)

    back = delays(phone, desktop)
    report_delays("phone to desktop's socket", back)
    assert max(back) < 1000
    there = delays(desktop, phone)
    report_delays("desktop to phone, whose question is held", there)
    assert max(there) < 1000
    assert phone.sockets == [], "a phone opens no socket"


def test_a_phone_that_saves_data_asks_again_when_the_server_said_so_and_not_before(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone")
    phone.context.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
    phone.page.clock.install()
    phone.register(email)
    client = beside(phone, email)
    assert client.pull()["poll_after_ms"] == 30_000

    client.set("theme", "dark")
    before = len(phone.requests)
    # The page's clock went on by itself since its last question.
    phone.page.clock.fast_forward(20_000)
    phone.settle(0.3)
    assert [it.url for it in phone.requests[before:]] == []
    with phone.page.expect_request("**/api/sync?*"):
        phone.page.clock.fast_forward(10_000)
    phone.expect_theme("dark")


@pytest.mark.timed
def test_a_phone_asks_at_once_when_the_network_is_back(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone").register(email)
    phone.context.set_offline(True)
    phone.expect_state("offline")
    beside(phone, email).set("theme", "dark")
    phone.context.set_offline(False)
    phone.expect_theme("dark", within=2).expect_state("polling", within=1)


@pytest.mark.timed
def test_a_phone_asks_at_once_when_it_comes_to_the_foreground(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone").register(email)
    beside(phone, email).set("theme", "dark")
    # Headless pages are always in front: what the browser would say is said for it.
    phone.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    phone.expect_theme("dark", within=2)


def test_the_accessibility_switches_are_in_step_and_do_something(
    device: Callable[..., Device], email: str,
) -> None:
    one, other = device().register(email), device().login(email)
    size = "parseFloat(getComputedStyle(document.body).fontSize)"
    ground = "getComputedStyle(document.body).backgroundColor"
    plain_size, plain_ground = other.page.evaluate(size), other.page.evaluate(ground)

    one.get("large-text").check()
    one.get("high-contrast").check()
    one.get("reduced-motion").check()
    for browser in (one, other):
        browser.page.wait_for_selector("html[data-accessibility='reduced_motion high_contrast large_text']")
        for name in ("large-text", "high-contrast", "reduced-motion"):
            assert browser.get(name).is_checked()
    assert other.page.evaluate(size) == pytest.approx(plain_size * 1.25)
    assert other.page.evaluate(ground) != plain_ground
    assert other.page.evaluate("getComputedStyle(document.querySelector('.badge .dot')).animationName") == "none"
    other.get("large-text").uncheck()
    one.page.wait_for_selector("html[data-accessibility='reduced_motion high_contrast']")


@pytest.mark.picture
def test_two_devices_in_step_are_a_picture(device: Callable[..., Device]) -> None:
    desktop = device(viewport={"width": 1000, "height": 760}, device_scale_factor=1).register("you@example.org")
    phone = device(kind="phone", viewport={"width": 340, "height": 700}, device_scale_factor=1)
    phone.login("you@example.org")
    desktop.choose_theme("dark")
    phone.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    phone.expect_theme("dark")
    pictures = [it.page.screenshot(animations="disabled") for it in (desktop, phone)]
    frame = device(viewport={"width": 1440, "height": 840})
    frame.page.set_content(_two_devices(pictures))
    frame.picture(IMAGES / "two-devices.png")


def _two_devices(pictures: list[bytes]) -> str:
    """A page that shows both screens side by side."""
    from base64 import b64encode

    desktop, phone = (f"data:image/png;base64,{b64encode(it).decode()}" for it in pictures)
    return f"""<style>
        body {{ margin: 0; height: 840px; display: flex; gap: 32px; align-items: center; justify-content: center;
               background: linear-gradient(135deg, #dedcf7, #f5f4f0 55%, #d9e8e0); }}
        img {{ display: block; border: 10px solid #26252f; box-shadow: 0 18px 50px rgb(27 26 34 / 28%); }}
        .desktop {{ border-radius: 18px; }} .phone {{ border-radius: 34px; }}
    </style><img class="desktop" src="{desktop}"><img class="phone" src="{phone}">"""
