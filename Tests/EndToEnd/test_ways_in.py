"""How one gets to a page: unknown addresses, deep links through the sign-in, signing up."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from harness import Client, Server
from harness.browser import Device
from harness.client import PASSWORD
from harness.library import me

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def sign_in(device: Device, email: str, button: str = "login-submit") -> None:
    device.get("login-email").fill(email)
    device.get("login-password").fill(PASSWORD)
    device.get(button).click()


@pytest.mark.parametrize("path", ["/nothing", "/nothing/deeper", "/app/nothing", "/app/nothing/deeper", "/web/no.html"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_an_unknown_address_is_a_page_to_a_person_and_a_problem_to_a_program(
    shared_server: Server, user: Client, path: str, signed_in: bool,
) -> None:
    cookies = {"lockstep_session": user.token or ""} if signed_in else {}
    page = httpx.get(shared_server.url + path, headers=PAGE, cookies=cookies)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "There is nothing at this address" in page.text
    assert "{{" not in page.text
    for accept in ("application/json", "*/*"):
        problem = httpx.get(shared_server.url + path, headers={"Accept": accept}, cookies=cookies)
        assert (problem.status_code, problem.json()["code"]) == (404, "not_found")
        assert problem.headers["content-type"] == "application/problem+json"


def test_the_api_answers_a_browser_too_with_a_problem(shared_server: Server) -> None:
    problem = httpx.get(f"{shared_server.url}/api/nothing", headers=PAGE)
    assert (problem.status_code, problem.json()["code"]) == (404, "not_found")
    wrong = httpx.post(f"{shared_server.url}/login", headers=PAGE)
    assert wrong.status_code == 405


@pytest.mark.parametrize("button", ["login-submit", "register-submit"])
def test_a_deep_link_survives_the_sign_in_and_a_reload_in_the_middle(
    device: Callable[..., Device], email: str, button: str,
) -> None:
    desktop = device()
    if button == "login-submit":
        Client(desktop.url).register(email)
    desktop.page.goto("/app/market?from=mail#wallet-title")
    assert desktop.page.url == f"{desktop.url}/login"
    desktop.page.reload()
    sign_in(desktop, email, button)
    desktop.page.wait_for_url("**/app/market?from=mail#wallet-title")
    desktop.expect_state("realtime")


def test_a_deep_link_goes_on_through_the_page_for_who_is_new(device: Callable[..., Device], email: str) -> None:
    desktop = device()
    desktop.page.goto("/app/devices")
    desktop.get("register-submit").click()
    desktop.page.wait_for_url("**/signup")
    sign_in(desktop, email, "register-submit")
    desktop.page.wait_for_url("**/app/devices")


@pytest.mark.parametrize("address", [
    "//evil.example/app/", "/\\evil.example", "https://evil.example/app/today", "javascript:alert(1)", "/\t/evil.example",
    "/.//evil.example", "\\\\evil.example", "/app/..//evil.example", "https:evil.example", "/api/account/export",
    "@evil.example", "/app/%2e%2e/%2e%2e//evil.example", "data:text/html,x",
])
def test_a_link_leads_nowhere_but_into_the_app(device: Callable[..., Device], email: str, address: str) -> None:
    desktop = device()
    elsewhere: list[str] = []
    desktop.page.on("request", lambda it: None if it.url.startswith(desktop.url) else elsewhere.append(it.url))
    params = httpx.QueryParams({"next": address})
    desktop.page.goto(f"/login?{params}")
    sign_in(desktop, email, "register-submit")
    desktop.page.wait_for_url("**/app/today")
    # Signed in, it is the server that sends on.
    cookies = {it["name"]: it["value"] for it in desktop.context.cookies()}
    answer = httpx.get(f"{desktop.url}/login?{params}", cookies=cookies)
    assert (answer.status_code, answer.headers["location"]) == (303, "/app/today")
    assert elsewhere == []


def test_who_is_signed_in_goes_on_from_the_sign_in_page(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email)
    for path, there in [("/login", "today"), ("/signup", "today"), ("/login?next=%2Fapp%2Fmarket%3Fa%3D1", "market?a=1")]:
        desktop.page.goto(path)
        assert desktop.page.url == f"{desktop.url}/app/{there}"


def test_a_session_that_ended_goes_on_where_it_was_after_the_next_sign_in(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email, page="market")
    client = beside(desktop, email)
    own = next(it for it in client.expect(200, "GET", "/api/devices")["devices"] if it["id"] != client.device["id"])
    client.expect(204, "DELETE", f"/api/devices/{own['id']}")
    desktop.page.wait_for_url("**/login")
    expect(desktop.get("login-notice")).to_contain_text("signed out")
    sign_in(desktop, email)
    desktop.page.wait_for_url("**/app/market")


def test_signing_up_has_a_page_that_tells_a_password_manager_so(device: Callable[..., Device], email: str) -> None:
    desktop = device()
    desktop.page.goto("/")
    desktop.page.get_by_role("link", name="Create an account").click()
    desktop.page.wait_for_url("**/signup")
    expect(desktop.get("login-password")).to_have_attribute("autocomplete", "new-password")
    desktop.get("to-login").click()
    desktop.page.wait_for_url("**/login")
    expect(desktop.get("login-password")).to_have_attribute("autocomplete", "current-password")
    desktop.page.go_back()
    desktop.page.wait_for_url("**/signup")
    desktop.get("login-email").fill(email)
    desktop.get("login-password").fill("🐎🐎🐎🐎")
    desktop.page.keyboard.press("Enter")
    expect(desktop.get("login-password")).to_have_accessible_description(
        "8 to 256 characters A password has at least 8 characters.")
    desktop.get("login-password").fill("🐎" * 8)
    desktop.page.keyboard.press("Enter")
    desktop.page.wait_for_url("**/app/today")


@pytest.mark.parametrize("kind", ["desktop", "phone"])
def test_the_tests_sign_in_as_the_form_does(device: Callable[..., Device], email: str, kind: str) -> None:
    form, request = device(kind=kind).enter("register", email), device(kind=kind).login(email, page=None)
    for known in (form, request):
        ours = [it for it in known.context.cookies() if it["name"] == "lockstep_session"]
        assert [(it["path"], it["httpOnly"], it["sameSite"]) for it in ours] == [("/", True, "Lax")]
    by_form, by_request = me(form)["device"], me(request)["device"]
    assert by_form["id"] != by_request["id"]
    assert [by_form[it] for it in ("name", "kind")] == [by_request[it] for it in ("name", "kind")]
