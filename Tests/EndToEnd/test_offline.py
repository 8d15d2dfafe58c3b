"""Without network from the start: the app opens and shows what this device knew last, to its user alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from harness import Client, Database, Server
from harness.browser import Device
from harness.server import lockstep

OUTSIDE = "0190b1c0-0000-76a0-b1b8-0bc7873dbb32"  # of the demo: 10 coins
PAGES = ("today", "focus", "market", "devices", "settings")


def wait_for_worker(device: Device) -> None:
    """Until the browser has all of the app's files."""
    device.page.wait_for_function("() => navigator.serviceWorker.controller !== null")


def expect_offline(device: Device) -> None:
    device.expect_state("offline", within=10)
    expect(device.get("offline-status")).to_contain_text("what this device knew last")


def test_every_page_opens_without_network_and_shows_the_last_replica_marked_as_such(
    start_server: Callable[..., Server], device: Callable[..., Device], email: str,
) -> None:
    server = start_server(env={"LOCKSTEP_SEED_DEMO": "on"})
    desktop = device(server, color_scheme="light").register(email, page="market")
    claim = desktop.get("rewards").get_by_role("button")
    claim.click()
    expect(desktop.get("coin-balance")).to_have_text("2")
    desktop.open("focus").get("focus-title").fill("Before the tunnel")
    desktop.get("start-focus").click()
    expect(desktop.get("pause-focus")).to_be_visible()
    desktop.open("settings").choose_theme("dark").expect_pending(0).open("today")
    wait_for_worker(desktop)

    desktop.context.set_offline(True)
    for page in PAGES:
        desktop.page.goto(f"/app/{page}")
        expect_offline(desktop)
        expect(desktop.get("coin-balance")).to_have_text("2")
        assert [it["theme"] for it in desktop.themes_seen()] == ["dark"], "the theme is there from the first moment"
        if page in ("today", "focus"):
            expect(desktop.get("focus-task")).to_have_text("Before the tunnel")
        if page == "market":
            assert desktop.get("items").locator("li").count() >= 30

    desktop.page.goto("/app/focus")
    desktop.get("pause-focus").click()
    expect(desktop.get("focus-paused")).to_be_visible()
    desktop.page.reload()
    expect(desktop.get("focus-paused")).to_be_visible()
    desktop.expect_pending(1)
    desktop.context.set_offline(False)
    desktop.expect_state("realtime", within=10).expect_pending(0)
    expect(desktop.get("offline-status")).to_be_hidden()
    expect(desktop.get("focus-paused")).to_be_visible()


def test_a_day_without_network_arrives_once_and_in_order(
    start_server: Callable[..., Server], device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client], database: Database,
) -> None:
    server = start_server(env={"LOCKSTEP_SEED_DEMO": "on"})
    desktop, other = device(server).register(email, page="today"), device(server).login(email, page="market")
    given = lockstep("coins", "grant", email, "100", "--reason", "Welcome", env={"DATABASE_URL": database.url})
    assert given.returncode == 0, given.stderr
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    wait_for_worker(desktop)
    desktop.context.set_offline(True)
    desktop.page.goto("/app/settings")
    # As a person would: the page is left when the change shows. What is not yet in the store then, a millisecond after a
    # click, would be gone with the page.
    desktop.expect_state("offline", within=10).choose_theme("dark").expect_theme("dark").expect_pending(1)
    desktop.page.goto("/app/focus")
    desktop.get("start-focus").click()
    desktop.get("pause-focus").click()
    expect(desktop.get("focus-paused")).to_be_visible()
    desktop.expect_pending(3)
    desktop.page.goto("/app/market")
    desktop.get(f"buy-item-{OUTSIDE}").click()
    desktop.get("confirm-purchase").click()
    expect(desktop.get("coin-balance")).to_have_text("90")
    desktop.expect_pending(4)
    desktop.page.reload()
    desktop.expect_pending(4)
    expect(desktop.get("coin-balance")).to_have_text("90")
    expect(desktop.get(f"inventory-item-{OUTSIDE}")).to_be_visible()
    expect(other.get("coin-balance")).to_have_text("100")

    desktop.context.set_offline(False)
    desktop.expect_state("realtime", within=10).expect_pending(0)
    expect(other.get("coin-balance")).to_have_text("90")
    expect(other.get(f"inventory-item-{OUTSIDE}")).to_contain_text("1 piece")
    other.expect_theme("dark").open("focus")
    expect(other.get("focus-paused")).to_be_visible()
    client = beside(desktop, email)
    assert client.conflicts() == []
    spent = [it for it in client.expect(200, "GET", "/api/market/transactions")["transactions"]
             if it["transaction_type"] == "spend"]
    assert [it["coins_amount"] for it in spent] == [-10]


@pytest.mark.timed
def test_the_app_opens_while_the_server_is_down_and_goes_on_when_it_is_back(
    start_server: Callable[..., Server], device: Callable[..., Device], email: str,
) -> None:
    server = start_server()
    desktop = device(server).register(email, page="today")
    wait_for_worker(desktop)
    server.kill()
    desktop.page.goto("/app/settings")
    expect_offline(desktop)
    desktop.choose_theme("dark").expect_theme("dark", within=1).expect_pending(1)
    server.start()
    desktop.expect_state("realtime", within=25).expect_pending(0)


def test_after_signing_out_nothing_of_the_user_is_left_for_the_time_without_network(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device().register(email)
    wait_for_worker(desktop)
    desktop.open("settings").choose_theme("dark").expect_pending(0)
    desktop.get("sign-out").click()
    desktop.page.wait_for_url("**/login")
    kept = desktop.run("""async () => {
        const texts = [];
        for (const name of await caches.keys()) {
            const cache = await caches.open(name);
            for (const request of await cache.keys()) texts.push(await (await cache.match(request)).text());
        }
        return texts;
    }""")
    assert len(kept) > 20, "the app's own files"
    for text in kept:
        assert email not in text
        assert '<html lang="en" data-theme="dark"' not in text
    desktop.context.set_offline(True)
    desktop.page.goto("/app/settings")
    expect(desktop.get("offline-page")).to_contain_text("Nobody is signed in on this device")
    assert email not in desktop.page.content()
    assert desktop.get("theme-dark").count() == 0


def test_another_user_of_the_browser_sees_his_own_pages_alone(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email)
    wait_for_worker(desktop)
    beside(desktop, email).expect(201, "POST", "/api/focus", {"task_title": "The first user's"})
    desktop.open("settings")
    desktop.get("sign-out").click()
    desktop.page.wait_for_url("**/login")
    desktop.register(f"second-{email}", page="focus")
    desktop.context.set_offline(True)
    for page in ("focus", "settings"):
        desktop.page.goto(f"/app/{page}")
        expect_offline(desktop)
        assert email not in desktop.page.content().replace(f"second-{email}", "")
        assert "The first user's" not in desktop.page.content()


def test_a_new_release_replaces_what_was_kept(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email)
    wait_for_worker(desktop)
    names = desktop.run("() => caches.keys()")
    version, = [it for it in names if it != "lockstep-look"]
    worker = desktop.page.request.get("/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert version in worker.text()
    assert "{{" not in worker.text()
    # What an older release left goes when the worker of this one starts.
    desktop.run("""async () => {
        await caches.open("lockstep-older");
        const registration = await navigator.serviceWorker.getRegistration();
        await registration.unregister();
        location.reload();
    }""")
    desktop.page.wait_for_function(
        "async () => !(await caches.keys()).includes('lockstep-older')", timeout=10_000)
