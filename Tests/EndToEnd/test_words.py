"""What is written and what is read: counted as the server counts, in whole characters, in a person's words."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from harness import Client, eventually
from harness.browser import Device

FAMILY = "👨‍👩‍👧‍👦"  # one character to a person, seven to the server, eleven to JavaScript


def paste(device: Device, test_id: str, text: str) -> None:
    # It shows once the page knows what was done before; nothing hidden has the focus.
    expect(device.get(test_id)).to_be_visible()
    device.get(test_id).focus()
    device.page.keyboard.insert_text(text)


def live(client: Client) -> dict[str, object]:
    return eventually(lambda: client.expect(200, "GET", "/api/focus/active")["session"], what="the session")


@pytest.mark.parametrize(("written", "kept"), [
    ("😀" * 200, "😀" * 200), ("😀" * 201, "😀" * 200), (FAMILY * 29, FAMILY * 28), ("e\u0301" * 101, "e\u0301" * 100),
    ("x" * 199 + "🇩🇪", "x" * 199), ("x" * 1_000_000, "x" * 200),
])
def test_a_task_s_title_is_as_long_as_the_server_allows_and_never_ends_in_half_a_character(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], written: str, kept: str,
) -> None:
    desktop = device().register(email, page="focus")
    paste(desktop, "focus-title", written)
    expect(desktop.get("focus-title")).to_have_value(kept)
    desktop.get("start-focus").click()
    assert live(beside(desktop, email))["task_title"] == kept
    expect(desktop.get("problem")).to_be_hidden()


def test_what_does_not_fit_is_left_out_where_it_was_put_in(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email, page="focus")
    title = desktop.get("focus-title")
    title.fill("a" * 100 + "z" * 98)
    title.evaluate("(it) => it.setSelectionRange(100, 100)")
    desktop.page.keyboard.insert_text("😀😀😀")
    expect(title).to_have_value("a" * 100 + "😀😀" + "z" * 98)
    assert title.evaluate("(it) => it.selectionStart") == 104
    expect(title).to_have_accessible_description("At most 200 characters: the rest was left out.")


def test_half_a_character_and_what_is_no_text_are_not_sent(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email, page="focus")
    desktop.get("focus-title").evaluate("(it) => { it.value = 'a\\ud83d b\\u0000'; }")
    desktop.get("start-focus").click()
    assert live(beside(desktop, email))["task_title"] == "a\ufffd b"


def test_names_of_rewards_and_devices_have_the_server_s_length(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email, page="market")
    client = beside(desktop, email)
    paste(desktop, "own-name", "😀" * 300)
    desktop.get("own-cost").fill("5")
    paste(desktop, "own-description", "😀" * 2_500)
    desktop.get("own-save").click()
    expect(desktop.get("own-rewards").locator("li")).to_have_count(1)
    item, = [it for it in client.expect(200, "GET", "/api/market/items")["items"] if it["personal"]]
    assert (item["name"], item["description"]) == ("😀" * 200, "😀" * 2_000)

    desktop.open("devices")
    desktop.get(f"rename-{client.device['id']}").click()
    desktop.get("new-name").fill("😀" * 101)
    desktop.get("save-name").click()
    expect(desktop.get("new-name")).to_have_accessible_description("At most 100 characters.")
    desktop.get("new-name").fill("😀" * 100)
    desktop.get("save-name").click()
    expect(desktop.get(f"device-{client.device['id']}")).to_contain_text("😀" * 100)


# Conflicts

TECHNICAL = re.compile(r"[{}\[\]]|[a-z]_[a-z]|[a-z]\.[a-z]|null|undefined|true|false|settings|mutation", re.ASCII)


def conflict(name: str, args: dict[str, object], lost: object = None, current: object = None, **more: object) -> object:
    return {"id": "1", "mutation": {"id": "1", "name": name, "args": args}, "lost_value": lost,
            "current": {"collection": "x", "id": "y", "value": current, "version": 3}, "at": "2026-01-10T12:00:00.000Z",
            **more}


SESSION = {"mode": "focus", "status": "paused", "duration_seconds": 1500}


@pytest.mark.parametrize(("given", "words"), [
    (conflict("settings.set", {"key": "theme", "value": "dark"}, "dark", "light", device_name="Your phone"),
     "Theme: you chose dark, Your phone chose light"),
    (conflict("settings.set", {"key": "theme", "value": "system"}, "system", None),
     "Theme: you chose as the system has it, another device chose none"),
    (conflict("settings.delete", {"key": "time_zone"}, None, "Europe/Berlin"),
     "Time zone: you chose none, another device chose Europe/Berlin"),
    (conflict("settings.set", {"key": "accessibility"}, {"reduced_motion": True, "large_text": True}, {}),
     "Accessibility: you chose reduced motion, large text, another device chose none of its switches"),
    (conflict("settings.set", {"key": "notifications_enabled"}, True, False),
     "Notifications: you chose on, another device chose off"),
    (conflict("settings.set", {"key": "long_break.duration_seconds"}, 600, 1200),
     "Length of a long break: you chose 10 min, another device chose 20 min"),
    (conflict("settings.set", {"key": "focus.sound"}, "bowl", "none"),
     "Sound at the end of a session: you chose Bowl, another device chose None"),
    (conflict("settings.set", {"key": "app.layout_v2"}, {"a": [1]}, {"b": None}),
     "A setting of another app: you changed it, but another device was first"),
    (conflict("settings.delete", {"key": "app.layout_v2"}, None, 1),
     "A setting of another app: you removed it, but another device had changed it"),
    (conflict("focus.start", {"mode": "focus", "task_title": "Write"}, {"status": "active"}, SESSION),
     ("Starting a session: you started one (“Write”), but another device was first; "
      "now a focus session of 25 min is paused")),
    (conflict("focus.pause", {"id": None}, {"status": "paused"}, None),
     "Pausing the session: you paused it, but another device was first; now no session is running"),
    (conflict("focus.resume", {"id": None}, {}, {**SESSION, "mode": "break", "status": "active"}),
     "Going on with the session: you went on with it, but another device was first; now a break of 25 min is running"),
    (conflict("focus.complete", {"id": "1"}, {}, None),
     "Ending the session: you ended it, but another device was first; now no session is running"),
    (conflict("focus.abandon", {"id": "1"}, {}, None),
     "Giving the session up: you gave it up, but another device was first; now no session is running"),
    (conflict("notes.merge_all", {"a": {"b": 1}}, {"c": 2}, {"d": 3}),
     "A change: what you changed lost, another device was first"),
    (conflict("settings.set", {"key": "theme"}, {"odd": True}, ["x"]),
     "Theme: you chose something else, another device chose something else"),
])
def test_every_change_that_lost_is_told_in_a_person_s_words(
    device: Callable[..., Device], given: object, words: str,
) -> None:
    page = device()
    page.page.goto("/")
    told = page.run("""async (given) => {
        const { conflictText } = await import("/web/pages/app/conflicts.js");
        const { title, words } = conflictText(given);
        return `${title}: ${words}`;
    }""", given)
    assert told == words
    assert TECHNICAL.search(told) is None


def test_a_session_that_another_device_ended_is_told_and_not_shown_as_code(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email, page="focus")
    desktop.get("start-focus").click()
    desktop.expect_pending(0)
    client = beside(desktop, email)
    session = live(client)
    desktop.context.set_offline(True)
    desktop.expect_state("offline").get("pause-focus").click()
    desktop.expect_pending(1)
    client.expect(200, "POST", "/api/focus/pause")
    client.expect(200, "DELETE", "/api/focus/pause")
    desktop.context.set_offline(False)
    desktop.expect_pending(0)
    assert session["status"] == "active"
    desktop.open("settings")
    row = desktop.get("conflicts").locator("strong")
    expect(row).to_have_text(re.compile(
        r"^Pausing the session: you paused it, but .+ was first; now a focus session of 25 min is running\.$"))
    assert TECHNICAL.search(desktop.get("conflicts").inner_text()) is None


@pytest.mark.parametrize(("problem", "words"), [
    ({"status": 422, "code": "invalid_query", "detail": "limit is from 1 to 100."}, "The server refused this; nothing was changed."),
    ({"status": 400, "code": "never_heard_of", "detail": "Send it again."}, "The server refused this; nothing was changed."),
    ({"status": 429, "code": "rate_limited", "detail": "You have sent too many requests. Try again in 5 s."},
     "You have sent too many requests. Try again in 5 s."),
    ({"status": 0, "code": "unreachable", "detail": "The server cannot be reached. Are you online?"},
     "The server cannot be reached. Are you online?"),
])
def test_what_the_server_says_to_programmers_is_not_said_to_people(
    device: Callable[..., Device], problem: dict[str, object], words: str,
) -> None:
    page = device()
    page.page.goto("/")
    assert page.run(
        "async (it) => (await import('/web/pages/app/problems.js')).problemText(it)", problem) == words


def test_a_page_says_of_a_refused_question_what_a_person_would(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email)
    desktop.context.route("**/api/devices", lambda route: route.fulfill(
        status=422, json={"status": 422, "code": "invalid_query", "detail": "cursor: must be one of ours."}))
    desktop.page.goto("/app/devices")
    expect(desktop.get("devices-known")).to_have_text("The server refused this; nothing was changed.")
