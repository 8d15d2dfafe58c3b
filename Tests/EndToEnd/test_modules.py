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


def test_a_replica_applies_a_frame_only_where_it_stands(page: Device) -> None:
    assert page.run("""async () => {
        const { Replica } = await import("/web/replica.js");
        const it = new Replica();
        const set = (value, version) => ({ collection: "settings", id: "k", value, version });
        const frame = (previous, cursor, ...documents) => ({ previous, cursor, reset: false, documents });
        const seen = [it.apply({ ...frame(null, "a", set(1, 1)), reset: true }), it.read("settings", "k")];
        seen.push(it.apply(frame("z", "b", set(2, 2))), it.read("settings", "k"), it.cursor);
        seen.push(it.apply(frame("a", "b", set(3, 3))), it.read("settings", "k"), it.cursor);
        seen.push(it.apply(frame("b", "c", set(null, 4))), it.read("settings", "k"), it.version("settings", "k"));
        seen.push(it.apply({ ...frame(null, "other"), reset: true }), it.version("settings", "k"));
        return seen.map((value) => value ?? "none");
    }""") == [True, 1, False, 1, "a", True, 3, "b", True, "none", 4, True, 0]


def test_an_optimistic_copy_goes_with_the_frame_that_carries_it(page: Device) -> None:
    assert page.run("""async () => {
        const { Replica } = await import("/web/replica.js");
        const it = new Replica();
        const see = () => it.read("settings", "k");
        const set = (value, version) => ({ collection: "settings", id: "k", value, version });
        it.apply({ previous: null, cursor: "a", reset: true, documents: [set("old", 1)] });
        it.propose("m1", [{ collection: "settings", id: "k", value: "mine" }]);
        it.propose("m2", [{ collection: "settings", id: "k", value: "mine later" }]);
        const seen = [see()];
        const frame = { previous: "a", cursor: "b", reset: false, documents: [set("mine", 2)], mutation_ids: ["m1"] };
        it.apply(frame);
        seen.push(see());
        it.apply({ ...frame, previous: "b", cursor: "c", documents: [set("theirs", 3)], mutation_ids: ["m2"] });
        seen.push(see());
        return seen;
    }""") == ["mine later", "mine later", "theirs"]


def test_an_optimistic_copy_stays_after_its_result_until_the_pull_is_applied(page: Device) -> None:
    assert page.run("""async () => {
        const { Replica } = await import("/web/replica.js");
        const it = new Replica();
        const see = () => it.read("settings", "k");
        const set = (value, version) => ({ collection: "settings", id: "k", value, version });
        it.apply({ previous: null, cursor: "a", reset: true, documents: [set("old", 1)] });
        it.propose("m1", [{ collection: "settings", id: "k", value: "mine" }]);
        it.apply({ previous: "elsewhere", cursor: "x", reset: false, documents: [] });
        it.settle(["m1"], true);
        const seen = [see()];
        it.apply({ previous: "a", cursor: "b", reset: false, documents: [set("mine", 2)] });
        it.apply({ previous: "b", cursor: "c", reset: false, documents: [set("theirs", 3)] });
        seen.push(see());
        it.propose("refused", [{ collection: "settings", id: "k", value: "bad" }]);
        it.settle(["refused"], true);
        seen.push(see());
        return seen;
    }""") == ["mine", "theirs", "theirs"]


def test_a_message_takes_what_fits_and_no_more_than_500(page: Device) -> None:
    assert page.run("""async () => {
        const { Outbox, makeId } = await import("/web/outbox.js");
        const limit = { bytes: 63 * 1024, count: 500 };
        const many = new Outbox();
        for (let n = 0; n < 1200; n += 1) many.add({ id: makeId(), name: "n", args: {} });
        const large = new Outbox();
        for (let n = 0; n < 9; n += 1) large.add({ id: makeId(), name: "n", args: { value: "é".repeat(8000) } });
        const sizes = [];
        while (large.size > 0) {
            const batch = large.first(limit);
            sizes.push([batch.length, new Blob([JSON.stringify({ type: "push", mutations: batch })]).size < 65536]);
            large.remove(batch.map((it) => it.id));
        }
        let refused = "";
        try {
            large.add({ id: makeId(), name: "n", args: { value: "x".repeat(70000) } });
        } catch (error) {
            refused = error.name;
        }
        return [many.first(limit).length, sizes, refused, large.size];
    }""") == [500, [[4, True], [4, True], [1, True]], "RangeError", 0]


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
