"""What apps put on top of the client: the theme provider, the React hook, the storage guard and the way out of localStorage."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from harness import Client, Database, Server, lockstep
from harness.browser import Device
from harness.library import OPEN, library, until

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Clients" / "Web" / "testing"))
from storage_guard import ForbiddenKeys, forbid_local_persistence

UMD = Path("/usr/share/nodejs")


@pytest.mark.timed
def test_the_theme_provider_follows_the_user_and_the_system(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device(color_scheme="light")
    page = library(browser, email)
    other = beside(browser, email)
    page.evaluate("""async () => {
        const { provideTheme } = await import("/web/theme/provider.js");
        window.end = provideTheme(client);
    }""")
    other.set("theme", "dark")
    browser.expect_theme("dark", within=2)
    other.set("accessibility", {"large_text": True, "reduced_motion": True})
    page.wait_for_selector("html[data-accessibility='reduced_motion large_text']")
    other.delete("theme")
    browser.expect_theme("light", within=2)
    page.emulate_media(color_scheme="dark")
    browser.expect_theme("dark", within=1)
    page.evaluate("end()")
    other.set("theme", "light")
    until(page, "client.read('settings', 'theme') === 'light'")
    assert browser.theme == "dark", "it has ended"


def test_the_theme_is_an_element_too(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device(color_scheme="light")
    page = library(browser, email)
    page.evaluate("""async () => {
        await import("/web/theme/element.js");
        const element = document.createElement("lockstep-theme");
        document.body.append(element);
        window.lockstepElement = element;
    }""")
    beside(browser, email).set("theme", "dark")
    browser.expect_theme("dark", within=3)
    page.evaluate("lockstepElement.remove()")
    page.evaluate("lockstepElement.client = client")
    page.evaluate("document.body.append(lockstepElement)")
    beside(browser, email).set("theme", "light")
    browser.expect_theme("light", within=3)


@pytest.fixture
def react(device: Callable[..., Device], email: str) -> Page:
    """A page with React, and a component that shows all that the hook says."""
    page = library(device(bypass_csp=True), email)
    page.add_script_tag(path=UMD / "react/umd/react.development.js")
    page.add_script_tag(path=UMD / "react-dom/umd/react-dom.development.js")
    page.evaluate("""async () => {
        const { createUseServerSettings } = await import("/web/react/useServerSettings.js");
        const useServerSettings = createUseServerSettings(React, client);
        window.renders = { both: 0, snapshots: new Set() };
        function Shown({ name }) {
            const it = useServerSettings();
            renders.both += 1;
            renders.snapshots.add(it);
            window.hook = it;
            return React.createElement("output", { id: name }, JSON.stringify([
                it.theme, it.accessibility.large_text, it.isLoading, it.error?.code ?? null, it.settings["my.key"] ?? null]));
        }
        const root = document.createElement("div");
        document.body.replaceChildren(root);
        window.root = ReactDOM.createRoot(root);
        window.root.render(React.createElement(React.StrictMode, null,
            React.createElement(Shown, { name: "one" }), React.createElement(Shown, { name: "other" })));
    }""")
    page.wait_for_selector("#other")
    return page


def shown(page: Page, wanted: list[object], within: float = 5) -> None:
    for name in ("one", "other"):
        until(page, f"document.getElementById('{name}').textContent === {json.dumps(json.dumps(wanted, separators=(',', ':')))}",
              within)


def test_the_hook_shows_and_changes_settings_in_every_component(react: Page) -> None:
    shown(react, ["system", False, False, None, None])
    react.evaluate("void hook.setTheme('dark')")
    shown(react, ["dark", False, False, None, None])
    react.evaluate("void hook.setAccessibility({ large_text: true })")
    react.evaluate("void hook.updateSetting('my.key', 7)")
    shown(react, ["dark", True, False, None, 7])
    until(react, "client.status().pending === 0")
    react.evaluate("void hook.updateSetting('my.key', null)")
    shown(react, ["dark", True, False, None, None])


def test_the_hook_undoes_what_is_refused_and_says_why(react: Page) -> None:
    assert react.evaluate("hook.updateSetting('theme', 'purple').then((it) => it.status)") == "rejected"
    shown(react, ["system", False, False, "invalid_setting", None])
    react.evaluate("void hook.setTheme('light')")
    shown(react, ["light", False, False, None, None])


def test_the_hook_does_not_render_for_what_it_does_not_show(react: Page) -> None:
    shown(react, ["system", False, False, None, None])
    before = react.evaluate("renders.both")
    assert react.evaluate("hook === [...renders.snapshots].at(-1)")
    # A session is begun and confirmed: changes of the replica, and none of a setting.
    begun = react.evaluate("client.mutate('focus.start', { duration_seconds: 600 }).then((it) => it.status)")
    assert begun == "applied" and react.evaluate("client.read('focus', 'active').duration_seconds") == 600
    # What React had to render for that it has rendered two frames later.
    react.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
    assert react.evaluate("renders.both") == before


# The storage guard

FLAG = "DISABLE_MASS_LOCAL_PERSISTENCE"


def switch(database: Database, *how: str) -> None:
    done = lockstep("flags", "set", FLAG, *how, env={"DATABASE_URL": database.url})
    assert done.returncode == 0, done.stderr


@pytest.fixture
def guarded(
    start_server: Callable[..., Server], database: Database, device: Callable[..., Device],
) -> Callable[..., tuple[Page, list[str]]]:
    """A page of a server whose flag is switched as asked for, and what its console warns of."""
    def open_page(*how: str) -> tuple[Page, list[str]]:
        server = start_server()
        switch(database, *how)
        page = device(server).page
        warnings: list[str] = []
        page.on("console", lambda it: warnings.append(it.text) if it.type == "warning" else None)
        page.goto("/")
        return page, warnings
    return open_page


def reported(database: Database) -> dict[str, int]:
    """What an operator sees of the guard's reports, by key."""
    done = lockstep("flags", "report", env={"DATABASE_URL": database.url})
    return {key: int(count) for count, _, key in (line.split("\t")[:3] for line in done.stdout.splitlines())}


INSTALL = """async (options) => {
    const { installStorageGuard } = await import("/web/guard/storage-guard.js");
    window.guard = installStorageGuard(options);
    return guard.ready;
}"""


def test_the_guard_lets_cosmetic_keys_through_and_stops_every_way_to_write_others(
    guarded: Callable[..., tuple[Page, list[str]]], database: Database,
) -> None:
    page, warnings = guarded("on", "--allowed-keys", "ui.panel,sidebar")
    page.evaluate("localStorage.setItem('old', 'stays')")
    assert page.evaluate(INSTALL, {}) is True
    kept = page.evaluate("""() => {
        localStorage.setItem("ui.panel", "left");
        localStorage.sidebar = "open";
        localStorage.setItem("theme", "dark");
        localStorage.wallet = "{}";
        localStorage["purchases"] = "[]";
        Storage.prototype.setItem.call(localStorage, "rewards", "[]");
        Object.defineProperty(localStorage, "inventory", { value: "[]" });
        sessionStorage.setItem("step", "2");
        const removed = localStorage.getItem("old") === "stays" && localStorage.old === "stays";
        localStorage.removeItem("old");
        return [Object.keys(localStorage).sort(), removed, localStorage.length, sessionStorage.getItem("step"),
            localStorage instanceof Storage];
    }""")
    assert kept == [["sidebar", "ui.panel"], True, 2, "2", True]
    refused = ["inventory", "purchases", "rewards", "theme", "wallet"]
    assert sorted(page.evaluate("Object.keys(guard.counts())")) == refused
    for key in refused:
        words = next(it for it in warnings if f'"{key}"' in it)
        assert "was refused" in words and "Write instead: client." in words
    page.evaluate("guard.flush()")
    assert reported(database) == dict.fromkeys(refused, 1)
    page.evaluate("guard.uninstall()")
    assert page.evaluate("localStorage.setItem('theme', 'x') ?? localStorage.getItem('theme')") == "x"


def test_the_guard_in_report_mode_counts_and_stops_nothing(
    guarded: Callable[..., tuple[Page, list[str]]], database: Database,
) -> None:
    page, warnings = guarded("on")
    page.evaluate(INSTALL, {"mode": "report", "stores": ["localStorage", "sessionStorage"]})
    page.evaluate("localStorage.setItem('theme', 'a'); localStorage.theme = 'b'; sessionStorage.setItem('form', 'c')")
    assert page.evaluate("[localStorage.theme, sessionStorage.form, guard.counts()]") == ["b", "c", {"theme": 2, "form": 1}]
    assert len(warnings) == 2, "once a key"
    page.evaluate("guard.flush()")
    assert reported(database) == {"theme": 2, "form": 1}


def test_the_guard_is_off_where_the_flag_is_off_and_follows_when_it_is_switched(
    guarded: Callable[..., tuple[Page, list[str]]], database: Database, email: str,
) -> None:
    page, warnings = guarded("off")
    page.evaluate("""async (email) => {
        const { register } = await import("/web/account.js");
        return register(email, "correct horse battery");
    }""", email)
    page.evaluate(OPEN)
    assert page.evaluate("""async () => {
        const { installStorageGuard } = await import("/web/guard/storage-guard.js");
        window.guard = installStorageGuard({ client });
        return guard.ready;
    }""") is False
    write = "localStorage.removeItem('theme') ?? localStorage.setItem('theme', 'a') ?? localStorage.getItem('theme')"
    assert page.evaluate(write) == "a"
    assert warnings == []
    switch(database, "on")
    until(page, f"client.read('flags', '{FLAG}')?.enabled === true")
    assert page.evaluate(write) is None


def test_an_old_app_s_keys_move_to_the_server_once_and_are_deleted(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device()
    browser.register(email)
    beside(browser, email).set("time_zone", "Europe/Berlin")
    page = browser.page
    page.goto("/")
    page.evaluate("""() => {
        localStorage.theme = "dark";
        localStorage.accessibility = JSON.stringify({ largeText: true });
        localStorage.focus_paused_state = JSON.stringify({ isPaused: true, remainingSeconds: 600, task: "Write" });
        localStorage.wallet = JSON.stringify({ coins: 250 });
        localStorage.purchases = JSON.stringify([{ item: "hat" }]);
        localStorage.time_zone = "UTC";
        localStorage.other = "untouched";
    }""")
    page.evaluate(OPEN)
    outcome = page.evaluate("""async () => {
        const { migrateLocalStorage } = await import("/web/guard/migrate.js");
        const keys = { time_zone: (value, client) => client.read("settings", "time_zone") === undefined
            ? [{ name: "settings.set", args: { key: "time_zone", value } }] : null };
        const first = await migrateLocalStorage({ client, keys });
        const again = await migrateLocalStorage({ client, keys });
        return [first, again, Object.keys(localStorage)];
    }""")
    assert outcome[0] == {
        "moved": ["theme", "accessibility", "focus_paused_state", "wallet", "purchases"], "dropped": ["time_zone"], "left": []}
    assert outcome[1] == {"moved": [], "dropped": [], "left": []}
    assert outcome[2] == ["other"]
    other = beside(browser, email)
    settings = other.settings()
    assert settings["theme"] == "dark" and settings["time_zone"] == "Europe/Berlin"
    assert settings["accessibility"] == {"reduced_motion": False, "high_contrast": False, "large_text": True}
    assert settings["legacy.wallet"] == {"coins": 250} and settings["legacy.purchases"] == [{"item": "hat"}]
    live = other.expect(200, "GET", "/api/focus/active")["session"]
    assert (live["status"], live["duration_seconds"], live["task_title"]) == ("paused", 600, "Write")


def test_the_helper_fails_a_test_in_which_a_forbidden_key_appears(device: Callable[..., Device]) -> None:
    browser = device()
    with forbid_local_persistence(browser.context, allow=["ui.*"]):
        browser.page.goto("/")
        browser.page.evaluate("localStorage.setItem('ui.panel', 'left')")
    with pytest.raises(ForbiddenKeys) as found, forbid_local_persistence(device().context) as watch:
        page = watch.context.new_page()
        page.goto(browser.url)
        # Also what does not stay, and what is written without a function.
        page.evaluate("localStorage.setItem('wallet', '{}'); localStorage.removeItem('wallet'); localStorage.theme = 'x'")
        page.close()
    assert found.value.keys == ["theme", "wallet"]
