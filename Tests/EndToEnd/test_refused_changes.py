"""A change is made, kept or refused with its reason: never lost in silence."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, Route

from harness import Client, Server, eventually
from harness.browser import Device
from harness.library import IMPORT, OPEN, library, page_of, until


def test_a_client_that_is_closed_says_so_and_refuses_at_once(device: Callable[..., Device], email: str) -> None:
    page = library(device(), email)
    assert page.evaluate("""async () => {
        client.close();
        const { status, problem } = await client.mutate("settings.set", { key: "late", value: 1 });
        const { connection, closed, reason } = client.status();
        return [status, problem.code, connection, closed, reason];
    }""") == ["rejected", "closed", "offline", True, "closed"]


def test_a_client_that_is_signed_out_refuses_at_once(device: Callable[..., Device], email: str) -> None:
    page = library(device(), email)
    page.evaluate("import('/web/account.js').then((it) => it.signOut())")
    until(page, "window.signedOut === true")
    assert page.evaluate("""async () => {
        const { status, problem } = await client.mutate("settings.set", { key: "late", value: 1 });
        return [status, problem.code, client.status().reason, client.status().pending];
    }""") == ["rejected", "signed_out", "signed_out", 0]


def test_where_nobody_has_signed_in_a_change_is_refused_and_not_left_hanging(device: Callable[..., Device]) -> None:
    browser = device()
    page = browser.page
    page.goto("/")
    page.evaluate(OPEN)
    page.evaluate("set('whose', 1)")
    until(page, "results.length === 1")
    assert page.evaluate("[results[0][2], client.status().reason]") == ["rejected", "signed_out"]
    browser.context.set_offline(True)
    page.evaluate("""async () => {
        const { createClient } = await import("/web/client.js");
        window.client = createClient();
        window.final = null;
        void client.mutate("settings.set", { key: "whose", value: 2 }).then((it) => (window.final = it));
    }""")
    until(page, "final !== null", within=12)
    assert page.evaluate("[final.status, final.problem.code, client.status().reason, client.status().pending]") == [
        "rejected", "unknown_user", "unreachable", 0]


@pytest.mark.parametrize("value", ["() => 1", "10n", "NaN", "new Map([[1, 2]])", "document.body", "[undefined]",
                                   "(() => { const it = {}; it.it = it; return it; })()"])
def test_a_value_that_no_json_says_is_the_caller_s_fault(device: Callable[..., Device], email: str, value: str) -> None:
    page = library(device(), email)
    assert page.evaluate(f"""async () => {{
        const {{ status, problem }} = await client.mutate("settings.set", {{ key: "odd", value: {value} }});
        return [status, problem.code, client.read("settings", "odd") ?? null, client.status().storage];
    }}""") == ["rejected", "invalid_value", None, "indexeddb"]


def test_what_the_caller_does_to_a_value_later_changes_nothing(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    seen = page.evaluate("""async () => {
        "use strict";
        const value = { list: [1, 2], at: new Date(0) };
        const changing = client.mutate("settings.set", { key: "mine", value });
        value.list.push(3);
        const shown = client.read("settings", "mine");
        let refused = 0;
        for (const act of [() => shown.list.push(4), () => (shown.new = 1), () => (client.list("settings")[0].id = "x")]) {
            try { act(); } catch { refused += 1; }
        }
        const result = await changing;
        return [result.status, refused, Object.isFrozen(result), client.read("settings", "mine")];
    }""")
    assert seen == ["applied", 3, True, {"list": [1, 2], "at": "1970-01-01T00:00:00.000Z"}]
    assert beside(browser, email).setting("mine")["value"] == seen[3]


def test_an_origin_that_the_server_refuses_is_said_and_what_waits_is_kept(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device()
    page = library(browser, email)
    page.evaluate("client.close()")
    refused = json.dumps({"status": 403, "code": "cross_origin", "detail": "no"})
    page.route("**/api/sync", lambda route: route.fulfill(
        status=403, content_type="application/problem+json", body=refused)
        if route.request.method == "POST" else route.continue_())
    page.evaluate(OPEN, {"realtime": False})
    until(page, "client.status().connection === 'polling'")
    page.evaluate("set('waits', 1)")
    until(page, "client.status().reason === 'origin_refused'")
    assert page.evaluate("[client.status().connection, client.status().pending, results]") == ["offline", 1, []]
    page.unroute("**/api/sync")
    until(page, "client.status().pending === 0", within=15)
    assert page.evaluate("results[0][2]") == "applied"


def test_a_server_of_another_origin_that_is_there_is_told_from_one_that_is_not(
    start_server: Callable[..., Server], device: Callable[..., Device],
) -> None:
    browser = device(bypass_csp=True)
    elsewhere = start_server()
    browser.page.goto("/")
    browser.page.evaluate(OPEN, {"url": elsewhere.url})
    until(browser.page, "client.status().reason === 'origin_refused'")
    elsewhere.kill()
    until(browser.page, "client.status().reason === 'unreachable'", within=12)


@pytest.mark.parametrize("where", ["the device that lost", "another device"])
def test_taking_back_puts_back_what_the_user_had_changed_and_nothing_else(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], where: str,
) -> None:
    browser = device()
    page = library(browser, email)
    other = beside(browser, email)
    browser.context.set_offline(True)
    page.evaluate("""set("accessibility", { reduced_motion: false, high_contrast: true, large_text: false })""")
    until(page, "client.status().pending === 1")
    other.set("accessibility", {"reduced_motion": True, "high_contrast": False, "large_text": False})
    browser.context.set_offline(False)
    until(page, "client.conflicts().length === 1")
    if where == "another device":
        second = device()
        second.login(email)
        page = second.page
        page.goto("/")
        page.evaluate(OPEN)
        until(page, "client.conflicts().length === 1")
    assert page.evaluate("async () => (await client.takeBack(client.conflicts()[0])).status") == "applied"
    assert other.setting("accessibility")["value"] == {
        "reduced_motion": True, "high_contrast": True, "large_text": False}
    until(page, "client.conflicts().length === 0")


def lose(browser: Device, page: Page, other: Client, key: str, mine: object, theirs: object) -> None:
    """The user's change of a setting loses to another device's."""
    browser.context.set_offline(True)
    page.evaluate("([key, value]) => set(key, value)", [key, mine])
    until(page, "client.status().pending === 1")
    other.set(key, theirs)
    browser.context.set_offline(False)
    until(page, "client.conflicts().length === 1")


def test_a_conflict_stays_where_its_change_could_not_be_taken_back(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    other = beside(browser, email)
    lose(browser, page, other, "theme", "dark", "light")
    assert page.evaluate("""async () => {
        const [conflict] = client.conflicts();
        client.close();
        return (await client.takeBack(conflict)).status;
    }""") == "rejected"
    assert len(other.conflicts()) == 1


def test_what_is_taken_back_is_hidden_in_every_tab_and_dismissed_though_the_page_that_asked_is_gone(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    other = beside(browser, email)
    lose(browser, page, other, "theme", "dark", "light")
    second = page_of(browser)
    second.evaluate(OPEN)
    until(second, "client.conflicts().length === 1")
    browser.context.set_offline(True)
    until(page, "client.status().connection === 'offline'")
    page.evaluate("void client.takeBack(client.conflicts()[0])")
    until(page, "client.status().pending === 1 && client.conflicts().length === 0")
    until(second, "client.status().pending === 1 && client.conflicts().length === 0")
    page.close()
    browser.context.set_offline(False)
    until(second, "client.status().pending === 0", within=12)
    eventually(lambda: other.conflicts() == [], what="the conflict's end")
    assert other.setting("theme")["value"] == "dark"
    assert second.evaluate("client.conflicts().length") == 0


def test_what_was_dismissed_without_network_is_so_after_a_reload(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    other = beside(browser, email)
    lose(browser, page, other, "theme", "dark", "light")
    second = page_of(browser)
    second.evaluate(IMPORT)
    browser.context.set_offline(True)
    until(page, "client.status().connection === 'offline'")
    page.evaluate("void client.dismissConflict(client.conflicts()[0].id)")
    until(page, "client.conflicts().length === 0")
    kept = """async () => {
        const database = await new Promise((open) => {
            indexedDB.open("lockstep").onsuccess = (event) => open(event.target.result);
        });
        const all = await new Promise((read) => {
            const request = database.transaction("accounts").objectStore("accounts").getAll();
            request.onsuccess = () => read(request.result);
        });
        database.close();
        return all.some((it) => it.dismissed?.length === 1);
    }"""
    eventually(lambda: second.evaluate(kept), what="the dismissal in the store")
    assert len(other.conflicts()) == 1
    page.close()
    browser.context.set_offline(False)
    second.evaluate(OPEN)
    eventually(lambda: other.conflicts() == [], what="the conflict's end")


def test_where_nobody_knows_what_stood_before_nothing_is_guessed(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    other = beside(browser, email)
    mine = {"reduced_motion": False, "high_contrast": True, "large_text": False}
    theirs = {"reduced_motion": True, "high_contrast": False, "large_text": True}
    lose(browser, page, other, "accessibility", mine, theirs)
    page.route("**/history", lambda route: route.fulfill(status=429, json={"status": 429, "code": "too_many_requests"}))
    assert page.evaluate("""async () => {
        const [conflict] = client.conflicts();
        const taking = client.takeBack(conflict);
        // From the click on it is not there to be clicked again.
        const twice = [client.takeBack(conflict) === taking, client.conflicts().length];
        const { status, problem } = await taking;
        return [status, problem.code, ...twice, client.conflicts().length];
    }""") == ["rejected", "unknown_past", True, 0, 1]
    assert other.setting("accessibility")["value"] == theirs
    assert page.evaluate(
        "async () => (await client.takeBack(client.conflicts()[0], { whole: true })).status") == "applied"
    assert other.setting("accessibility")["value"] == mine
    eventually(lambda: other.conflicts() == [], what="the conflict's end")


@pytest.mark.parametrize(("pages", "shown"), [(1, 100), (2, 200), (9, 200), (None, 3)])
def test_lost_changes_are_fetched_by_pages_and_never_without_end(
    device: Callable[..., Device], email: str, pages: int | None, shown: int,
) -> None:
    browser = device()
    page = library(browser, email)
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        at = int(httpx.URL(route.request.url).params.get("before", "0"))
        lost = [{"id": f"{at}-{n}", "mutation": {"id": f"{at}-{n}", "name": "settings.set", "args": {"key": "a", "value": n}},
                 "lost_value": n, "current": None, "at": "2026-01-10T12:00:00.000Z"} for n in range(100 if pages else 3)]
        body = {"conflicts": lost} if pages is None else {
            "conflicts": lost, "next": str(at + 1) if at + 1 < pages else None}
        route.fulfill(json=body)

    page.route("**/api/sync/conflicts?*", answer)
    page.evaluate("client.close()")
    page.evaluate(OPEN)
    until(page, f"client.conflicts().length === {shown}")
    assert all("limit=100" in it for it in asked)
