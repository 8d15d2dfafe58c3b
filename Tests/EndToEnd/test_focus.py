"""The focus page: one timer that every device agrees on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from harness import Client, Database, Server, eventually
from harness.browser import Device

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def seconds_shown(device: Device) -> int:
    minutes, seconds = device.get("focus-timer").inner_text().split(":")
    return int(minutes) * 60 + int(seconds)


def seconds_left(client: Client) -> float:
    """What the server says at this moment, by its own clock."""
    answer = client.expect(200, "GET", "/api/focus/active")
    return (time_of(answer["session"]["ends_at"]) - time_of(answer["server_time"])).total_seconds()


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def expect_live(device: Device, within: float = 5) -> None:
    expect(device.get("pause-focus")).to_be_visible(timeout=within * 1000)


def test_a_session_started_on_one_device_and_paused_on_the_other_shows_on_both_within_a_second(
    device: Callable[..., Device], email: str, report_delays: Callable[..., None],
) -> None:
    one, other = device().register(email, page="focus"), device().login(email, page="focus")
    expect(one.get("focus-timer")).to_have_text("25:00")
    one.get("focus-title").fill("Write the report")
    found = []

    def timed(act: Callable[[], None], seen: Callable[[float], None]) -> None:
        began = time.monotonic()
        act()
        seen(1)
        found.append((time.monotonic() - began) * 1000)

    timed(one.get("start-focus").click, lambda within: expect_live(other, within))
    expect(other.get("focus-task")).to_have_text("Write the report")
    expect(other.get("focus-paused")).to_be_hidden()
    timed(other.get("pause-focus").click,
          lambda within: expect(one.get("focus-paused")).to_be_visible(timeout=within * 1000))
    expect(other.get("focus-paused")).to_be_visible()
    expect(one.get("pause-focus")).to_be_hidden()
    assert one.get("focus-timer").inner_text() == other.get("focus-timer").inner_text()
    timed(one.get("resume-focus").click,
          lambda within: expect(other.get("focus-paused")).to_be_hidden(timeout=within * 1000))
    expect_live(one, 1)
    one.get("abandon-focus").click()
    one.get("confirm-abandon").click()
    expect(other.get("start-focus")).to_be_visible(timeout=1000)
    expect(other.get("focus-timer")).to_have_text("25:00")
    report_delays("start, pause and resume, to the other device's timer", found)


@pytest.mark.parametrize("days", [-2, 2])
def test_a_timer_is_right_to_the_second_where_the_clock_is_days_off(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], days: int,
) -> None:
    wrong = device()
    wrong.page.clock.install(time=datetime.now(UTC) + timedelta(days=days))
    wrong.register(email, page="focus")
    right = device().login(email, page="focus")
    assert abs(wrong.run("() => Date.now()") / 1000 - time.time()) > 86_400
    wrong.get("start-focus").click()
    client = beside(wrong, email)
    # Far enough from the start that a timer which stands still is caught.
    expect(right.get("focus-timer")).to_have_text("24:54", timeout=10_000)
    for browser in (wrong, right):
        expect_live(browser)
        for _ in range(3):
            before = seconds_left(client)
            shown = seconds_shown(browser)
            assert seconds_left(client) - 0.2 <= shown <= before + 1.2
            browser.settle(0.4)
    right.get("pause-focus").click()
    expect(wrong.get("focus-paused")).to_be_visible(timeout=1000)
    paused = client.expect(200, "GET", "/api/focus/active")["session"]["remaining_seconds"]
    assert seconds_shown(wrong) == seconds_shown(right) == paused
    wrong.page.reload()
    expect(wrong.get("focus-paused")).to_be_visible()
    assert seconds_shown(wrong) == paused


def test_the_timer_ticks_and_the_title_says_so_while_nothing_is_on_the_wire(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device().register(email, page="focus")
    desktop.get("start-focus").click()
    expect(desktop.get("focus-timer")).to_have_text("24:58")
    desktop.expect_pending(0).settle(0.3)
    frames: list[object] = []

    def heard(frame: object) -> None:
        frames.append(frame)

    for socket in desktop.sockets:
        socket.on("framereceived", heard)
        socket.on("framesent", heard)
    before = len(desktop.requests)
    for left in ("24:56", "24:55"):
        expect(desktop.get("focus-timer")).to_have_text(left)
        expect(desktop.page).to_have_title(f"{left} · Focus · Lockstep")
    assert frames == [] and len(desktop.requests) == before
    desktop.get("pause-focus").click()
    expect(desktop.page).to_have_title(re.compile(r"^Paused 24:5\d · "))


def test_a_session_that_ends_is_told_suggests_a_break_and_stands_in_the_list(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(permissions=["notifications"])
    # What the browser would show; the notification itself belongs to the operating system.
    desktop.context.add_init_script("""
        window.told = [];
        ServiceWorkerRegistration.prototype.showNotification = async (title, options) => {
            window.told.push([title, options.body, options.tag]);
        };
        window.Notification = class {
            static permission = "granted";
            static requestPermission = async () => "granted";
            constructor(title, options) { window.told.push([title, options.body, options.tag]); }
        };
    """)
    desktop.register(email, page="focus")
    desktop.get("allow-notifications").click()
    expect(desktop.get("allow-notifications")).to_be_hidden()
    client = beside(desktop, email)
    session = client.expect(
        201, "POST", "/api/focus", {"duration_seconds": 3, "task_title": "Three <b>seconds</b>"})
    expect_live(desktop)
    expect(desktop.get("focus-next")).to_contain_text("Next: a break", timeout=6_000)
    expect(desktop.get("toast")).to_contain_text("done")
    expect(desktop.get("focus-timer")).to_have_text("5:00")
    expect(desktop.get("mode-break")).to_be_checked()
    expect(desktop.get("focus-history")).to_contain_text("Three <b>seconds</b>")
    assert desktop.run("() => window.told") == [
        ["Focus session done", "Three <b>seconds</b>", f"lockstep-{session['id']}"]]
    assert client.setting("notifications_enabled")["value"] is True
    expect(desktop.get("focus-chart").locator("svg")).to_have_accessible_name(
        "Focus on each of the last 30 days")
    assert desktop.get("focus-chart").locator(".bar-day").count() == 1
    desktop.get("start-focus").click()
    expect_live(desktop)
    # Shown before the server has heard of it.
    live = eventually(lambda: client.expect(200, "GET", "/api/focus/active")["session"], within=5, what="the break")
    assert live["mode"] == "break"


def test_after_four_sessions_in_a_row_the_break_is_a_long_one(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email, page="focus")
    client = beside(desktop, email)
    for number in range(1, 5):
        client.expect(201, "POST", "/api/focus", {"duration_seconds": 1})
        expect_live(desktop)
        words = "long break" if number == 4 else "Next: a break"
        expect(desktop.get("focus-next")).to_contain_text(words, timeout=4_000)
    expect(desktop.get("focus-timer")).to_have_text("15:00")
    expect(desktop.get("mode-long-break")).to_be_checked()


def test_older_sessions_come_a_page_at_a_time_and_titles_are_text(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email)
    client = beside(desktop, email)
    for number in range(23):
        client.expect(201, "POST", "/api/focus",
                      {"duration_seconds": 600, "replace": True, "task_title": f"<img src=x> {number}"})
    session = client.expect(200, "GET", "/api/focus/active")["session"]
    client.expect(200, "POST", f"/api/focus/{session['id']}/abandon")
    desktop.open("focus")
    rows = desktop.get("focus-history").locator("li")
    for count in (10, 20, 23):
        expect(rows).to_have_count(count)
        if count < 23:
            desktop.get("older-sessions").click()
    expect(desktop.get("older-sessions")).to_be_hidden()
    expect(rows.first).to_contain_text("<img src=x> 22")
    expect(rows.last).to_contain_text("<img src=x> 0")
    assert desktop.get("focus-history").locator("img").count() == 0


@pytest.mark.parametrize("minutes", ["0", "-1", "241", "1.5", ""])
def test_a_length_that_cannot_be_is_refused_beside_its_field_and_nothing_starts(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], minutes: str,
) -> None:
    desktop = device().register(email, page="focus")
    desktop.get("focus-minutes").fill(minutes)
    desktop.get("start-focus").click()
    expect(desktop.get("focus-minutes")).to_be_focused()
    expect(desktop.get("focus-minutes")).to_have_accessible_description("A whole number of minutes from 1 to 240.")
    assert beside(desktop, email).expect(200, "GET", "/api/focus/active")["session"] is None
    desktop.get("focus-minutes").fill("10")
    desktop.page.keyboard.press("Enter")
    expect_live(desktop)
    expect(desktop.get("focus-timer")).to_have_text(re.compile(r"^(10:00|9:59)$"))


def test_pausing_by_keyboard_keeps_the_keyboards_place(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email, page="today")
    desktop.get("start-focus").focus()
    for following in ("pause-focus", "resume-focus", "pause-focus"):
        desktop.page.keyboard.press("Enter")
        expect(desktop.get(following)).to_be_focused()


def test_the_usual_lengths_are_settings_of_all_devices(device: Callable[..., Device], email: str) -> None:
    one, other = device().register(email), device().login(email, page="focus")
    one.get("focus-length").fill("50")
    one.get("focus-length").blur()
    expect(other.get("focus-timer")).to_have_text("50:00", timeout=1_000)
    other.get("start-focus").click()
    expect(other.get("focus-timer")).to_have_text(re.compile(r"^(50:00|49:59)$"))
    one.get("break-length").fill("0")
    one.get("break-length").blur()
    expect(one.get("break-length")).to_have_accessible_description("A whole number of minutes from 1 to 240.")
    one.get("break-length").fill("7")
    one.get("break-length").blur()
    one.expect_pending(0)
    assert httpx.get(one.url + "/api/settings/break.duration_seconds", cookies={
        it["name"]: it["value"] for it in one.context.cookies()}).json()["value"] == 420


@pytest.mark.picture
def test_picture_of_a_session(
    start_server: Callable[..., Server], database: Database, device: Callable[..., Device], email: str,
) -> None:
    desktop = device(start_server()).register(email)
    # A month as a person has it, laid straight into the table: nobody waits for a month.
    with database.connect() as connection:
        connection.execute("""
            INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at,
                remaining_seconds, task_title, coins_awarded, completed_at, version)
            SELECT user_id, gen_random_uuid(), 'focus', 'completed', 1500, at, at + interval '25 minutes', 0,
                (ARRAY['Write the report', 'Read the draft', 'Sort the inbox', 'Plan the week'])[1 + (day + part) % 4],
                10, at + interval '25 minutes', 0
            FROM users JOIN sync_heads ON user_id = users.id,
                generate_series(0, 29) AS day, generate_series(1, 1 + (day * 7 + 3) % 5) AS part,
                LATERAL (SELECT now() - day * interval '1 day' - part * interval '32 minutes' AS at) AS time
            WHERE day % 7 <> 4""")
    desktop.open("focus")
    expect(desktop.get("focus-history").locator("li")).to_have_count(10)
    desktop.get("mode-focus").check(force=True)
    desktop.get("focus-title").fill("Write the quarterly report")
    desktop.get("start-focus").click()
    expect(desktop.get("focus-timer")).to_have_text("24:57")
    desktop.picture(IMAGES / "focus.png")
