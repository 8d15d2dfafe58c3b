"""The web client's own modules, run where they live: in a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.browser import Device


@pytest.fixture
def page(device: Callable[..., Device]) -> Device:
    browser = device()
    browser.page.goto("/")
    return browser


def test_a_change_that_no_message_could_carry_is_refused_and_not_shown(device: Callable[..., Device], email: str) -> None:
    assert device().register(email).run("""async () => {
        const { createClient } = await import("/web/client.js");
        const client = createClient();
        const result = await client.mutate("settings.set", { key: "large", value: "x".repeat(70000) });
        const seen = [result.status, result.problem.code, client.read("settings", "large") ?? "none"];
        seen.push(client.status().pending);
        client.close();
        return seen;
    }""") == ["rejected", "payload_too_large", "none", 0]


def test_a_bad_mutation_holds_up_none_of_the_others(device: Callable[..., Device], email: str) -> None:
    for kind in ("desktop", "phone"):
        browser = device(kind=kind)
        browser.register(f"{kind}-{email}")
        assert browser.run("""async () => {
            const { createClient } = await import("/web/client.js");
            const client = createClient();
            const set = (key, value) => client.mutate("settings.set", { key, value });
            const all = await Promise.all([set("a", 1), set("b", "\\u0000"), set("theme", "purple"), set("c", 3)]);
            client.close();
            return all.map((it) => it.status);
        }""") == ["applied", "rejected", "rejected", "applied"]


@pytest.mark.timed
def test_500_changes_at_once_all_arrive_in_order(device: Callable[..., Device], email: str) -> None:
    desktop, other = device().register(email), device().login(email)
    assert desktop.run("""async () => {
        const { createClient } = await import("/web/client.js");
        const client = createClient();
        const all = [];
        for (let n = 0; n < 600; n += 1) {
            all.push(client.mutate("settings.set", { key: `many.${n % 50}`, value: { n, text: "x".repeat(500) } }));
        }
        const results = await Promise.all(all);
        const seen = Array.from({ length: 50 }, (_, n) => client.read("settings", `many.${n}`).n);
        client.close();
        return [new Set(results.map((it) => it.status)).size, client.status().pending, Math.min(...seen)];
    }""") == [1, 0, 550]
    other.choose_theme("dark")
    desktop.expect_theme("dark", within=1)


@pytest.mark.parametrize(("agent", "name", "kind"), [
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0 Safari/537.36",
     "Chrome on Linux", "web"),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/147.0 Safari/537.36",
     "Chromium on Linux", "web"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1",
     "Safari on iPhone", "mobile"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Windows", "web"),
    ("something else", "Browser", "web"),
])
def test_a_device_is_called_by_its_browser_and_system(page: Device, agent: str, name: str, kind: str) -> None:
    assert page.run("""async (agent) => {
        const { describeDevice } = await import("/web/device.js");
        return describeDevice(agent);
    }""", agent) == {"name": name, "kind": kind}


def test_text_is_counted_by_scalars_and_no_character_is_cut_in_two(page: Device) -> None:
    assert page.run("""async () => {
        const { cut, lengthOf } = await import("/web/text.js");
        const family = "👩‍👩‍👧";
        return [lengthOf("a😀"), lengthOf(family), cut("a".repeat(199) + "😀b", 200).length, cut("ab" + family, 4),
            cut("e\\u0301e\\u0301", 3), cut("short", 200)];
    }""") == [2, 5, 201, "ab", "e\u0301", "short"]


def test_a_long_title_of_an_older_app_is_moved_whole_characters_at_a_time(
    device: Callable[..., Device], email: str,
) -> None:
    assert device().register(email).run("""async () => {
        const { createClient } = await import("/web/client.js");
        const { migrateLocalStorage } = await import("/web/guard/migrate.js");
        const client = createClient();
        const kept = new Map([["focus_paused_state", JSON.stringify({ remaining: 600, task: "😀".repeat(250) })]]);
        const storage = { getItem: (key) => kept.get(key) ?? null, removeItem: (key) => kept.delete(key) };
        const { moved, left } = await migrateLocalStorage({ client, storage });
        const title = client.read("focus", "active").task_title;
        client.close();
        return [moved, left.length, title === "😀".repeat(200)];
    }""") == [["focus_paused_state"], 0, True]
