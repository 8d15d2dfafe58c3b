"""What a page says of things that only the server knows: not asked yet, asked, cannot ask."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Route, expect

from harness import Client, Database, Server, eventually
from harness.browser import Device
from harness.server import lockstep

FALSE = ("Nothing yet. Start", "No coins have moved", "Nothing is offered", "Nothing at the moment", "Asking the server",
         "A fresh day", "not kept on this", "25:00")

# Every word that ever stood on the page, hidden ones left out.
LISTEN = """
window.lockstepSaid = new Set();
const hear = () => {
    for (const it of document.querySelectorAll("main p, main dd")) {
        if (it.offsetParent !== null && it.textContent.trim() !== "") window.lockstepSaid.add(it.textContent.trim());
    }
};
new MutationObserver(hear).observe(document, {
    childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["hidden"] });
"""


# As if another tab were in front.
LOOK = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def wait_for_worker(device: Device) -> None:
    device.page.wait_for_function("() => navigator.serviceWorker.controller !== null")


def kept_names(device: Device) -> list[str]:
    """What is kept of answers, by the last part of its address."""
    return device.run("""async () => {
        const names = [];
        for (const name of await caches.keys()) {
            for (const it of await (await caches.open(name)).keys()) {
                const path = new URL(it.url).pathname;
                if (path.startsWith("/kept/")) names.push(path.split("/").at(-1));
            }
        }
        return names.sort();
    }""")


def wait_for_kept(device: Device, *names: str) -> None:
    eventually(lambda: set(names) <= set(kept_names(device)), within=20, what=f"{', '.join(names)} kept")


@pytest.fixture
def lived(
    start_server: Callable[..., Server], database: Database, device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> Device:
    """A browser whose user has a session, coins and a ledger, and has looked at every page but the devices."""
    desktop = device(start_server(env={"LOCKSTEP_SEED_DEMO": "on"})).register(email, page="focus")
    given = lockstep("coins", "grant", email, "470", "--reason", "Welcome", env={"DATABASE_URL": database.url})
    assert given.returncode == 0, given.stderr
    client = beside(desktop, email)
    client.expect(201, "POST", "/api/focus", {"duration_seconds": 1, "task_title": "Read the draft"})
    # An answer is shown first and kept then: whoever leaves the page between the two has it shown, not kept.
    expect(desktop.get("focus-history")).to_contain_text("Read the draft")
    wait_for_kept(desktop, "sessions")
    desktop.open("market")
    expect(desktop.get("ledger")).to_contain_text("Welcome")
    wait_for_kept(desktop, "ledger", "offers")
    desktop.open("settings")
    wait_for_kept(desktop, "account")
    desktop.open("today")
    expect(desktop.page.locator("#totals")).to_contain_text("Sessions")
    wait_for_worker(desktop)
    wait_for_kept(desktop, "month")
    assert kept_names(desktop) == ["account", "ledger", "month", "offers", "sessions"]
    return desktop


def test_without_network_pages_say_what_was_answered_last_and_how_old_it_is(lived: Device, email: str) -> None:
    lived.context.set_offline(True)
    lived.page.goto("/app/focus")
    lived.expect_state("offline", within=10)
    expect(lived.get("focus-history")).to_contain_text("Read the draft")
    expect(lived.get("history-known")).to_contain_text(re.compile(r"^As it stood a moment ago \("))
    expect(lived.page.locator("#totals")).to_contain_text(re.compile(r"Sessions\s*1"))
    expect(lived.get("month-known")).to_contain_text("As it stood")
    expect(lived.get("older-sessions")).to_be_hidden()
    lived.page.goto("/app/market")
    lived.expect_state("offline", within=10)
    expect(lived.get("ledger")).to_contain_text("Welcome")
    expect(lived.get("ledger-known")).to_contain_text("As it stood")
    expect(lived.get("coin-balance")).to_have_text("470")
    lived.page.goto("/app/today")
    lived.expect_state("offline", within=10)
    expect(lived.page.locator("#totals")).to_contain_text(re.compile(r"Sessions\s*1"))
    expect(lived.get("day-known")).to_contain_text("As it stood")
    lived.page.goto("/app/settings")
    lived.expect_state("offline", within=10)
    expect(lived.get("account-email")).to_have_text(email)
    # Never looked at: not "asking" for ever.
    lived.page.goto("/app/devices")
    lived.expect_state("offline", within=10)
    expect(lived.get("devices-known")).to_contain_text("not kept on this one")

    lived.context.set_offline(False)
    lived.expect_state("realtime", within=20)
    expect(lived.get("devices").locator("li")).to_have_count(2)
    expect(lived.get("devices-known")).to_be_hidden()
    kept = "async () => (await (await caches.open('lockstep-look')).keys()).some((it) => it.url.endsWith('/devices'))"
    eventually(lambda: lived.page.evaluate(kept), what="the list to be kept")
    lived.context.set_offline(True)
    lived.page.reload()
    lived.expect_state("offline", within=10)
    expect(lived.get("devices").locator("li")).to_have_count(2)
    expect(lived.get("devices-known")).to_contain_text("As it stood")
    expect(lived.get("online")).to_have_count(0)


def test_yesterdays_numbers_are_not_called_todays(lived: Device) -> None:
    lived.context.set_offline(True)
    tomorrow = time.time() + 86_400
    lived.page.clock.install(time=tomorrow)
    lived.page.goto("/app/today")
    expect(lived.get("day-known")).to_contain_text("A new day")
    expect(lived.get("day-known")).to_contain_text("24 h ago")
    expect(lived.page.locator("#totals dd")).to_have_count(0)
    expect(lived.page.locator("#greeting")).not_to_contain_text("done today")


@pytest.mark.parametrize("page", ["today", "focus", "market", "devices"])
def test_a_page_never_says_for_a_moment_what_is_not_so(lived: Device, page: str) -> None:
    lived.context.add_init_script(LISTEN)

    def late(route: Route) -> None:
        lived.page.wait_for_timeout(400)
        route.continue_()

    # A little later than one is used to, as on a phone. What comes next is a break: 25 minutes of focus never were.
    lived.context.route(re.compile(r"/api/(focus|market|devices)"), late)
    lived.page.goto(f"/app/{page}")
    lived.expect_state("realtime")
    place = {"today": "#totals dd", "focus": "#history li", "market": "#ledger li", "devices": "#devices li"}[page]
    expect(lived.page.locator(place).first).to_be_visible()
    lived.settle(0.5)
    said = lived.run("() => [...window.lockstepSaid]")
    assert [it for it in said if any(words in it for words in FALSE)] == [], said
    # The balance, before it is known, is not 0 either.
    assert page != "market" or "0" not in said[:said.index("470")]


def test_an_answer_that_is_late_is_said_to_be_asked_for_and_a_refusal_in_its_words(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device().register(email)
    waiting: list[Route] = []
    desktop.context.route("**/api/devices", lambda route: waiting.append(route))
    desktop.page.goto("/app/devices")
    expect(desktop.get("devices-known")).to_have_text("Asking the server…")
    eventually(lambda: desktop.settle(0.05) and waiting, what="the request")
    for route in waiting:
        route.fulfill(status=503, content_type="application/problem+json", body="""
            {"status": 503, "code": "unavailable", "detail": "The server cannot do this at the moment; nothing is lost."}""")
    expect(desktop.get("devices-known")).to_contain_text("cannot do this at the moment")


def test_an_empty_answer_is_said_to_be_empty(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email, page="focus")
    expect(desktop.get("history-known")).to_have_text("Nothing yet. Start your first session.")
    desktop.open("market")
    expect(desktop.get("ledger-known")).to_contain_text("No coins have moved yet")


def test_what_is_kept_is_its_user_s_alone_and_goes_with_the_session(lived: Device, email: str) -> None:
    lived.open("settings").get("sign-out").click()
    lived.page.wait_for_url("**/login")
    assert kept_names(lived) == []
    lived.register(f"second-{email}", page="devices")
    lived.context.set_offline(True)
    lived.page.goto("/app/market")
    lived.expect_state("offline", within=10)
    expect(lived.get("ledger-known")).to_contain_text("not kept on this device")
    assert "Welcome" not in lived.page.content()
    assert email not in lived.page.content().replace(f"second-{email}", "")


@pytest.mark.parametrize("path", ["/", "/login", "/signup", "/app"])
def test_other_pages_without_network_are_ours_and_say_what_works(
    lived: Device, path: str,
) -> None:
    lived.context.set_offline(True)
    lived.page.goto(path)
    page = lived.get("offline-page")
    expect(page).to_contain_text("cannot be reached")
    expect(page.get_by_role("link", name="Focus")).to_be_visible()
    page.get_by_role("link", name="Focus").click()
    lived.expect_state("offline", within=10)
    lived.page.goto(path)
    lived.context.set_offline(False)
    # By itself, and since somebody is signed in, to the app.
    expect(lived.get("offline-page")).to_have_count(0, timeout=15_000)


def test_who_is_not_signed_in_is_told_that_signing_in_needs_the_network(
    start_server: Callable[..., Server], device: Callable[..., Device],
) -> None:
    server = start_server()
    desktop = device(server)
    desktop.page.goto("/login")
    wait_for_worker(desktop)
    server.kill()
    for path in ("/", "/login", "/app/focus"):
        desktop.page.goto(path)
        expect(desktop.get("offline-page")).to_contain_text("Nobody is signed in on this device")
        expect(desktop.get("offline-page").get_by_role("link", name="Focus")).to_be_hidden()
    desktop.get("offline-again").click()
    expect(desktop.get("offline-waiting")).to_contain_text("Still no answer")
    server.start()
    desktop.page.wait_for_url("**/login", timeout=40_000)
    expect(desktop.get("login-email")).to_be_visible()


def test_what_was_done_elsewhere_while_nobody_looked_shows_as_soon_as_somebody_does(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone").register(email, page="focus")
    expect(phone.get("history-known")).to_contain_text("Nothing yet")
    phone.run(LOOK, True)
    other = beside(phone, email)
    other.expect(201, "POST", "/api/focus", {"duration_seconds": 1, "task_title": "On the desktop"})
    eventually(lambda: other.expect(200, "GET", "/api/focus/active")["session"] is None, what="its end")
    waiting: list[Route] = []
    phone.context.route("**/api/focus?limit=*", lambda route: waiting.append(route))
    phone.run(LOOK, False)
    # What is being asked anew, and takes long, is not shown as if it were so now.
    expect(phone.get("history-known")).to_contain_text("As it stood")
    for route in waiting:
        route.continue_()
    expect(phone.get("focus-history")).to_contain_text("On the desktop")
    expect(phone.get("history-known")).to_be_hidden()
    expect(phone.page.locator("#totals")).to_contain_text(re.compile(r"Sessions\s*1"))


@pytest.mark.parametrize("kind", ["desktop", "phone"])
def test_whatever_the_user_does_elsewhere_is_asked_for_anew(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], kind: Literal["desktop", "phone"],
) -> None:
    page = device(kind=kind).register(email, page="today")
    expect(page.page.locator("#totals")).to_contain_text(re.compile(r"Sessions\s*0"))
    asked = len([it for it in page.requests if "/api/focus/stats" in it.url])
    beside(page, email).set("anything", 1)
    eventually(lambda: page.settle(0.05) and len([it for it in page.requests if "/api/focus/stats" in it.url]) > asked,
               what="the question")


@pytest.mark.parametrize("there", [25, 130])
def test_older_sessions_that_were_shown_stay_shown_however_many(
    device: Callable[..., Device], email: str, there: int,
) -> None:
    """The server takes no limit over 100, and a new session comes in front."""
    sessions = [{
        "id": str(uuid.uuid4()), "mode": "focus", "status": "completed", "duration_seconds": 1500, "coins_awarded": 10,
        "started_at": f"2026-01-{1 + at // 24:02}T{at % 24:02}:00:00.000Z", "ends_at": None, "task_title": f"Task {at}.",
    } for at in reversed(range(there))]
    limits: list[str] = []

    def answer(route: Route) -> None:
        query = httpx.URL(route.request.url).params
        limits.append(query["limit"])
        if int(query["limit"]) > 100:
            return route.fulfill(status=422, json={"status": 422, "code": "validation_failed", "detail": "no"})
        ids = [it["id"] for it in sessions]
        start = ids.index(query["before"]) + 1 if "before" in query else 0
        page = sessions[start:start + int(query["limit"])]
        more = start + len(page) < len(sessions)
        return route.fulfill(json={"sessions": page, "next": page[-1]["id"] if more else None})

    desktop = device()
    desktop.context.route("**/api/focus?limit=*", answer)
    desktop.register(email, page="focus")
    rows = desktop.get("focus-history").locator("li")
    for shown in range(20, there + 1, 10):
        desktop.get("older-sessions").click()
        expect(rows).to_have_count(min(shown, there))
    sessions.insert(0, {**sessions[0], "id": str(uuid.uuid4()), "task_title": "The newest."})
    desktop.run(LOOK, False)
    expect(rows.first).to_contain_text("The newest.")
    expect(rows.nth(20)).to_contain_text(f"Task {there - 20}.")
    expect(desktop.get("history-known")).to_be_hidden()
    assert max(int(it) for it in limits) <= 100
