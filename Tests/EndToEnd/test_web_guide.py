"""What the web client's guide shows does what it says, when it is run as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from harness import Client
from harness.browser import Device

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "web-client.md"
REACT = Path("/usr/share/nodejs/react/umd/react.development.js")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_every_example_of_the_guide_works(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device(bypass_csp=True).register(email)
    page = browser.page
    page.route("**/web/guide.js", lambda route: route.fulfill(
        content_type="text/javascript", body="\n".join(blocks("js")) + "\nexport { client, result, left, ThemeButton };\n"))
    page.goto("/")
    page.add_script_tag(path=REACT)
    assert len(blocks("js")) >= 9
    seen = page.evaluate("""async () => {
        const { result, left, ThemeButton, client } = await import("/web/guide.js");
        return { status: result.status, left, button: typeof ThemeButton, pending: client.status().pending };
    }""")
    assert seen["status"] == "applied" and seen["pending"] == 0 and seen["button"] == "function"
    assert 1_490_000 < seen["left"] <= 1_500_000
    browser.expect_theme("dark")
    other = beside(browser, email)
    assert other.setting("theme")["value"] == "dark"
    assert other.expect(200, "GET", "/api/focus/active")["session"]["task_title"] == "Write"


def test_the_element_of_the_guide_follows_the_theme(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    browser = device(color_scheme="light").register(email)
    page = browser.page
    html, = blocks("html")
    page.goto("/docs")
    # As markup that a page brings; its script runs.
    page.evaluate("(html) => document.body.append(document.createRange().createContextualFragment(html))", html)
    browser.expect_theme("light")
    beside(browser, email).set("theme", "dark")
    browser.expect_theme("dark", within=3)


def test_the_guide_to_move_names_what_there_is() -> None:
    text = (ROOT / "docs/guides/from-localstorage-and-d1.md").read_text()
    movers = (ROOT / "Clients/Web/guard/migrate.js").read_text()
    keys = re.findall(r"^    (\w+): ", movers[movers.index("MOVERS = "):movers.index("});", movers.index("MOVERS = "))],
                      flags=re.MULTILINE)
    assert len(keys) >= 9
    for key in keys:
        assert f"`{key}`" in text, f"the guide does not say where {key} moves"
