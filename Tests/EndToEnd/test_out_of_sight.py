"""Pages that nobody sees, in a browser whose tabs are really hidden: behind another, gone back to, ended by the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import Client, Server
from harness.client import PASSWORD
from harness.hidden import HiddenBrowser, Tab

READY = "document.querySelector('[data-testid=sync-status]')?.textContent === 'realtime'"


@pytest.fixture
def hidden_browser() -> Iterator[HiddenBrowser]:
    browser = HiddenBrowser()
    yield browser
    browser.close()


@pytest.fixture
def signed_in(hidden_browser: HiddenBrowser, shared_server: Server, email: str) -> Tab:
    """A tab at the settings, of a browser whose user has just signed up."""
    tab = hidden_browser.tab().goto(f"{shared_server.url}/login")
    tab.run(f"""fetch("/api/auth/register", {{ method: "POST", headers: {{ "Content-Type": "application/json" }},
        body: JSON.stringify({{ email: "{email}", password: "{PASSWORD}", device: {{ name: "Hidden", kind: "web" }} }}) }})
        .then((it) => it.status)""")
    tab.goto(f"{shared_server.url}/app/settings").until(READY)
    return tab


def login(url: str, email: str) -> Client:
    return Client(url, name="Beside").login(email)


def test_going_back_after_signing_out_shows_nothing_of_the_account(
    signed_in: Tab, shared_server: Server, email: str,
) -> None:
    signed_in.goto(f"{shared_server.url}/app/devices").until(READY)
    signed_in.goto(f"{shared_server.url}/app/settings").until(READY)
    signed_in.until(f"document.body.textContent.includes('{email}')")
    signed_in.run("document.querySelector('[data-testid=sign-out]').click()")
    signed_in.until("location.pathname === '/login'")
    for _ in range(2):
        signed_in.run("history.back()")
        signed_in.until("document.readyState === 'complete' && location.pathname === '/login'")
        assert email not in signed_in.run("document.documentElement.outerHTML")


def test_a_page_opened_behind_another_is_in_step_before_anybody_looks(
    hidden_browser: HiddenBrowser, signed_in: Tab, shared_server: Server, email: str,
) -> None:
    front = hidden_browser.tab(f"{shared_server.url}/docs")
    front.show()
    behind = hidden_browser.tab(f"{shared_server.url}/app/settings")
    front.show()
    behind.until("document.readyState === 'complete'")
    behind.until(f"document.hidden && {READY}", within=30)
    with_client = login(shared_server.url, email)
    with_client.set("theme", "dark")
    behind.until("document.hidden && document.documentElement.dataset.theme === 'dark'", within=10)
    behind.show()
    assert behind.run("document.documentElement.dataset.theme") == "dark"
    with_client.close()


def test_a_page_that_comes_back_from_the_browser_s_memory_hears_what_it_missed(
    signed_in: Tab, shared_server: Server, email: str,
) -> None:
    """An adopter's page, which may be kept whole: its timers, its socket and its client stand still meanwhile."""
    signed_in.goto(f"{shared_server.url}/docs")
    signed_in.run("""import("/web/client.js").then(({ createClient }) => {
        window.client = createClient();
        addEventListener("pageshow", (event) => { window.came = event.persisted; });
    })""")
    signed_in.until("client.status().connection === 'realtime'")
    signed_in.goto(f"{shared_server.url}/healthz")
    with_client = login(shared_server.url, email)
    with_client.set("meanwhile", 1)
    signed_in.run("history.back()")
    signed_in.until("location.pathname === '/docs' && document.readyState === 'complete'")
    if signed_in.run("window.client === undefined"):
        # Chromium keeps no page that has a socket: it begins anew, and that is as good.
        signed_in.run("""import("/web/client.js").then(({ createClient }) => void (window.client = createClient()))""")
    signed_in.until("client.read('settings', 'meanwhile') === 1", within=10)
    with_client.close()
