"""A browser's stores and other optional parts fail in every way that was seen: nobody who is online is stopped by it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, expect

from harness import Client, eventually
from harness.browser import Device
from harness.library import OPEN, library, page_of, until

# What each does before anything of the page runs, and where changes are kept then.
FAILURES = {
    "no IndexedDB": ("Object.defineProperty(window, 'indexedDB', { value: undefined })", "memory"),
    "IndexedDB refused": (
        "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError'); } })",
        "memory"),
    "an opening that is never answered": (
        "IDBFactory.prototype.open = () => new EventTarget()", "memory"),
    "a first opening that is never answered": ("""
        const open = IDBFactory.prototype.open;
        let calls = 0;
        IDBFactory.prototype.open = function (...given) {
            calls += 1;
            return calls === 1 ? new EventTarget() : open.apply(this, given);
        }""", "indexeddb"),
    "requests that are never answered": (
        ("IDBObjectStore.prototype.get = IDBObjectStore.prototype.getAll = () => new EventTarget(); "
         "Object.defineProperty(IDBTransaction.prototype, 'oncomplete', { set() {} })"), "memory"),
    "a connection that is gone at once": ("""
        IDBDatabase.prototype.transaction = () => { throw new DOMException('closing', 'InvalidStateError'); }""", "memory"),
    "no localStorage": ("Object.defineProperty(window, 'localStorage', { value: null })", "indexeddb"),
    "localStorage undefined": ("Object.defineProperty(window, 'localStorage', { value: undefined })", "indexeddb"),
    "localStorage that throws": ("""
        for (const name of ['localStorage', 'sessionStorage']) {
            Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError'); } });
        }""", "indexeddb"),
    "no BroadcastChannel": ("delete window.BroadcastChannel", "indexeddb"),
    "a BroadcastChannel that throws": (
        "window.BroadcastChannel = class { constructor() { throw new DOMException('no', 'SecurityError'); } }", "indexeddb"),
    "no locks": ("Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })", "indexeddb"),
    "locks that refuse": (
        "LockManager.prototype.request = () => Promise.reject(new DOMException('no', 'SecurityError'))", "indexeddb"),
    "locks that never answer": ("LockManager.prototype.request = () => new Promise(() => undefined)", "indexeddb"),
    "no service worker": ("Object.defineProperty(Navigator.prototype, 'serviceWorker', { value: undefined })", "indexeddb"),
    "a service worker that throws": (
        "ServiceWorkerContainer.prototype.register = () => { throw new DOMException('no', 'SecurityError'); }", "indexeddb"),
    "no notifications": ("delete window.Notification", "indexeddb"),
    "caches that refuse": (
        "CacheStorage.prototype.open = () => Promise.reject(new DOMException('no', 'SecurityError'))", "indexeddb"),
    "caches that never answer": (
        "CacheStorage.prototype.open = CacheStorage.prototype.delete = () => new Promise(() => undefined)", "indexeddb"),
    "no storage manager": ("Object.defineProperty(Navigator.prototype, 'storage', { value: undefined })", "indexeddb"),
    "a storage manager that refuses": (
        "StorageManager.prototype.persist = () => Promise.reject(new TypeError('no'))", "indexeddb"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_what_a_browser_refuses_stops_neither_the_sign_in_nor_a_change(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], what: str,
) -> None:
    script, storage = FAILURES[what]
    browser = device(color_scheme="light")
    browser.context.add_init_script(f"{{ {script} }}")
    page = browser.page
    page.goto("/login")
    browser.get("login-email").fill(email)
    browser.get("login-password").fill("correct horse battery")
    browser.get("register-submit").click()
    page.wait_for_url("**/app/today", timeout=15_000)
    page.goto("/app/settings")
    browser.expect_state("realtime", within=15)
    browser.choose_theme("dark").expect_theme("dark", within=6).expect_pending(0, within=6)
    expect(browser.get("storage-words")).to_have_text("" if storage == "indexeddb" else "This browser keeps nothing here. "
        "What you change is sent while there is a connection, and not kept here.")
    page.goto("/")
    page.evaluate("""async () => {
        const { createClient } = await import("/web/client.js");
        window.client = createClient();
        window.set = () => undefined;
        window.results = [];
    }""")
    until(page, "client.status().ready && !client.status().stale", within=15)
    # The page does not wait for a store to be given up.
    until(page, f"client.status().storage === '{storage}'", within=15)
    browser.page.goto("/app/settings")
    browser.expect_state("realtime", within=15)
    browser.get("sign-out").click()
    page.wait_for_url("**/login", timeout=15_000)


LOSING = """
const transaction = IDBDatabase.prototype.transaction;
const lost = new WeakSet();
const open = [];
IDBDatabase.prototype.transaction = function (...given) {
    if (!open.includes(this)) open.push(this);
    if (window.gone || lost.has(this)) throw new DOMException("The database connection is closing.", "InvalidStateError");
    return transaction.apply(this, given);
};
window.lose = () => open.forEach((it) => lost.add(it));
"""


def test_a_connection_that_the_system_took_is_opened_again_and_nothing_is_lost(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device()
    browser.context.add_init_script(LOSING)
    page = library(browser, email)
    page.evaluate("lose()")
    browser.context.set_offline(True)
    page.evaluate("set('after.loss', 1)")
    until(page, "client.status().pending === 1")
    assert page.evaluate("client.status().storage") == "indexeddb"
    page.evaluate("client.close()")
    page.evaluate(OPEN)
    until(page, "client.read('settings', 'after.loss') === 1")
    browser.context.set_offline(False)
    until(page, "client.status().pending === 0")


def test_a_store_that_is_lost_for_good_is_said_once_and_changes_are_sent(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    browser.context.add_init_script(LOSING)
    page = library(browser, email)
    page.evaluate("""() => {
        window.told = 0;
        let before = client.status().storage;
        client.subscribe(() => {
            const { storage } = client.status();
            if (storage !== before) window.told += 1;
            before = storage;
        });
        window.gone = true;
        for (let n = 0; n < 3; n += 1) set("gone.count", n);
    }""")
    until(page, "results.length === 3")
    assert page.evaluate("[results.map((it) => it[2]), client.status().storage, told]") == [["applied"] * 3, "memory", 1]
    assert beside(browser, email).setting("gone.count")["value"] == 2


def test_a_full_store_stops_nobody_who_is_online(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    page = library(browser, email)
    page.evaluate("""() => {
        IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };
        for (let n = 0; n < 5; n += 1) set("full.online", { n, text: "x".repeat(500) });
    }""")
    until(page, "results.length === 5 && client.status().pending === 0")
    assert page.evaluate("[results.map((it) => it[2]), client.status().storage]") == [["applied"] * 5, "full"]
    assert beside(browser, email).setting("full.online")["value"]["n"] == 4


def test_an_upgrade_that_another_tab_holds_up_stops_nobody(device: Callable[..., Device], email: str) -> None:
    browser = device()
    page = browser.register(email).page
    holding = page_of(browser)
    holding.evaluate("""() => new Promise((resolve) => {
        indexedDB.open("lockstep").onsuccess = ({ target }) => {
            window.held = target.result;
            indexedDB.open("lockstep", 2).onblocked = () => resolve();
        };
    })""")
    page.goto("/app/settings")
    browser.expect_state("realtime", within=15)
    browser.choose_theme("dark").expect_theme("dark").expect_pending(0)


@pytest.mark.parametrize(("granted", "times"), [(False, 1), (True, 0)])
def test_the_browser_is_asked_once_there_is_something_to_keep_and_not_again_when_it_said_yes(
    device: Callable[..., Device], email: str, granted: bool, times: int,
) -> None:
    browser = device()
    browser.context.add_init_script(f"""
        window.asked = 0;
        StorageManager.prototype.persisted = async () => {json.dumps(granted)};
        StorageManager.prototype.persist = async () => {{ window.asked += 1; return true; }};
    """)
    page = library(browser, email)
    assert page.evaluate("asked") == 0
    page.evaluate("set('theme', 'dark')")
    page.evaluate("set('theme', 'light')")
    until(page, "results.length === 2")
    assert page.evaluate("asked") == times


def test_a_browser_that_keeps_nothing_says_it_aloud_once_and_asks_before_what_waits_is_lost(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device()
    browser.context.add_init_script(f"{{ {FAILURES['no IndexedDB'][0]} }}")
    browser.register(email, page="today")
    browser.open("focus")
    expect(browser.get("storage-words")).to_contain_text("keeps nothing")
    expect(browser.get("toast")).to_have_text("")
    browser.context.set_offline(True)
    browser.expect_state("offline", within=10)
    browser.get("theme-toggle").click()
    browser.expect_pending(1)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    browser.page.on("dialog", stay)
    browser.page.get_by_role("link", name="Market").click()
    eventually(lambda: browser.settle(0.05) and asked == ["beforeunload"], what="the question")
    assert browser.page.url.endswith("/app/focus")
    browser.expect_pending(1)
    browser.context.set_offline(False)
    browser.expect_pending(0, within=15)


def test_a_page_whose_address_the_server_refuses_says_that_and_not_that_there_is_no_network(
    device: Callable[..., Device], email: str,
) -> None:
    browser = device(kind="phone").register(email)
    refused = {"status": 403, "code": "cross_origin", "detail": "no"}
    browser.page.route("**/api/sync", lambda route: route.fulfill(
        status=403, content_type="application/problem+json", json=refused)
        if route.request.method == "POST" else route.continue_())
    browser.get("theme-toggle").click()
    expect(browser.get("offline-status")).to_contain_text("takes nothing from a page under this address", timeout=15_000)
    expect(browser.get("offline-status")).to_contain_text("1 change is kept on this device")
