"""A device as a person has it: a browser with one page of the web app."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, WebSocket, expect

from .client import PASSWORD, PLAIN
from .wait import PATIENCE, eventually

# Seconds: long on a busy machine, and still well before a phone's next poll would bring the same.
PROMPT = 12.0

PHONE = ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/147.0.0.0 Mobile Safari/537.36")
# As the form of /login would name them; a test holds that.
DEVICES = {"desktop": {"name": "Chromium on Linux", "kind": "web"}, "phone": {"name": "Chrome on Android", "kind": "mobile"}}
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 360, "height": 780}}

# Runs in the page before anything of its own. The root element exists a moment later than the script.
WATCH = """
window.lockstepThemes = [];
window.lockstepColours = [];
new MutationObserver(() => {
    const theme = document.documentElement?.dataset.theme;
    const last = window.lockstepThemes.at(-1);
    if (theme !== undefined && theme !== last?.theme) window.lockstepThemes.push({ theme, at: Date.now() });
}).observe(document, { attributes: true, attributeFilter: ["data-theme"], childList: true, subtree: true });
const look = () => {
    const colour = document.body && getComputedStyle(document.body).backgroundColor;
    if (colour && colour !== window.lockstepColours.at(-1)) window.lockstepColours.push(colour);
    if (performance.now() < 2000) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def chromium(whole: bool = False) -> str:
    """CHROMIUM, else Debian's. Without windows it is the same Chromium and costs half; `whole` is the one with all.

    One that is missing fails the tests: skipping them would look like success.
    """
    names = ["chromium", "chromium-browser"] if whole else ["chromium-headless-shell", "chromium", "chromium-browser"]
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert path is not None, "no chromium: `apt-get install chromium`, or name one in CHROMIUM"
    return path


def arguments() -> list[str]:
    """Chromium's sandbox refuses to start as root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


class Device:
    """One browser context with one page.

    A desktop holds a socket; a phone has a phone's user agent and size, and polls. `requests` and `sockets` are
    everything that the page ever asked for; `faults` what it threw and did not catch.
    """

    def __init__(
        self, browser: Browser, url: str, kind: Literal["desktop", "phone"] = "desktop", **options: Any,
    ) -> None:
        self.url, self.kind = url, kind
        self.requests: list[Request] = []
        self.sockets: list[WebSocket] = []
        self.faults: list[str] = []
        if kind == "phone":
            options = {"user_agent": PHONE, "has_touch": True, "is_mobile": True, **options}
        self.context: BrowserContext = browser.new_context(
            **{"viewport": SIZES[kind], "base_url": url, **options})
        self.context.set_default_timeout(PATIENCE * 1_000)
        self.context.add_init_script(WATCH)
        self.page: Page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("websocket", lambda socket: self.sockets.append(socket))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self._heard(message.type, message.text))

    # Signing in

    def register(
        self, email: str, password: str = PASSWORD, page: str | None = "settings", has_zone: bool = True,
    ) -> Device:
        """Comes back when nothing more happens by itself: the account has its time zone too, where the browser has one.

        Without a page only the session is there, and nothing is opened yet.
        """
        self._sign_in("register", email, password, page)
        return self.expect_zone() if has_zone and page is not None else self

    def login(self, email: str, password: str = PASSWORD, page: str | None = "settings") -> Device:
        return self._sign_in("login", email, password, page)

    def enter(self, way: Literal["register", "login"], email: str, password: str = PASSWORD) -> Device:
        """Through the form of /login, as a person does, to the page that it leads to."""
        self.page.goto("/login")
        self.get("login-email").fill(email)
        self.get("login-password").fill(password)
        self.get(f"{way}-submit").click()
        self.page.wait_for_url("**/app/today")
        return self

    def _sign_in(self, way: Literal["register", "login"], email: str, password: str, page: str | None) -> Device:
        """In a browser that has shown nothing yet, by the request that the form makes, which costs no page.

        Any other has a past that the form looks at: whose device this was, what waits, which worker answers.
        """
        if self.page.url == "about:blank":
            answer = self.context.request.post(
                f"/api/auth/{way}", data={"email": email, "password": password, "device": DEVICES[self.kind]})
            assert answer.ok, f"{way} answered {answer.status}: {answer.text()[:2000]}"
        else:
            self.enter(way, email, password)
        return self if page is None else self.open(page)

    def open(self, page: str) -> Device:
        """A page of the app, once it is in step; the one that is open already stays as it is."""
        if not self.page.url.endswith(f"/app/{page}"):
            self.page.goto(f"/app/{page}")
        return self.expect_state("realtime" if self.kind == "desktop" else "polling")

    # Looking and acting

    def get(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    @property
    def theme(self) -> str | None:
        return self.page.locator("html").get_attribute("data-theme")

    def expect_theme(self, theme: str, within: float = PROMPT) -> Device:
        expect(self.page.locator("html")).to_have_attribute("data-theme", theme, timeout=within * 1000)
        return self

    def expect_state(self, state: str, within: float = PROMPT) -> Device:
        expect(self.get("sync-status")).to_have_text(state, timeout=within * 1000)
        return self

    def expect_pending(self, count: int, within: float = PROMPT) -> Device:
        expect(self.get("pending-changes")).to_have_text(str(count), timeout=within * 1000)
        return self

    def expect_zone(self) -> Device:
        """Waits until the time zone is kept, which a first sign-in sets by itself."""
        cookies = {it["name"]: it["value"] for it in self.context.cookies()}
        address = f"{self.url}/api/settings/time_zone"
        eventually(lambda: self.settle(0.02) and httpx.get(address, cookies=cookies, verify=PLAIN).status_code == 200, what="the zone")
        return self.expect_pending(0)

    def choose_theme(self, theme: str) -> Device:
        self.get(f"theme-{theme}").click()
        return self

    def themes_seen(self) -> list[dict[str, Any]]:
        """Every theme that the root element ever had on this page: {theme, at: milliseconds since 1970}."""
        return self.page.evaluate("window.lockstepThemes")

    def colours_seen(self) -> list[str]:
        """Every colour that the page's ground had in a painted frame of its first two seconds."""
        return self.page.evaluate("window.lockstepColours")

    def run(self, script: str, argument: Any = None) -> Any:
        """Runs an async arrow function in the page and brings back what it answers."""
        return self.page.evaluate(script, argument)

    def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, animations="disabled")

    def settle(self, seconds: float) -> Device:
        """Lets the browser's events come in for a while: only to show that something does NOT happen."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.page.wait_for_timeout(min(left, 0.1) * 1000)
        return self

    def close(self) -> None:
        self.context.close()
        assert not self.faults, f"the {self.kind}'s page threw: {self.faults}"

    def _heard(self, kind: str, text: str) -> None:
        # What a page may not do by its policy is said on the console only. A failed request is the network's fault.
        if kind == "error" and re.search(r"Content.Security.Policy|Uncaught|SyntaxError|TypeError", text):
            self.faults.append(text)
