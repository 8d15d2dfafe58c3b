"""Networks that answer in the server's place, or half: nothing false is said, nothing is lost, and it goes on by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from harness import Client, eventually
from harness.browser import Device
from harness.client import PASSWORD

PORTAL = "<!doctype html><title>Wi-Fi</title><h1>Welcome aboard! Please accept our terms.</h1>"
LOOK = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def portal(device: Device, status: int) -> None:
    """From now on somebody else answers every question."""
    device.context.route("**/api/**", lambda route: route.fulfill(status=status, content_type="text/html", body=PORTAL))


@pytest.mark.parametrize("status", [200, 511])
def test_a_network_that_wants_a_sign_in_of_its_own_is_not_taken_for_the_server(
    device: Callable[..., Device], email: str, status: int,
) -> None:
    phone = device(kind="phone").register(email, page="devices")
    expect(phone.get("devices").locator("li")).to_have_count(1)
    portal(phone, status)
    phone.page.reload()
    phone.expect_state("offline", within=15)
    # What was answered before is shown, with its age.
    expect(phone.get("devices").locator("li")).to_have_count(1)
    expect(phone.get("devices-known")).to_contain_text("As it stood")
    phone.page.goto("/app/settings")
    phone.expect_state("offline", within=15)
    phone.choose_theme("dark").expect_theme("dark").expect_pending(1)
    phone.get("current-password").fill(PASSWORD)
    phone.get("new-password").fill("another battery staple")
    phone.get("change-password").click()
    expect(phone.get("problem")).to_be_visible()
    expect(phone.get("toast")).not_to_contain_text("changed")
    phone.context.unroute_all()
    phone.expect_state("polling", within=40).expect_pending(0, within=10)
    phone.open("devices")
    expect(phone.get("devices").locator("li")).to_have_count(1)
    expect(phone.get("devices-known")).to_be_hidden()


@pytest.mark.parametrize("body", ['{"cursor":"', "null", "[]", "{}", '{"results":[null],"documents":[null]}', '{"results":7}'])
def test_an_answer_that_was_cut_or_is_somebody_else_s_loses_no_change(
    device: Callable[..., Device], email: str, body: str,
) -> None:
    phone = device(kind="phone").register(email)
    phone.context.route("**/api/sync**", lambda route: route.fulfill(status=200, content_type="application/json", body=body))
    phone.choose_theme("dark").expect_theme("dark")
    phone.settle(1)
    phone.expect_theme("dark").expect_pending(1)
    phone.context.unroute_all()
    phone.expect_pending(0, within=40).expect_theme("dark").expect_state("polling")


def test_a_name_that_is_not_found_for_a_while_is_found_again_by_itself(device: Callable[..., Device], email: str) -> None:
    phone = device(kind="phone").register(email)
    phone.context.route("**", lambda route: route.abort("namenotresolved"))
    phone.choose_theme("dark").expect_pending(1).expect_state("offline", within=15)
    phone.context.unroute_all()
    phone.expect_state("polling", within=40).expect_pending(0, within=10).expect_theme("dark")


def test_a_phone_that_is_locked_in_the_middle_of_a_push_has_made_its_change_once(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone").register(email)
    held: list[Route] = []
    phone.context.route("**/api/sync", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    phone.choose_theme("dark")
    eventually(lambda: phone.settle(0.05) and held, what="the push")
    # The server has it; its answer never arrives.
    held[0].fetch()
    phone.page.evaluate(LOOK, True)
    phone.context.unroute_all()
    phone.settle(0.5)
    phone.page.evaluate(LOOK, False)
    phone.expect_pending(0, within=25).expect_theme("dark")
    client = beside(phone, email)
    assert client.expect(200, "GET", "/api/settings/theme/history")["history"] == []
