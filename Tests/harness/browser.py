"""A device as a person has it: a browser with one page of the web app."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, WebSocket, expect

from .client import PASSWORD

PHONE = ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/147.0.0.0 Mobile Safari/537.36")
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
        self.context.set_default_timeout(10_000)
        self.context.add_init_script(WATCH)
        self.page: Page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("websocket", lambda socket: self.sockets.append(socket))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self._heard(message.type, message.text))

    # Signing in

    def register(self, email: str, password: str = PASSWORD, page: str = "settings") -> Device:
        return self._sign_in("register-submit", email, password, page)

    def login(self, email: str, password: str = PASSWORD, page: str = "settings") -> Device:
        return self._sign_in("login-submit", email, password, page)

    def _sign_in(self, button: str, email: str, password: str, page: str) -> Device:
        self.page.goto("/login")
        self.get("login-email").fill(email)
        self.get("login-password").fill(password)
        self.get(button).click()
        self.page.wait_for_url("**/app/today")
        return self.open(page)

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

    def expect_theme(self, theme: str, within: float = 5) -> Device:
        expect(self.page.locator("html")).to_have_attribute("data-theme", theme, timeout=within * 1000)
        return self

    def expect_state(self, state: str, within: float = 5) -> Device:
        expect(self.get("sync-status")).to_have_text(state, timeout=within * 1000)
        return self

    def expect_pending(self, count: int, within: float = 5) -> Device:
        expect(self.get("pending-changes")).to_have_text(str(count), timeout=within * 1000)
        return self

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
