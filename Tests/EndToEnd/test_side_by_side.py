"""Versions, copies and many tabs of the client side by side in a browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from harness import Client, Server, eventually
from harness.browser import Device
from harness.client import PASSWORD
from harness.library import OPEN, library, page_of, until
from harness.server import ROOT, binary

# What tabs of versions that nobody has seen might say.
STRANGE = """() => {
    const channel = new BroadcastChannel("lockstep");
    for (const message of [null, undefined, 7, "wake", [], {}, { type: "queued" }, { type: "queued", entry: null },
            { type: "snapshot", documents: 7 }, { type: "change" }, { type: "results", results: [null] },
            { type: "renamed" }, { type: "from next year" }]) {
        channel.postMessage({ kind: "core", message, from: "another" });
        channel.postMessage(message);
        channel.postMessage({ kind: message });
    }
    channel.close();
}"""

OPEN_STORE = """new Promise((resolve, reject) => {
    const opening = indexedDB.open("lockstep"%s);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
})"""


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """A folder of the web client that the next servers serve, to be changed: another release."""
    def make() -> Path:
        checkout = tmp_path / "checkout"
        (checkout / "bin").mkdir(parents=True)
        try:
            os.link(binary(), checkout / "bin/lockstep")
        except OSError:
            shutil.copy(binary(), checkout / "bin/lockstep")
        shutil.copytree(ROOT / "Clients/Web", checkout / "Clients/Web")
        for name in ("Migrations", "Catalog"):
            (checkout / name).symlink_to(ROOT / name)
        monkeypatch.setenv("LOCKSTEP_BINARY", str(checkout / "bin/lockstep"))
        return checkout / "Clients/Web"
    return make


def test_words_of_another_version_in_another_tab_stop_nobody(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    follower = page_of(browser)
    follower.evaluate(OPEN)
    until(follower, "client.status().ready && client.status().connection === 'realtime'")
    follower.evaluate(STRANGE)
    page.evaluate(STRANGE)
    follower.evaluate("set('one', 1)")
    page.evaluate("set('other', 2)")
    for tab in (page, follower):
        until(tab, "client.read('settings', 'one') === 1 && client.read('settings', 'other') === 2")
        until(tab, "client.status().pending === 0")
    beside(browser, email).set("third", 3)
    for tab in (page, follower):
        until(tab, "client.read('settings', 'third') === 3")


def test_a_store_of_a_later_version_stops_nobody_who_is_online(device: Callable[..., Device], email: str) -> None:
    browser = device()
    browser.page.goto("/docs")
    browser.page.evaluate(f"() => {OPEN_STORE % ', 99'}.then((it) => it.close())")
    browser.register(email)
    browser.choose_theme("dark").expect_theme("dark").expect_pending(0)
    expect(browser.get("storage-words")).to_contain_text("keeps nothing here")
    browser.page.reload()
    browser.expect_state("realtime").expect_theme("dark")


def test_a_store_with_nonsense_in_it_stops_nobody(device: Callable[..., Device], email: str) -> None:
    browser = device().register(email)
    browser.page.goto("/docs")
    browser.page.evaluate(f"""async () => {{
        const store = await {OPEN_STORE % ''};
        for (const name of store.objectStoreNames) {{
            const all = store.transaction(name, "readwrite").objectStore(name);
            for (const key of await new Promise((resolve) => {{
                const asking = all.getAllKeys();
                asking.onsuccess = () => resolve(asking.result);
            }})) {{
                const had = await new Promise((resolve) => {{
                    const asking = all.get(key);
                    asking.onsuccess = () => resolve(asking.result);
                }});
                const keys = [all.keyPath].flat().filter((it) => it !== null);
                const nonsense = Object.fromEntries(keys.map((it) => [it, had[it]]));
                if (keys.length > 0) all.put({{ ...nonsense, value: 7, documents: 7, mutation: 7, cursor: 7, device: 7 }});
                else all.put(7, key);
            }}
        }}
        const waiting = store.transaction(["accounts", "queue"], "readwrite");
        await new Promise((resolve) => {{
            waiting.objectStore("accounts").getAllKeys().onsuccess = ({{ target: {{ result: [account] }} }}) => {{
                waiting.objectStore("queue").put({{ account, place: 1, id: "x", mutation: 7 }});
            }};
            waiting.oncomplete = resolve;
        }});
        store.close();
    }}""")
    browser.page.goto("/app/settings")
    browser.expect_state("realtime", within=15)
    browser.choose_theme("dark").expect_theme("dark").expect_pending(0)


def test_a_browser_s_profile_on_two_machines_is_two_devices_that_lose_nothing(
    browser: Browser, device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    first = device().register(email)
    first.context.set_offline(True)
    first.expect_state("offline", within=10)
    first.choose_theme("dark").expect_pending(1)
    copy = device(storage_state=first.context.storage_state(indexed_db=True))
    first.context.set_offline(False)
    first.expect_state("realtime", within=20).expect_pending(0)
    copy.page.goto("/app/settings")
    copy.expect_state("realtime", within=15).expect_pending(0).expect_theme("dark")
    copy.get("large-text").check()
    first.get("high-contrast").check()
    for one in (first, copy):
        one.expect_pending(0)
    copy.choose_theme("light").expect_pending(0)
    first.expect_theme("light")
    client = beside(first, email)
    client.set("theme", "dark")
    for one in (first, copy):
        one.expect_theme("dark")
        expect(one.get("problem")).to_be_hidden()


def test_eight_tabs_have_one_connection_and_go_on_when_the_first_is_closed(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    tabs = [page_of(browser) for _ in range(7)]
    for tab in tabs:
        tab.evaluate(OPEN)
    for tab in tabs:
        until(tab, "client.status().connection === 'realtime' && !client.status().stale")
    client = beside(browser, email)
    assert sum(it["online"] for it in client.expect(200, "GET", "/api/devices")["devices"]) == 1
    page.close()
    client.set("after", 1)
    for at, tab in enumerate(tabs):
        until(tab, "client.read('settings', 'after') === 1")
        tab.evaluate(f"set('tab{at}', {at})")
    for tab in tabs:
        until(tab, "client.list('settings').filter((it) => it.id.startsWith('tab')).length === 7")
    browser.page = tabs[0]


def test_a_new_release_is_taken_while_pages_of_the_old_one_are_open(
    start_server: Callable[..., Server], device: Callable[..., Device], email: str, release: Callable[[], Path],
) -> None:
    web = release()
    server = start_server()
    browser = device(server).register(email)
    browser.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    heading = web / "pages/app/settings.html"
    heading.write_text(heading.read_text().replace("<h1>", "<h1>New ", 1))
    script = web / "pages/app/dom.js"
    script.write_text(script.read_text() + "\ndocument.documentElement.dataset.release = 'new';\n")
    server.restart()
    # The old page goes on with the new server.
    browser.expect_state("realtime", within=20)
    browser.choose_theme("dark").expect_pending(0)
    # A page that is slow to come may once more be the one that was kept.
    eventually(lambda: browser.page.reload() and browser.page.locator("h1").inner_text() == "New Settings", within=20)
    browser.expect_state("realtime")
    version = re.search(r'"(lockstep-[^"{]+)"', browser.page.request.get("/sw.js").text())[1]
    names = sorted([version, "lockstep-look"])
    eventually(lambda: sorted(browser.run("() => caches.keys()")) == names, within=20, what="the new release to be kept")
    browser.context.set_offline(True)
    browser.page.reload()
    browser.expect_state("offline", within=15)
    # Nothing of the old release beside something of the new.
    expect(browser.page.locator("h1")).to_contain_text("New ")
    expect(browser.page.locator("html")).to_have_attribute("data-release", "new")


def test_a_browser_whose_data_somebody_cleared_while_a_page_was_open_is_signed_out_and_says_so(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device().register(email)
    cleaner = browser.context.new_cdp_session(browser.page)
    cleaner.send("Storage.clearDataForOrigin", {"origin": browser.url, "storageTypes": "all"})
    browser.choose_theme("dark")
    # By its socket the change is made; the next question has no cookie any more.
    browser.expect_pending(0)
    browser.page.reload()
    browser.page.wait_for_url(re.compile(r"/login$"))
    browser.get("login-email").fill(email)
    browser.get("login-password").fill(PASSWORD)
    browser.get("login-submit").click()
    browser.page.wait_for_url("**/app/settings")
    browser.expect_state("realtime").expect_theme("dark")


def test_a_worker_that_the_browser_ended_comes_back_for_a_page_without_network(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device().register(email)
    browser.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    control = browser.context.new_cdp_session(browser.page)
    control.send("ServiceWorker.enable")
    browser.context.set_offline(True)
    for page in ("focus", "settings"):
        control.send("ServiceWorker.stopAllWorkers")
        browser.page.goto(f"/app/{page}")
        browser.expect_state("offline", within=15)
