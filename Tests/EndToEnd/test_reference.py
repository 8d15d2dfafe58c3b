"""The API reference at /docs."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from harness.browser import Device


def test_the_reference_shows_every_operation_and_opens_the_one_that_is_asked_for(device: Callable[..., Device]) -> None:
    reader = device()
    description = httpx.get(f"{reader.url}/openapi.json").raise_for_status().json()
    operations = [item[method] for item in description["paths"].values() for method in item if method != "parameters"]
    reader.page.goto("/docs#setSetting")
    asked = reader.page.locator("#setSetting")
    expect(asked).to_have_attribute("open", "")
    expect(asked).to_contain_text("Idempotency-Key")
    expect(asked).to_contain_text("invalid_setting")
    expect(reader.page.locator("details.operation[id]:not([id^=schema-])")).to_have_count(len(operations))
    for operation in operations:
        expect(reader.page.locator(f"#{operation['operationId']} > summary")).to_contain_text(operation["summary"])


def test_a_reference_that_cannot_be_read_says_so(device: Callable[..., Device]) -> None:
    reader = device()
    reader.page.route("**/openapi.json", lambda route: route.fulfill(status=503))
    reader.page.goto("/docs")
    expect(reader.page.locator("#status")).to_contain_text("could not be read: the server answered 503")


@pytest.mark.parametrize("kind", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference_fits_every_screen_and_everybody(
    device: Callable[..., Device], kind: str, scheme: str,
) -> None:
    reader = device(kind=kind, color_scheme=scheme)
    reader.page.goto("/docs#push")
    expect(reader.page.locator("#schemas")).to_be_visible()
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    results = Axe().run(reader.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("kind", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_problems_fit_every_screen_and_everybody(device: Callable[..., Device], kind: str, scheme: str) -> None:
    reader = device(kind=kind, color_scheme=scheme)
    reader.page.goto("/problems")
    for address in ("/problems", "/problems/idempotency_key_required"):
        expect(reader.page).to_have_url(f"{reader.url}{address}")
        assert reader.page.evaluate("document.documentElement.dataset.theme") == scheme
        assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        results = Axe().run(reader.page)
        assert results.violations_count == 0, results.generate_report()
        if address == "/problems":
            reader.page.get_by_role("link", name="idempotency_key_required").click()
