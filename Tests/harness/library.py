"""The web client as a library: on pages that have no client but the one that a test opens there."""

from __future__ import annotations

import time
from typing import Any

import httpx
from playwright.sync_api import Error, Page

from .browser import Device
from .client import PLAIN
from .wait import PATIENCE

IMPORT = """() => import("/web/client.js").then(() => undefined)"""
# `client`, `set(key, value)`, and what became of each in `results`.
OPEN = """async (options = {}) => {
    const { createClient } = await import("/web/client.js");
    window.client = createClient({ onSignedOut: () => (window.signedOut = true), ...options });
    window.results = [];
    window.set = (key, value) => void client.mutate("settings.set", { key, value }).then((it) => {
        results.push([key, value, it.status]);
    });
}"""


def until(page: Page, condition: str, within: float = PATIENCE) -> None:
    """Waits for an expression of the page to be true. By asking: a page's policy lets nothing be compiled in it."""
    deadline = time.monotonic() + within
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            seen = page.evaluate("window.client && { ...client.status(), results }")
            raise AssertionError(f"not within {within} s: {condition} (the client says {seen})")
        page.wait_for_timeout(20)


def library(device: Device, email: str) -> Page:
    """Signs a browser up and opens a client of the library at the home page."""
    device.register(email, page=None)
    device.page.goto("/")
    device.page.evaluate(OPEN)
    until(device.page, "client.status().connection !== 'starting' && client.status().ready && !client.status().stale "
                       "&& client.status().pending === 0")
    return device.page


def page_of(device: Device) -> Page:
    """A further tab of the same browser, at the home page."""
    page = device.context.new_page()
    page.goto("/")
    return page


def crash(page: Page) -> None:
    """Kills the process that shows a page."""
    with page.expect_event("crash"):
        try:
            page.goto("chrome://crash", timeout=5_000)
        except Error:
            pass  # That navigation never ends well.


def me(device: Device) -> dict[str, Any]:
    """Who the browser's cookie says that it is."""
    cookies = {it["name"]: it["value"] for it in device.context.cookies()}
    return httpx.get(f"{device.url}/api/auth/me", cookies=cookies, verify=PLAIN).raise_for_status().json()
