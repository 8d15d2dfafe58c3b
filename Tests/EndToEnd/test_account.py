"""Devices, the account, and what offline changes lost: the pages where users look after themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from harness import Client, eventually
from harness.browser import Device
from harness.client import PASSWORD


def test_devices_say_who_is_there_and_are_renamed(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop, other = device().register(email), device().login(email, page="today")
    client = beside(desktop, email)
    desktop.open("devices")
    listed = client.expect(200, "GET", "/api/devices")["devices"]
    assert len(listed) == 3
    own = desktop.run("() => fetch('/api/auth/me').then((it) => it.json()).then((it) => it.device.id)")
    theirs = other.run("() => fetch('/api/auth/me').then((it) => it.json()).then((it) => it.device.id)")
    expect(desktop.get(f"device-{own}")).to_contain_text("this device")
    expect(desktop.get(f"device-{theirs}").get_by_test_id("online")).to_be_visible()
    expect(desktop.get(f"device-{client.device['id']}")).to_contain_text("last seen")

    other.page.goto("about:blank")
    expect(desktop.get(f"device-{theirs}").get_by_test_id("online")).to_have_count(0)
    other.page.goto("/app/today")
    expect(desktop.get(f"device-{theirs}").get_by_test_id("online")).to_be_visible()

    desktop.get(f"rename-{theirs}").click()
    expect(desktop.get("new-name")).to_be_focused()
    desktop.get("new-name").fill("   ")
    desktop.page.keyboard.press("Enter")
    expect(desktop.get("new-name")).to_have_accessible_description("A name that you will know it by.")
    desktop.get("new-name").fill("x" * 5_000)
    desktop.get("save-name").click()
    expect(desktop.get("new-name")).to_have_attribute("aria-invalid", "true")
    desktop.get("new-name").fill("<b>Kitchen</b> radio")
    desktop.page.keyboard.press("Enter")
    expect(desktop.get(f"device-{theirs}")).to_contain_text("<b>Kitchen</b> radio")
    expect(desktop.get(f"rename-{theirs}")).to_be_focused()
    names = {it["id"]: it["name"] for it in client.expect(200, "GET", "/api/devices")["devices"]}
    assert names[theirs] == "<b>Kitchen</b> radio"


def test_a_device_that_is_signed_out_stops_within_a_second_and_says_so(
    device: Callable[..., Device], email: str,
) -> None:
    desktop, other = device().register(email, page="devices"), device().login(email, page="focus")
    theirs = other.run("() => fetch('/api/auth/me').then((it) => it.json()).then((it) => it.device.id)")
    desktop.get(f"revoke-{theirs}").click()
    desktop.get("confirm-revoke").click()
    other.page.wait_for_url("**/login", timeout=1_000)
    expect(other.get("login-notice")).to_contain_text("signed out")
    expect(desktop.get(f"device-{theirs}")).to_have_count(0)
    desktop.expect_state("realtime")


def test_signing_this_device_out_from_the_list_leads_to_the_sign_in(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device().register(email, page="devices")
    desktop.get("devices").get_by_role("button", name="Sign out").click()
    desktop.get("confirm-revoke").click()
    desktop.page.wait_for_url("**/login")
    expect(desktop.get("login-notice")).to_contain_text("signed out on this device")
    assert [it for it in desktop.context.cookies() if it["value"]] == []


def test_a_new_password_signs_the_others_out_and_a_wrong_one_is_said_beside_its_field(
    device: Callable[..., Device], email: str,
) -> None:
    desktop, other = device().register(email), device().login(email, page="today")
    desktop.get("change-password").click()
    expect(desktop.get("current-password")).to_have_accessible_description("Your current password.")
    desktop.get("current-password").fill("not the password")
    desktop.get("new-password").fill("short")
    desktop.get("change-password").click()
    expect(desktop.get("new-password")).to_have_attribute("aria-invalid", "true")
    desktop.get("new-password").fill("a better password")
    desktop.get("change-password").click()
    expect(desktop.get("current-password")).to_have_accessible_description("This is not your password.")
    assert desktop.page.url.endswith("/app/settings"), "a wrong password signs nobody out"
    desktop.get("current-password").fill(PASSWORD)
    desktop.get("change-password").click()
    expect(desktop.get("toast")).to_contain_text("The password is changed")
    other.page.wait_for_url("**/login", timeout=2_000)
    desktop.expect_state("realtime")
    other.login(email, "a better password")


def test_everything_about_the_user_comes_as_one_file(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email)
    desktop.choose_theme("dark").expect_pending(0)
    with desktop.page.expect_download() as download:
        desktop.get("export").click()
    text = download.value.path().read_text()
    assert email in text
    assert "dark" in text
    json.loads(text)


def test_an_account_is_erased_only_with_its_password_and_after_a_question(
    device: Callable[..., Device], email: str,
) -> None:
    desktop, other = device().register(email), device().login(email, page="today")
    desktop.get("erase-password").fill("not the password")
    desktop.get("erase-account").click()
    desktop.get("cancel").click()
    desktop.get("erase-account").click()
    desktop.get("confirm-erase").click()
    expect(desktop.get("erase-password")).to_have_accessible_description("This is not your password.")
    desktop.get("erase-password").fill(PASSWORD)
    desktop.get("erase-account").click()
    desktop.get("confirm-erase").click()
    desktop.page.wait_for_url("**/login")
    expect(desktop.get("login-notice")).to_contain_text("erased")
    other.page.wait_for_url("**/login", timeout=2_000)
    desktop.get("login-email").fill(email)
    desktop.get("login-password").fill(PASSWORD)
    desktop.get("login-submit").click()
    expect(desktop.get("login-error")).to_be_visible()
    assert desktop.run("async () => (await caches.keys()).includes('lockstep-look')") is False


@pytest.mark.parametrize("take_back", [True, False])
def test_a_change_that_lost_is_listed_and_taken_back_or_dismissed_with_one_click(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], take_back: bool,
) -> None:
    desktop = device().register(email)
    other = beside(desktop, email)
    desktop.context.set_offline(True)
    desktop.expect_state("offline").choose_theme("dark").expect_theme("dark")
    other.set("theme", "light")
    desktop.context.set_offline(False)
    desktop.expect_pending(0).expect_theme("light")
    expect(desktop.get("conflicts").locator("strong")).to_have_text(
        re.compile(r"^Theme: you chose dark, .+ chose light\.$"))
    conflict, = other.conflicts()
    desktop.get(f"take-back-{conflict['id']}" if take_back else f"dismiss-{conflict['id']}").click()
    desktop.expect_theme("dark" if take_back else "light").expect_pending(0)
    expect(desktop.get("conflicts")).to_be_hidden()
    expect(desktop.get("problem")).to_be_hidden()
    desktop.page.reload()
    desktop.expect_state("realtime").expect_theme("dark" if take_back else "light")
    assert other.conflicts() == []
    assert other.setting("theme")["value"] == ("dark" if take_back else "light")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "+02:00", "<b>"])
def test_a_time_zone_that_is_none_is_refused_beside_its_field(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], zone: str,
) -> None:
    desktop = device().register(email)
    desktop.get("time-zone").fill(zone)
    desktop.get("time-zone").blur()
    expect(desktop.get("time-zone")).to_have_attribute("aria-invalid", "true")
    desktop.get("time-zone").fill("Europe/Berlin")
    desktop.get("time-zone").blur()
    expect(desktop.get("time-zone")).not_to_have_attribute("aria-invalid", "true")
    desktop.expect_pending(0)
    assert beside(desktop, email).settings()["time_zone"] == "Europe/Berlin"


def test_a_page_of_one_user_becomes_the_next_one_s_when_somebody_else_signs_in_with_the_same_browser(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device()
    second = desktop.context.new_page()
    second.goto("/login")
    desktop.register(email, page="devices")
    expect(desktop.get("devices").locator("li")).to_have_count(1)
    desktop.open("settings")
    expect(desktop.get("account-email")).to_have_text(email)
    second.get_by_test_id("login-email").fill(f"second-{email}")
    second.get_by_test_id("login-password").fill(PASSWORD)
    second.get_by_test_id("register-submit").click()
    second.wait_for_url("**/app/today")
    expect(desktop.get("account-email")).to_have_text(f"second-{email}")
    assert desktop.run("() => document.body.dataset.account") == second.evaluate("document.body.dataset.account")
    names = desktop.run("""async () => (await (await caches.open("lockstep-look")).keys()).map((it) => it.url)""")
    own = desktop.run("() => document.body.dataset.account")
    assert [it for it in names if "/kept/" in it and own not in it] == []


def test_a_name_that_somebody_writes_stays_whatever_is_heard_of_the_device(
    device: Callable[..., Device], email: str,
) -> None:
    desktop, other = device().register(email, page="devices"), device().login(email, page="today")
    theirs = other.run("() => fetch('/api/auth/me').then((it) => it.json()).then((it) => it.device.id)")
    expect(desktop.get(f"device-{theirs}").get_by_test_id("online")).to_be_visible()
    desktop.get(f"rename-{theirs}").click()
    desktop.get("new-name").fill("Kitch")
    with desktop.page.expect_response("**/api/devices"):
        other.page.goto("about:blank")
    desktop.page.keyboard.type("en")
    expect(desktop.get("new-name")).to_have_value("Kitchen")
    expect(desktop.get("new-name")).to_be_focused()


def test_who_erased_the_account_is_told_that_and_not_that_they_were_signed_out(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device().register(email)

    # The client hears that the session is over just before the page has its answer.
    desktop.run("""async () => {
        const { client } = await import("/web/pages/app/frame.js");
        const real = window.fetch;
        window.fetch = async (address, how) => {
            const answer = await real(address, how);
            if (how?.method !== "DELETE") return answer;
            const heard = new Promise((resolve) => {
                const look = () => client.status().reason === "signed_out" && resolve();
                client.subscribe(look);
                look();
            });
            new BroadcastChannel("lockstep").postMessage({ kind: "signedOut" });
            await heard;
            return answer;
        };
    }""")

    def late(route: Route) -> None:
        desktop.page.wait_for_timeout(700)
        route.continue_()

    desktop.context.route("**/api/auth/logout", late)
    desktop.get("erase-password").fill(PASSWORD)
    desktop.get("erase-account").click()
    desktop.get("confirm-erase").click()
    desktop.page.wait_for_url("**/login*")
    expect(desktop.get("login-notice")).to_contain_text("erased")


def test_toasts_are_read_one_by_one_and_leave_the_keyboard_where_it_was(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device().register(email)
    expect(desktop.get("toast")).to_have_attribute("aria-atomic", "false")
    desktop.page.clock.install()
    desktop.get("theme-toggle").focus()
    desktop.run("""async () => {
        const { toast } = await import("/web/pages/app/dom.js");
        toast("Given back.", { label: "Undo", testId: "undo", act: () => undefined });
    }""")
    undo = desktop.get("undo")
    undo.focus()
    # The mouse passes by: somebody is at it by keyboard all the same.
    undo.hover()
    desktop.page.mouse.move(5, 5)
    desktop.page.clock.fast_forward(30_000)
    expect(undo).to_be_focused()
    desktop.page.keyboard.press("Enter")
    expect(undo).to_have_count(0)
    expect(desktop.get("theme-toggle")).to_be_focused()


def test_where_it_is_not_known_what_the_user_had_changed_they_are_asked(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email)
    client = beside(desktop, email)
    desktop.context.set_offline(True)
    desktop.expect_state("offline", within=10)
    desktop.page.locator("#high-contrast").click()
    desktop.expect_pending(1)
    theirs = {"reduced_motion": False, "high_contrast": False, "large_text": True}
    client.set("accessibility", theirs)
    desktop.context.set_offline(False)
    take = desktop.get("conflicts").get_by_role("button", name="Take back")
    desktop.context.route("**/history", lambda route: route.abort())
    take.click()
    desktop.get("cancel").click()
    expect(take).to_be_visible()
    assert client.setting("accessibility")["value"] == theirs
    take.click()
    desktop.get("confirm-take-back").click()
    expect(desktop.get("conflicts")).to_be_hidden()
    desktop.expect_pending(0)
    assert client.setting("accessibility")["value"] == {**theirs, "high_contrast": True, "large_text": False}
    eventually(lambda: client.conflicts() == [], what="the conflict's end")
