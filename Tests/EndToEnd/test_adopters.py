"""The library where adopters run it: in a worker, mounted twice, under a strict policy, beside another copy of itself."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from harness import Client
from harness.browser import Device
from harness.library import library, until

STRICT = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; "
          "manifest-src 'self'; form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
WORKER = """
import { createClient } from "/web/client.js";
const client = createClient({ onSignedOut: () => postMessage({ signedOut: true }) });
const tell = () => postMessage({ ...client.status(), theme: client.read("settings", "theme") ?? null });
client.subscribe(tell);
onmessage = ({ data }) => data === "close" ? client.close()
    : client.mutate("settings.set", { key: "theme", value: data }).then((it) => postMessage({ result: it.status }));
"""


def strictly(device: Device) -> None:
    """Every page comes with a policy that lets nothing in but files of the server."""
    def answer(route: Route) -> None:
        if route.request.resource_type != "document":
            route.continue_()
            return
        got = route.fetch()
        route.fulfill(response=got, headers={**got.headers, "content-security-policy": STRICT})
    device.context.route("**", answer)


def test_in_a_worker_a_client_follows_and_changes_and_is_one_with_the_pages(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device(service_workers="block")
    page = library(browser, email)
    browser.context.route("**/web/adopter.js", lambda route: route.fulfill(content_type="text/javascript", body=WORKER))
    page.evaluate("""() => {
        window.worker = new Worker("/web/adopter.js", { type: "module" });
        window.said = [];
        worker.onmessage = ({ data }) => said.push(data);
        worker.onerror = (event) => said.push({ error: event.message });
    }""")
    until(page, "said.some((it) => it.connection === 'realtime' && it.ready && !it.stale)")
    page.evaluate("worker.postMessage('dark')")
    until(page, "said.some((it) => it.result === 'applied') && client.read('settings', 'theme') === 'dark'")
    page.evaluate("set('theme', 'light')")
    until(page, "said.at(-1).theme === 'light'")
    # The page goes, and the worker's client has the network.
    page.evaluate("client.close()")
    beside(browser, email).set("theme", "dark")
    until(page, "said.at(-1).theme === 'dark'", within=15)
    page.evaluate("worker.postMessage('close')")
    until(page, "said.at(-1).closed")
    assert page.evaluate("said.filter((it) => it.error)") == []


def test_a_client_that_is_made_closed_and_made_again_works_at_once(device: Callable[..., Device], email: str) -> None:
    """As StrictMode mounts: twice, with an end in between; and as a bundler doubles: two copies of the module."""
    page = library(device(), email)
    page.evaluate("""async () => {
        client.close();
        const [{ createClient }, copy] = [await import("/web/client.js"), await import("/web/client.js?copy")];
        createClient().close();
        window.client = createClient();
        window.other = copy.createClient();
        window.standing = () => [client, other].map((it) => `${it.status().connection} ${it.status().stale}`).join();
    }""")
    until(page, "standing() === 'realtime false,realtime false'")
    page.evaluate("set('theme', 'dark')")
    until(page, "other.read('settings', 'theme') === 'dark' && client.status().pending === 0")
    page.evaluate("client.close()")
    page.evaluate("other.mutate('settings.set', { key: 'theme', value: 'light' }).then((it) => results.push(it.status))")
    until(page, "results.includes('applied') && other.status().connection === 'realtime'", within=10)


def test_a_policy_that_forbids_inline_eval_and_untrusted_scripts_stops_neither_library_nor_pages(
    device: Callable[..., Device], email: str,
) -> None:
    # A document that a test hands in gets no socket from this browser, for it has no address: a phone needs none.
    browser = device(kind="phone", color_scheme="light", service_workers="block")
    strictly(browser)
    page: Page = library(browser, email)
    page.evaluate("""async () => {
        const { provideTheme } = await import("/web/theme/provider.js");
        const { installStorageGuard } = await import("/web/guard/storage-guard.js");
        await import("/web/theme/element.js");
        provideTheme(client);
        installStorageGuard({ client });
        document.body.append(document.createElement("lockstep-theme"));
    }""")
    page.evaluate("set('theme', 'dark')")
    browser.expect_theme("dark")
    browser.open("focus").get("start-focus").click()
    expect(browser.get("pause-focus")).to_be_visible()
    browser.expect_pending(0)
    # The alarm's worker is an optional part: that a policy refuses it is said on the console, and nothing else.
    assert all("TrustedScriptURL" in it for it in browser.faults), browser.faults
    browser.faults.clear()
