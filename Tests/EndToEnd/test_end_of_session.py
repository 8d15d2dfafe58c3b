"""The end of a session is told wherever its tab is: out of sight, offline, on another page, and only when it is now."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import expect

from harness import Client, Proxy, Server, eventually
from harness.browser import Device
from harness.hidden import HiddenBrowser, Tab, slowed_down

LOOK = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
# What would be shown, and when; and shown it is, where this browser can.
RECORD = """
window.told = [];
const show = ServiceWorkerRegistration.prototype.showNotification;
ServiceWorkerRegistration.prototype.showNotification = function (title, options) {
    window.told.push({ title, body: options.body, tag: options.tag, at: Date.now() });
    return show.call(this, title, options);
};
window.Notification = class extends Notification {
    constructor(title, options) {
        super(title, options);
        window.told.push({ title, body: options.body, tag: options.tag, at: Date.now() });
    }
};
"""
PASSWORD = "correct horse battery"


@pytest.fixture
def hidden_browser() -> Iterator[HiddenBrowser]:
    browser = HiddenBrowser()
    yield browser
    browser.close()


def app_tab(browser: HiddenBrowser, url: str, page: str) -> Tab:
    tab = browser.tab()
    tab.send("Page.enable")
    tab.send("Page.addScriptToEvaluateOnNewDocument", source=RECORD)
    tab.goto(f"{url}/app/{page}")
    tab.until("document.querySelector('[data-testid=sync-status]')?.textContent === 'realtime'")
    tab.until("navigator.serviceWorker.getRegistration().then((it) => it?.active != null)")
    return tab


def signed_up(browser: HiddenBrowser, url: str, email: str) -> None:
    browser.allow_notifications(url)
    tab = browser.tab().goto(f"{url}/login")
    tab.run(f"""fetch("/api/auth/register", {{ method: "POST", headers: {{ "Content-Type": "application/json" }},
        body: JSON.stringify({{ email: "{email}", password: "{PASSWORD}", device: {{ name: "Hidden", kind: "web" }} }}) }})
        .then((it) => it.status)""")


def test_a_hidden_tab_whose_timers_are_slowed_down_tells_the_end_when_it_is_also_offline(
    shared_server: Server, proxy_to: Callable[..., Proxy], hidden_browser: HiddenBrowser, email: str,
) -> None:
    proxy = proxy_to(shared_server)
    url = f"http://127.0.0.1:{proxy.port}"
    signed_up(hidden_browser, url, email)
    other = Client(shared_server.url, name="Beside").login(email)
    other.set("notifications_enabled", True)
    tabs = [app_tab(hidden_browser, url, "focus"), app_tab(hidden_browser, url, "market")]
    in_front = hidden_browser.tab("data:text/html,in front")
    in_front.show()
    for tab in tabs:
        assert tab.run("document.hidden")
    # The browser spares the tab that has the socket.
    slowed_down(tabs[1])
    session = other.expect(201, "POST", "/api/focus", {"duration_seconds": 12, "task_title": "Out of sight"})
    tabs[0].until("document.title.startsWith('0:')", within=5)
    proxy.refuse()
    # The server's clock is this machine's.
    end = float(tabs[0].run(f"Date.parse('{session['ends_at']}')"))
    for tab in tabs:
        told = tab.until("window.told.length > 0 && window.told", within=20)
        assert [(it["title"], it["body"], it["tag"]) for it in told] == [
            ("Focus session done", "Out of sight", f"lockstep-{session['id']}")]
        assert -100 <= told[0]["at"] - end <= 2_000, f"told {told[0]['at'] - end:.0f} ms after the end"
        assert tab.run("document.title").startswith("Session done · ")
    shown = tabs[1].until("""navigator.serviceWorker.getRegistration().then((it) => it.getNotifications())
        .then((all) => all.length > 0 && all.map((it) => it.tag))""")
    assert shown == [f"lockstep-{session['id']}"], "one for all tabs"
    tabs[0].show()
    tabs[0].until("document.title === 'Focus · Lockstep'")
    other.close()


def test_a_session_paused_or_given_up_elsewhere_stops_in_the_title_of_a_tab_hidden_for_long(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device()
    desktop.page.clock.install()
    desktop.register(email, page="focus")
    client = beside(desktop, email)
    desktop.get("start-focus").click()
    expect(desktop.get("pause-focus")).to_be_visible()
    desktop.expect_pending(0)
    desktop.page.evaluate(LOOK, True)
    # Twice the time after which a socket is given back where nothing lives.
    for _ in range(11):
        desktop.page.clock.fast_forward(60_000)
        desktop.settle(0.05)
    socket = desktop.sockets[-1]
    assert not socket.is_closed()
    client.expect(200, "POST", "/api/focus/pause")
    expect(desktop.page).to_have_title(re.compile(r"^Paused "), timeout=2_000)
    session = client.expect(200, "GET", "/api/focus/active")["session"]
    client.expect(200, "POST", f"/api/focus/{session['id']}/abandon")
    expect(desktop.page).to_have_title("Focus · Lockstep", timeout=2_000)
    # Now nothing does.
    desktop.page.clock.fast_forward(301_000)
    eventually(lambda: desktop.settle(0.05) and socket.is_closed(), within=5, what="the socket is given back")


def test_a_hidden_phone_goes_on_asking_while_a_session_lives_and_no_longer(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone")
    phone.page.clock.install()
    phone.register(email, page="focus")
    client = beside(phone, email)
    session = client.expect(201, "POST", "/api/focus", {"duration_seconds": 1500})
    expect(phone.get("pause-focus")).to_be_visible(timeout=2_000)
    phone.page.evaluate(LOOK, True)
    client.expect(200, "POST", "/api/focus/pause")
    phone.page.clock.fast_forward(30_000)
    expect(phone.page).to_have_title(re.compile(r"^Paused "), timeout=2_000)
    client.expect(200, "POST", f"/api/focus/{session['id']}/abandon")
    phone.page.clock.fast_forward(30_000)
    expect(phone.page).to_have_title("Focus · Lockstep", timeout=2_000)
    asked = len(phone.requests)
    phone.page.clock.fast_forward(120_000)
    phone.settle(0.3)
    assert [it.url for it in phone.requests[asked:] if "/api/sync" in it.url] == []


@pytest.mark.parametrize("page", ["market", "settings", "devices", "today", "focus"])
def test_every_page_of_the_app_tells_it_offline_too(
    shared_server: Server, proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str, page: str,
    beside: Callable[[Device, str], Client],
) -> None:
    proxy = proxy_to(shared_server)
    desktop = device(f"http://127.0.0.1:{proxy.port}", permissions=["notifications"])
    desktop.context.add_init_script(RECORD)
    desktop.register(email)
    client = beside(desktop, email)
    client.set("notifications_enabled", True)
    desktop.open(page)
    session = client.expect(201, "POST", "/api/focus", {"mode": "break", "duration_seconds": 4})
    # Each page hears of it before the network is gone.
    desktop.run("() => import('/web/client.js')")
    eventually(lambda: desktop.page.evaluate(
        "() => indexedDB.databases().then((all) => all.length)") and desktop.settle(0.3), within=5)
    proxy.refuse()
    desktop.expect_state("offline")
    expect(desktop.get("toast")).to_contain_text("The break is over.", timeout=6_000)
    assert [(it["title"], it["tag"]) for it in desktop.run("() => window.told")] == [
        ("The break is over", f"lockstep-{session['id']}")]
    proxy.accept()
    desktop.expect_state("realtime", within=10)
    desktop.settle(0.5)
    assert len(desktop.run("() => window.told")) == 1, "the server's word on it is no news"


def test_an_end_that_is_long_past_is_told_as_past_and_rings_for_nobody(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(permissions=["notifications"])
    desktop.context.add_init_script(RECORD)
    desktop.page.clock.install()
    desktop.register(email, page="today")
    client = beside(desktop, email)
    client.set("notifications_enabled", True)
    client.expect(201, "POST", "/api/focus", {"duration_seconds": 1500})
    expect(desktop.get("pause-focus")).to_be_visible(timeout=2_000)
    desktop.context.set_offline(True)
    desktop.page.clock.fast_forward(3 * 3_600_000)
    expect(desktop.get("toast")).to_have_text(re.compile(r"^Your focus session ended at \d\d:\d\d\.$"), timeout=3_000)
    assert desktop.run("() => window.told") == []
    desktop.context.set_offline(False)


def test_a_page_that_opens_after_the_end_does_not_tell_it_again(
    shared_server: Server, proxy_to: Callable[..., Proxy], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(permissions=["notifications"])
    desktop.context.add_init_script(RECORD)
    desktop.register(email, page="focus")
    client = beside(desktop, email)
    client.set("notifications_enabled", True)
    client.expect(201, "POST", "/api/focus", {"duration_seconds": 2})
    expect(desktop.get("toast")).to_contain_text("done", timeout=6_000)
    desktop.page.goto("/app/today")
    desktop.expect_state("realtime").settle(0.5)
    assert desktop.run("() => window.told") == []


# The sound

HEAR = """
window.heard = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
    window.heard.push([this.frequency.value, this.context.state]);
    return start.call(this, at);
};
"""


def test_the_sound_is_a_setting_and_is_heard_once_from_all_tabs_of_a_browser(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device()
    desktop.context.add_init_script(HEAR)
    desktop.register(email)
    client = beside(desktop, email)
    expect(desktop.get("focus-sound")).to_have_value("none")
    expect(desktop.get("listen-sound")).to_be_hidden()
    desktop.get("focus-sound").select_option("chime")
    eventually(lambda: desktop.settle(0.05).run("() => window.heard.length") == 4, within=3, what="it is heard when chosen")
    eventually(lambda: client.setting("focus.sound")["value"] == "chime", within=3)
    desktop.get("listen-sound").click()
    eventually(lambda: desktop.settle(0.05).run("() => window.heard.length") == 8, within=3, what="and again")

    pages = [desktop.page, desktop.context.new_page(), desktop.context.new_page()]
    for page in pages[1:]:
        page.goto("/app/focus")
        page.get_by_test_id("start-focus").wait_for()
        page.locator("h1").click()
    for page in pages:
        page.evaluate("() => (window.heard = [])")
    client.expect(201, "POST", "/api/focus", {"duration_seconds": 2})
    for page in pages:
        expect(page.get_by_test_id("toast")).to_contain_text("done", timeout=6_000)
    heard = eventually(
        lambda: desktop.settle(0.1) and [it for page in pages for it in page.evaluate("() => window.heard")], within=3)
    desktop.settle(2.5)
    heard = [it for page in pages for it in page.evaluate("() => window.heard")]
    assert len(heard) == 4 and {state for _, state in heard} == {"running"}, heard


# Installed

def test_the_app_can_be_installed_and_its_icons_are_there_offline(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email, page="focus")
    session = desktop.context.new_cdp_session(desktop.page)
    desktop.page.wait_for_function("() => navigator.serviceWorker.controller !== null || location.reload()")
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] == [] or \
        [it["errorId"] for it in session.send("Page.getInstallabilityErrors")["installabilityErrors"]] == ["in-incognito"]
    answer = httpx.get(f"{desktop.url}/web/lockstep.webmanifest")
    assert answer.headers["Content-Type"] == "application/manifest+json"
    manifest = answer.json()
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/app/today", "/", "standalone")
    purposes = set()
    for icon in manifest["icons"]:
        picture = httpx.get(desktop.url + icon["src"])
        assert picture.headers["Content-Type"] == icon["type"]
        if icon["type"] == "image/png":
            assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"
            width, height = struct.unpack(">II", picture.content[16:24])
            assert f"{width}x{height}" == icon["sizes"]
            purposes.add((icon["sizes"], icon["purpose"]))
        assert desktop.run("(path) => caches.match(path).then((it) => it?.status)", icon["src"]) == 200
    assert purposes == {(size, purpose) for size in ("192x192", "512x512") for purpose in ("any", "maskable")}
    for path in ("/web/lockstep.webmanifest", "/web/pages/app/alarm-worker.js"):
        assert desktop.run("(path) => caches.match(path).then((it) => it?.status)", path) == 200


def test_the_browser_s_frame_has_the_theme_s_colour_whatever_the_system_prefers(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device(color_scheme="dark").register(email)
    colours = "() => Array.from(document.querySelectorAll('meta[name=theme-color]'), (it) => it.content)"
    for theme, colour in (("light", "#f5f4f0"), ("dark", "#121118"), ("system", "#121118")):
        desktop.choose_theme(theme)
        eventually(lambda colour=colour: desktop.run(colours) == [colour, colour], within=3)
    for path in ("/", "/login", "/docs"):
        text = httpx.get(desktop.url + path).text
        assert text.count('name="theme-color"') == 2 and 'rel="manifest"' in text, path


def test_ends_are_told_within_a_second_of_their_time(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
    report_delays: Callable[..., None],
) -> None:
    desktop = device(permissions=["notifications"])
    desktop.context.add_init_script(RECORD)
    desktop.register(email)
    client = beside(desktop, email)
    client.set("notifications_enabled", True)
    found = []
    for number in range(5):
        session = client.expect(201, "POST", "/api/focus", {"duration_seconds": 2})
        began = time.monotonic()
        eventually(lambda number=number: desktop.settle(0.05).run("() => window.told.length") == number + 1, within=6)
        assert time.monotonic() - began > 1.5
        end = desktop.run("(time) => Date.parse(time)", session["ends_at"])
        found.append(desktop.run("() => window.told.at(-1).at") - end)
    report_delays("the end of a session to its notification", found)
    assert max(found) < 1_000 and min(found) > -50
