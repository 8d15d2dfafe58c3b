"""The pages: how they arrive, what they say, what they leave behind, and who can use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from harness import Client, Server
from harness.browser import SIZES, Device

LIGHT, DARK = "rgb(245, 244, 240)", "rgb(18, 17, 24)"


def html_of(device: Device, path: str) -> str:
    """The page as it leaves the server, for the browser's cookie."""
    cookies = {it["name"]: it["value"] for it in device.context.cookies()}
    return httpx.get(device.url + path, cookies=cookies).raise_for_status().text


def test_a_page_arrives_with_its_user_s_theme_and_never_shows_another(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device(color_scheme="light").register(email)
    desktop.choose_theme("dark").expect_pending(0)
    for path in ("/app/settings", "/"):
        assert '<html lang="en" data-theme="dark" data-theme-choice="dark"' in html_of(desktop, path)
        desktop.page.goto(path)
        desktop.settle(0.5)
        assert [it["theme"] for it in desktop.themes_seen()] == ["dark"]
        assert desktop.colours_seen() == [DARK]


@pytest.mark.parametrize(("scheme", "colour"), [("dark", DARK), ("light", LIGHT)])
@pytest.mark.timed
def test_a_page_that_follows_the_system_never_shows_the_other_theme(
    device: Callable[..., Device], email: str, scheme: str, colour: str,
) -> None:
    desktop = device(color_scheme=scheme).register(email)
    desktop.choose_theme("system").expect_pending(0)
    desktop.page.reload()
    desktop.expect_state("realtime").settle(0.3)
    assert desktop.colours_seen() == [colour]
    assert desktop.get("theme-system").is_checked()
    other = "light" if scheme == "dark" else "dark"
    desktop.page.emulate_media(color_scheme=other)
    desktop.expect_theme(other, within=1)


def test_the_address_of_the_user_is_text_and_not_markup(device: Callable[..., Device]) -> None:
    address = "o'hara&<b>@example.org"
    desktop = device()
    answer = httpx.post(
        f"{desktop.url}/api/auth/register",
        json={"email": address, "password": "correct horse", "device": {"name": "x", "kind": "web"}})
    assert answer.status_code == 201, answer.text
    desktop.login(address, "correct horse")
    expect(desktop.get("account-email")).to_have_text(address)


def test_the_theme_is_chosen_and_toggled_by_keyboard_alone(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email)
    desktop.get("theme-toggle").focus()
    desktop.page.keyboard.press("Enter")
    desktop.expect_theme("dark")
    assert desktop.get("theme-dark").is_checked()
    for page in ("Today", "Focus", "Market", "Devices", "Settings"):
        desktop.page.keyboard.press("Tab")
        expect(desktop.page.get_by_role("link", name=page, exact=True)).to_be_focused()
    desktop.page.keyboard.press("Tab")
    expect(desktop.get("theme-dark")).to_be_focused()
    desktop.page.keyboard.press("ArrowLeft")
    desktop.expect_theme("light")
    desktop.page.keyboard.press("Tab")
    desktop.page.keyboard.press("Space")
    assert desktop.get("reduced-motion").is_checked()


def test_sign_in_says_what_is_wrong_and_where(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email)
    desktop.get("sign-out").click()
    desktop.page.wait_for_url("**/login")
    expect(desktop.get("login-notice")).to_contain_text("signed out")

    desktop.get("login-submit").click()
    expect(desktop.get("login-email")).to_be_focused()
    expect(desktop.get("login-email")).to_have_accessible_description(
        "Enter your e-mail address, such as name@example.org.")
    desktop.get("login-email").fill(email)
    desktop.get("login-password").fill("short")
    desktop.get("login-submit").click()
    expect(desktop.get("login-password")).to_be_focused()
    desktop.get("login-password").fill("wrong but long enough")
    desktop.get("login-submit").click()
    expect(desktop.get("login-error")).to_be_visible()
    expect(desktop.get("login-error")).not_to_be_empty()
    expect(desktop.get("login-password")).to_be_focused()
    desktop.get("register-submit").click()
    expect(desktop.get("login-error")).to_be_visible()
    expect(desktop.get("login-email")).to_be_focused()
    assert desktop.page.url.endswith("/login")
    desktop.login(email)


def test_sign_in_says_when_the_server_cannot_be_reached(device: Callable[..., Device], email: str) -> None:
    desktop = device()
    desktop.page.goto("/login")
    desktop.context.set_offline(True)
    desktop.get("login-email").fill(email)
    desktop.get("login-password").fill("correct horse")
    desktop.get("login-submit").click()
    expect(desktop.get("login-error")).to_contain_text("cannot be reached")
    expect(desktop.get("login-error")).to_be_focused()


def test_signing_out_ends_the_session_and_the_page_is_no_longer_served(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device().register(email)
    desktop.get("sign-out").click()
    desktop.page.wait_for_url("**/login")
    assert [it["name"] for it in desktop.context.cookies() if it["value"]] == []
    desktop.page.goto("/app/settings")
    assert desktop.page.url.endswith("/login")
    desktop.page.go_back()
    desktop.page.wait_for_url("**/login")


@pytest.mark.parametrize("kind", ["desktop", "phone"])
def test_a_device_signed_out_elsewhere_stops_and_says_so(
    start_server: Callable[..., Server], device: Callable[..., Device], email: str, kind: str,
) -> None:
    server = start_server(env={"LOCKSTEP_POLL_SECONDS": "1"})
    browser = device(server, kind).register(email)
    token = next(it["value"] for it in browser.context.cookies() if it["name"] == "lockstep_session")
    httpx.post(f"{server.url}/api/auth/logout", headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    browser.page.wait_for_url("**/login", timeout=5_000)
    expect(browser.get("login-notice")).to_contain_text("signed out")


def test_nothing_but_the_replica_and_the_queue_is_kept_in_the_browser(device: Callable[..., Device], email: str) -> None:
    desktop = device()
    desktop.page.goto("/")
    desktop.register(email)
    desktop.choose_theme("dark")
    desktop.get("large-text").check()
    desktop.expect_pending(0)
    kept = desktop.run("""async () => ({
        local: Object.keys(localStorage), session: Object.keys(sessionStorage),
        databases: (await indexedDB.databases()).map((it) => it.name), caches: await caches.keys(),
        cookies: document.cookie,
    })""")
    caches = kept.pop("caches")
    assert kept == {"local": [], "session": [], "databases": ["lockstep"], "cookies": ""}
    assert all(it.startswith("lockstep-") for it in caches), "the app's files, and how its pages look"
    cookie, = desktop.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("lockstep_session", True, "Lax")


@pytest.fixture
def everywhere(device: Callable[..., Device], email: str) -> Callable[[str], Iterator[Device]]:
    """The pages in every look: light and dark, plain and all of accessibility, at 360 px and at 1440 px."""
    def looks(path: str) -> Iterator[Device]:
        browser = device()
        if path.startswith("/app") or path == "/":
            browser.register(email)
        client = Client(browser.url).login(email) if path.startswith("/app") or path == "/" else None
        for theme in ("light", "dark"):
            for accessible in (False, True):
                if client is not None:
                    names = ("reduced_motion", "high_contrast", "large_text")
                    client.patch({"theme": theme, "accessibility": dict.fromkeys(names, accessible)})
                browser.page.emulate_media(color_scheme=theme)
                for size in SIZES.values():
                    browser.page.set_viewport_size(size)
                    browser.page.goto(path)
                    browser.expect_theme(theme)
                    yield browser
        if client is not None:
            client.close()
    return looks


@pytest.mark.parametrize("path", [
    "/", "/login", "/app/today", "/app/focus", "/app/market", "/app/devices", "/app/settings", "/app/nothing-here"])
def test_every_page_is_accessible_and_fits_in_every_look(
    everywhere: Callable[[str], Iterator[Device]], path: str,
) -> None:
    for browser in everywhere(path):
        if path.startswith("/app/") and path != "/app/nothing-here":
            browser.expect_state("realtime")
            browser.page.wait_for_load_state("networkidle")
        results = Axe().run(browser.page)
        assert results.violations_count == 0, results.generate_report()
        wider = browser.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{path} is {wider} px too wide at {browser.page.viewport_size}"
