"""A day is the user's day: one zone for what the pages show and for what they ask the server to count by."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Route, expect

from harness import Client, Database, Server, eventually
from harness.browser import Device

LOS_ANGELES, CHATHAM, KATHMANDU = "America/Los_Angeles", "Pacific/Chatham", "Asia/Kathmandu"


def zone_of(client: Client) -> str | None:
    return client.settings().get("time_zone")


def lay_sessions(database: Database, email: str, times: list[datetime]) -> None:
    """Completed focus sessions of 25 minutes that ended then, as nobody waits for a week."""
    with database.connect() as connection:
        for time in times:
            connection.execute(
                """INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at,
                       remaining_seconds, task_title, coins_awarded, completed_at, version)
                   SELECT id, gen_random_uuid(), 'focus', 'completed', 1500, %(at)s - interval '25 minutes', %(at)s, 0,
                       'Evening', 10, %(at)s, 0 FROM users WHERE email = %(email)s""", {"at": time, "email": email})


def evenings(zone: str, days: int) -> list[datetime]:
    """22:00 of the last days there, the newest first; today's where it has been."""
    now = datetime.now(ZoneInfo(zone))
    last = now.replace(hour=22, minute=0, second=0, microsecond=0)
    if last > now:
        last -= timedelta(days=1)
    return [(last - timedelta(days=day)).astimezone(UTC) for day in range(days)]


@pytest.mark.parametrize("zone", [LOS_ANGELES, KATHMANDU])
def test_the_browser_s_zone_is_the_account_s_from_the_first_sign_in_on(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], zone: str,
) -> None:
    desktop = device(timezone_id=zone).enter("register", email).open("today").expect_zone()
    client = beside(desktop, email)
    # Chromium calls some zones by their older names.
    names = {zone, "Asia/Katmandu"} if zone == KATHMANDU else {zone}
    eventually(lambda: zone_of(client) in names, what="the account's zone")
    desktop.expect_pending(0)
    expect(desktop.get("problem")).to_be_hidden()


def test_another_device_s_choice_stands_and_nothing_is_said_to_have_lost(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    first = device(timezone_id=LOS_ANGELES).register(email)
    expect(first.get("time-zone")).to_have_value(LOS_ANGELES)
    second = device(timezone_id=CHATHAM).login(email)
    expect(second.get("time-zone")).to_have_value(LOS_ANGELES)
    second.expect_pending(0)
    client = beside(first, email)
    assert zone_of(client) == LOS_ANGELES
    assert client.conflicts() == []


def test_two_browsers_that_set_the_zone_at_once_leave_one_of_them_and_no_conflict(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(timezone_id=LOS_ANGELES).register(email)
    expect(desktop.get("time-zone")).to_have_value(LOS_ANGELES)
    client = beside(desktop, email)
    client.delete("time_zone")
    expect(desktop.get("time-zone")).to_have_value("")
    late = device(kind="phone", timezone_id=CHATHAM)

    def hold(route: Route) -> None:
        # Another device chooses while this one's choice is on its way.
        if "time_zone" in (route.request.post_data or ""):
            client.set("time_zone", "Europe/Berlin")
        route.continue_()

    late.context.route(re.compile("/api/sync$"), hold)
    # On one page until it is over: who leaves between the answer and the dismissal finds the conflict in their list.
    late.login(email, page="today")
    eventually(lambda: late.settle(0.05) and client.settings().get("time_zone") == "Europe/Berlin", what="the other's choice")
    late.expect_pending(0)
    eventually(lambda: late.settle(0.05) and client.conflicts() == [], what="nothing that lost")
    late.open("settings")
    expect(late.get("time-zone")).to_have_value("Europe/Berlin")
    expect(late.get("problem")).to_be_hidden()


def test_seven_evenings_are_a_streak_of_seven_and_list_and_chart_name_the_same_days(
    start_server: Callable[..., Server], database: Database, device: Callable[..., Device], email: str,
) -> None:
    desktop = device(start_server(), timezone_id=LOS_ANGELES).register(email)
    times = evenings(LOS_ANGELES, 7)
    lay_sessions(database, email, times)
    desktop.open("focus")
    totals = desktop.page.locator("#totals")
    expect(totals).to_contain_text(re.compile(r"Streak\s*7 days"))
    expect(desktop.get("focus-history").locator("li")).to_have_count(7)
    shown = [datetime.strftime(it.astimezone(ZoneInfo(LOS_ANGELES)), "%-d %b") for it in times]
    listed = [it.split(",")[0] for it in desktop.get("focus-history").locator(".hint").all_inner_texts()]
    assert [it.replace("Sept", "Sep") for it in listed] == shown
    charted = desktop.get("focus-chart").locator("tbody th").all_inner_texts()
    assert sorted(it.replace("Sept", "Sep") for it in charted) == sorted(shown)


def test_a_browser_zone_that_the_server_does_not_know_breaks_nothing(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device()
    # One that this browser takes and the server refuses, as an old or a very new browser's may be.
    desktop.context.add_init_script("""
        const real = Intl.DateTimeFormat.prototype.resolvedOptions;
        Intl.DateTimeFormat.prototype.resolvedOptions = function () {
            return { ...real.call(this), timeZone: "UCT-Odd" };
        };
        const Format = Intl.DateTimeFormat;
        const known = (options) => options?.timeZone === "UCT-Odd" ? { ...options, timeZone: "Asia/Tokyo" } : options;
        Intl.DateTimeFormat = class extends Format { constructor(names, options) { super(names, known(options)); } };
    """)
    desktop.register(email, page="focus", has_zone=False)
    expect(desktop.page.locator("#totals")).to_contain_text("Streak")
    expect(desktop.get("focus-chart").locator("svg")).to_be_visible()
    expect(desktop.get("problem")).to_be_hidden()
    desktop.expect_pending(0)
    assert zone_of(beside(desktop, email)) is None
    before = len([it for it in desktop.requests if "/api/sync" in it.url and it.method == "POST"])
    desktop.open("settings").open("focus").expect_pending(0)
    expect(desktop.page.locator("#totals")).to_contain_text("Streak")
    after = [it for it in desktop.requests if "/api/sync" in it.url and it.method == "POST"]
    assert len(after) == before, "what was refused once is not sent with each page"


def test_at_midnight_an_open_page_begins_a_new_day(device: Callable[..., Device], email: str) -> None:
    # Half an hour off everybody else's midnight.
    desktop = device(timezone_id="Asia/Kolkata")
    desktop.page.clock.install()
    desktop.register(email, page="today")
    totals = desktop.page.locator("#totals")
    expect(totals).to_contain_text("Streak")
    # Without network, for the server would say that it is not midnight yet.
    desktop.context.set_offline(True)
    desktop.expect_state("offline")
    now = datetime.now(ZoneInfo("Asia/Kolkata"))
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    left = int((midnight - now).total_seconds() * 1000)
    desktop.page.clock.fast_forward(max(0, left - 120_000))
    desktop.settle(0.5)
    expect(totals).to_contain_text("Streak")
    desktop.page.clock.fast_forward(121_000)
    expect(desktop.get("day-known")).to_contain_text("A new day")
    expect(totals.locator("dd")).to_have_count(0)
    desktop.context.set_offline(False)
    desktop.expect_state("realtime", within=10)
    expect(totals).to_contain_text("Streak")


def test_days_of_23_and_25_hours_end_at_midnight(device: Callable[..., Device]) -> None:
    page = device()
    page.page.goto("/")
    assert page.run("""async () => {
        const { dayOf, untilNextDay } = await import("/web/pages/app/zone.js");
        const seen = [];
        for (const [zone, start, hours] of [
            ["America/Los_Angeles", "2026-03-08T08:00:00Z", 23], ["America/Los_Angeles", "2026-11-01T07:00:00Z", 25],
            ["Australia/Lord_Howe", "2026-04-04T13:00:00Z", 24.5], ["Asia/Kathmandu", "2026-06-01T18:15:00Z", 24],
            ["Pacific/Apia", "2011-12-29T10:00:00Z", 24], ["Asia/Beirut", "2026-03-28T22:00:00Z", 23],
        ]) {
            const at = Date.parse(start);
            const ends = at + untilNextDay(at, zone);
            seen.push((ends - at) / 3_600_000 === hours && dayOf(ends, zone) !== dayOf(ends - 1, zone));
        }
        return seen;
    }""") == [True] * 6


def test_another_zone_draws_every_day_anew(
    start_server: Callable[..., Server], database: Database, device: Callable[..., Device], email: str,
    beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(start_server(), timezone_id="UTC").register(email)
    late = datetime.now(UTC).replace(hour=23, minute=30, second=0, microsecond=0) - timedelta(days=2)
    lay_sessions(database, email, [late])
    desktop.open("focus")
    row = desktop.get("focus-history").locator(".hint").first
    expect(row).to_contain_text("23:05")
    beside(desktop, email).set("time_zone", CHATHAM)
    there = (late - timedelta(minutes=25)).astimezone(ZoneInfo(CHATHAM))
    expect(row).to_contain_text(there.strftime("%H:%M"))
    day = late.astimezone(ZoneInfo(CHATHAM)).strftime("%-d %b")
    expect(desktop.get("focus-chart").locator("tbody th")).to_have_text(re.compile(day.replace("Sep", "Sept?")))
