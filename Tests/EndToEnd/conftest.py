"""Fixtures of the browser's tests: one Chromium for all of them, and devices in contexts of their own."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from harness import Client, Server
from harness.browser import Device, arguments, chromium

_DELAYS = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, without windows where that one is there."""
    browser = playwright.chromium.launch(executable_path=chromium(), args=arguments())
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def whole_browser(playwright: Playwright) -> Iterator[Browser]:
    """For what the one without windows has not: notifications."""
    browser = playwright.chromium.launch(executable_path=chromium(whole=True), args=arguments())
    yield browser
    browser.close()


@pytest.fixture
def device(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Callable[..., Device]]:
    """Opens browsers: `device(server or url, kind="desktop", **context options)`, signed in as nobody yet."""
    devices: list[Device] = []

    def open_device(
        server: Server | str | None = None, kind: Literal["desktop", "phone"] = "desktop", **options: Any,
    ) -> Device:
        url = server if isinstance(server, str) else (server or request.getfixturevalue("shared_server")).url
        # Without windows nothing can be notified of.
        shown_by = request.getfixturevalue("whole_browser") if "permissions" in options else browser
        devices.append(Device(shown_by, url, kind, **options))
        return devices[-1]

    yield open_device
    for opened in devices:
        opened.close()


@pytest.fixture
def email() -> str:
    return f"user-{uuid.uuid4().hex[:12]}@example.org"


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> Iterator[Callable[[Device, str], Client]]:
    """One more device of a browser's user, over REST: `beside(device, email)`."""
    clients: list[Client] = []

    def sign_in(device: Device, email: str) -> Client:
        clients.append(Client(device.url, name="Beside"))
        return clients[-1].login(email)

    yield sign_in
    for client in clients:
        client.close()


@pytest.fixture
def report_delays(request: pytest.FixtureRequest) -> Callable[[str, list[float]], None]:
    """Puts the median and the worst of some delays, in milliseconds, on the terminal's last page."""
    def report(what: str, delays: list[float]) -> None:
        lines = request.config.stash.setdefault(_DELAYS, [])
        middle, worst = statistics.median(delays), max(delays)
        lines.append(f"{what}: median {middle:.0f} ms, worst {worst:.0f} ms ({len(delays)} changes)")
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    lines = config.stash.get(_DELAYS, [])
    if lines:
        terminalreporter.section("how long a change took to the other device")
        for line in lines:
            terminalreporter.write_line(line)
