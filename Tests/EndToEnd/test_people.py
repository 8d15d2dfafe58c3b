"""What people do with pages: too much at once, back and forth, from the keyboard, very large, in another language."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from harness import Client, Database, Server, eventually
from harness.browser import Device
from harness.client import PASSWORD
from harness.server import lockstep

OUTSIDE = "0190b1c0-0000-76a0-b1b8-0bc7873dbb32"  # of the demo: 10 coins, consumable, without limits
PAGES = ("today", "focus", "market", "devices", "settings")

# What a browser's translation does to a page: every text in an element of its own, with other words, again and again.
TRANSLATE = """
const translated = new WeakSet();
const translate = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) found.push(walker.currentNode);
    for (const text of found) {
        if (text.data.trim() === "" || text.parentElement.closest("[translate=no], script, style, font, svg")) continue;
        const [outer, inner] = [document.createElement("font"), document.createElement("font")];
        inner.textContent = `«${text.data}»`;
        outer.append(inner);
        text.replaceWith(outer);
    }
};
addEventListener("DOMContentLoaded", () => {
    translate();
    setInterval(translate, 100);
});
"""


@pytest.fixture
def shop(start_server: Callable[..., Server]) -> Server:
    return start_server(env={"LOCKSTEP_SEED_DEMO": "on"})


@pytest.fixture
def grant(database: Database) -> Callable[[str, int], None]:
    def give(email: str, coins: int) -> None:
        done = lockstep("coins", "grant", email, str(coins), "--reason", "Welcome", env={"DATABASE_URL": database.url})
        assert done.returncode == 0, done.stderr
    return give


def buy(device: Device, item: str) -> None:
    device.get(f"buy-item-{item}").click()
    device.get("confirm-purchase").click()


def is_whole(button: Locator) -> bool:
    """Whether its words stand in one line, inside of it."""
    return button.evaluate("""(it) => {
        const range = document.createRange();
        range.selectNodeContents(it);
        return range.getClientRects().length === 1 && it.scrollWidth <= it.clientWidth + 1;
    }""")


# Toasts

def test_each_purchase_keeps_its_own_undo_and_its_words_whole_on_a_phone(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
    beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(shop, viewport={"width": 360, "height": 780}).register(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    client = beside(desktop, email)
    own = client.expect(201, "POST", "/api/market/items", {
        "name": "An evening with a very, very, very long and unbreakableunbreakableunbreakable name", "cost_coins": 5})
    buy(desktop, OUTSIDE)
    expect(desktop.get("undo-purchase")).to_have_count(1)
    buy(desktop, own["id"])
    undo = desktop.get("undo-purchase")
    expect(undo).to_have_count(2)
    for number in (0, 1):
        assert is_whole(undo.nth(number))
    expect(desktop.get("coin-balance")).to_have_text("85")
    # The first purchase, said below the second, is given back by its own button.
    undo.nth(1).click()
    expect(desktop.get("coin-balance")).to_have_text("95")
    expect(desktop.get("toast")).to_contain_text("Five minutes outside is given back")
    desktop.get("undo-purchase").click()
    expect(desktop.get("coin-balance")).to_have_text("100")
    desktop.expect_pending(0)
    rows = client.expect(200, "GET", "/api/market/inventory")["purchases"]
    assert [row for row in rows if row["quantity"] > 0] == []


def test_a_toast_stays_while_somebody_is_at_it_and_goes_afterwards(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
) -> None:
    desktop = device(shop)
    desktop.page.clock.install()
    desktop.register(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    buy(desktop, OUTSIDE)
    desktop.get("undo-purchase").focus()
    desktop.page.clock.fast_forward(30_000)
    expect(desktop.get("undo-purchase")).to_be_visible()
    desktop.get("theme-toggle").focus()
    desktop.page.clock.fast_forward(13_000)
    expect(desktop.get("undo-purchase")).to_have_count(0)


# Pictures, and what looks dangerous

def test_an_item_without_a_picture_gets_one_of_its_own(
    shop: Server, device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(shop).register(email)
    client = beside(desktop, email)
    items = [client.expect(201, "POST", "/api/market/items", {"name": name, "cost_coins": 0})
             for name in ("👨‍👩‍👧 time", "Ångström", "Ale")]
    # A picture that is not there is as none.
    desktop.context.route("**/web/icons/bicycle.svg", lambda route: route.fulfill(status=404))
    desktop.open("market")
    drawings = [desktop.page.locator(".item", has=desktop.get(f"buy-item-{it['id']}")).locator("svg.emblem")
                for it in items]
    for drawing, letter in zip(drawings, ("👨‍👩‍👧", "Å", "A"), strict=True):
        expect(drawing.locator("text")).to_have_text(letter)
    assert len({it.inner_html() for it in drawings}) == 3
    desktop.page.evaluate("document.querySelectorAll('.item img.emblem').forEach((it) => { it.loading = 'eager'; })")
    eventually(lambda: desktop.settle(0.05) and desktop.page.locator("img[src*=bicycle]").count() == 0,
               what="the drawing in its place")
    assert desktop.page.locator(".item").count() == desktop.page.locator(".item .emblem").count()


def test_what_destroys_something_looks_it(device: Callable[..., Device], email: str) -> None:
    desktop = device(color_scheme="light").register(email, page="devices")
    red = "rgb(179, 38, 30)"
    desktop.get("devices").get_by_role("button", name="Sign out").click()
    expect(desktop.get("confirm-revoke")).to_have_css("background-color", red)
    desktop.get("cancel").click()
    desktop.open("settings").get("erase-password").fill(PASSWORD)
    expect(desktop.get("erase-account")).to_have_css("color", red)
    desktop.get("erase-account").click()
    expect(desktop.get("confirm-erase")).to_have_css("background-color", red)


def test_colours_that_the_system_forces_show_what_is_chosen(device: Callable[..., Device], email: str) -> None:
    desktop = device(forced_colors="active").register(email, page="focus")
    ground = "(it) => getComputedStyle(it).backgroundColor"
    chosen = desktop.page.locator(".segments input:checked + span")
    other = desktop.page.locator(".segments input:not(:checked) + span").first
    assert chosen.evaluate(ground) != other.evaluate(ground)
    here = desktop.page.locator("nav.pages a[aria-current]")
    elsewhere = desktop.page.locator("nav.pages a:not([aria-current])").first
    assert here.evaluate(ground) != elsewhere.evaluate(ground)
    desktop.open("settings").choose_theme("dark")
    tile = "(it) => getComputedStyle(it.closest('.tile')).outlineStyle"
    assert desktop.get("theme-dark").evaluate(tile) == "solid"
    desktop.page.mouse.click(5, 5)
    assert desktop.get("theme-light").evaluate(tile) == "none"
    knob = "(it) => getComputedStyle(it, '::after').backgroundColor"
    off = desktop.get("large-text").evaluate(knob)
    desktop.get("reduced-motion").check()
    assert desktop.get("reduced-motion").evaluate(knob) != off


# What people do

def test_a_double_click_starts_pauses_and_claims_once(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    desktop = device().register(email, page="focus")
    client = beside(desktop, email)
    desktop.get("start-focus").dblclick()
    expect(desktop.get("pause-focus")).to_be_visible()
    desktop.expect_pending(0)
    assert len(client.expect(200, "GET", "/api/focus")["sessions"]) == 1
    expect(desktop.get("problem")).to_be_hidden()
    desktop.open("market")
    desktop.get("rewards").get_by_role("button").first.dblclick()
    expect(desktop.get("coin-balance")).to_have_text("2")
    desktop.expect_pending(0)
    expect(desktop.get("problem")).to_be_hidden()


def test_a_double_click_uses_one_up_and_saves_once(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
    beside: Callable[[Device, str], Client],
) -> None:
    desktop = device(shop).register(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    desktop.get(f"buy-item-{OUTSIDE}").click()
    desktop.get("purchase-quantity").fill("3")
    desktop.get("confirm-purchase").click()
    desktop.expect_pending(0)
    desktop.get(f"redeem-{OUTSIDE}").dblclick()
    expect(desktop.get(f"inventory-item-{OUTSIDE}")).to_contain_text("2 of 3 left")
    desktop.get("own-name").fill("A walk")
    desktop.get("own-cost").fill("5")
    desktop.get("own-save").dblclick()
    expect(desktop.page.locator("#own li")).to_have_count(1)
    desktop.settle(0.5).expect_pending(0)
    expect(desktop.get(f"inventory-item-{OUTSIDE}")).to_contain_text("2 of 3 left")
    expect(desktop.page.locator("#own li")).to_have_count(1)
    client = beside(desktop, email)
    device_id = next(it["id"] for it in client.expect(200, "GET", "/api/devices")["devices"] if not it["current"])
    desktop.open("devices").get(f"rename-{device_id}").click()
    desktop.get("new-name").fill("Mine")
    desktop.get("save-name").dblclick()
    expect(desktop.get(f"device-{device_id}")).to_contain_text("Mine")
    assert len([it for it in desktop.requests if it.method == "PATCH"]) == 1


@pytest.mark.parametrize("leave", ["reload", "go_back"])
def test_leaving_the_page_in_the_middle_of_a_purchase_buys_once(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None], leave: str,
) -> None:
    desktop = device(shop).register(email, page="market")
    grant(email, 100)
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    desktop.get(f"buy-item-{OUTSIDE}").click()
    desktop.get("confirm-purchase").click()
    getattr(desktop.page, leave)()
    desktop.page.goto("/app/market")
    desktop.expect_state("realtime").expect_pending(0)
    expect(desktop.get(f"inventory-item-{OUTSIDE}")).to_contain_text("1 piece")
    expect(desktop.get("coin-balance")).to_have_text("90")


def test_a_double_click_signs_up_once(device: Callable[..., Device], email: str) -> None:
    desktop = device()
    desktop.page.goto("/signup")
    desktop.get("login-email").fill(email)
    desktop.get("login-password").fill(PASSWORD)
    desktop.get("register-submit").dblclick()
    desktop.page.wait_for_url("**/app/today")
    sent = [it for it in desktop.requests if it.url.endswith("/api/auth/register")]
    assert len(sent) == 1


def test_back_and_forward_show_each_page_as_it_is_now(device: Callable[..., Device], email: str) -> None:
    desktop = device().register(email)
    desktop.open("market").open("settings").choose_theme("dark").expect_pending(0)
    desktop.page.go_back()
    desktop.page.wait_for_url("**/app/market")
    desktop.expect_state("realtime").expect_theme("dark")
    desktop.page.go_forward()
    desktop.page.wait_for_url("**/app/settings")
    desktop.expect_state("realtime")
    assert desktop.get("theme-dark").is_checked()
    # Behind the first page of the app lies no sign-in page that would ask again.
    for _ in range(4):
        desktop.page.go_back()
    assert "/login" not in desktop.page.url


@pytest.mark.parametrize("test_id", ["time-zone", "focus-length", "erase-password"])
def test_a_megabyte_that_is_pasted_is_refused_beside_its_field(
    device: Callable[..., Device], email: str, test_id: str,
) -> None:
    desktop = device().register(email)
    field = desktop.get(test_id)
    field.evaluate("(it, text) => { it.value = text; it.dispatchEvent(new Event('change', { bubbles: true })); }",
                   "9" * 1_000_000)
    if test_id == "erase-password":
        desktop.get("erase-account").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    words = field.evaluate("(it) => document.getElementById(`${it.id}-problem`).textContent")
    assert 0 < len(words) < 200
    desktop.expect_pending(0).expect_state("realtime")


def test_a_megabyte_in_the_sign_in_is_refused_here(device: Callable[..., Device], email: str) -> None:
    desktop = device()
    desktop.page.goto("/login")
    desktop.get("login-email").fill(email)
    desktop.get("login-password").fill("x" * 1_000_000)
    desktop.get("register-submit").click()
    expect(desktop.get("login-password")).to_have_accessible_description(
        "8 to 256 characters A password has at most 256 characters.")
    desktop.get("login-password").fill(PASSWORD)
    desktop.get("login-email").fill("x" * 1_000_000 + "@example.org")
    desktop.get("register-submit").click()
    expect(desktop.get("login-email")).to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize("width", [320, 360])
def test_at_four_hundred_per_cent_nothing_is_beside_the_page_and_every_button_has_its_words(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None], width: int,
) -> None:
    # 1,280 pixels at 400 % are 320 of the page's.
    desktop = device(shop, viewport={"width": width, "height": 256 if width == 320 else 780}).register(email)
    grant(email, 9_000_000)
    for path in ("/login", *(f"/app/{page}" for page in PAGES), "/app/nothing"):
        desktop.page.goto(path)
        if path in [f"/app/{page}" for page in PAGES]:
            desktop.expect_state("realtime")
        wider = desktop.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{path} is {wider} px too wide"
        for button in desktop.page.locator("button:visible, a.button:visible").all():
            if button.inner_text().strip() and " " not in button.inner_text().strip():
                assert is_whole(button), f"{path}: {button.inner_text()}"


def test_everything_from_signing_up_to_a_pause_is_done_by_keyboard_alone(
    device: Callable[..., Device], email: str,
) -> None:
    desktop = device()
    press = desktop.page.keyboard.press
    desktop.page.goto("/login")

    def tab_to(test_id: str, most: int = 60) -> None:
        for _ in range(most):
            press("Tab")
            if desktop.page.evaluate("document.activeElement?.dataset.testid") == test_id:
                return
        raise AssertionError(f"{test_id} is not reached by the keyboard")

    tab_to("register-submit")
    press("Enter")
    desktop.page.wait_for_url("**/signup")
    tab_to("login-email")
    desktop.page.keyboard.type(email)
    press("Tab")
    desktop.page.keyboard.type(PASSWORD)
    press("Enter")
    desktop.page.wait_for_url("**/app/today")
    desktop.expect_state("realtime")
    tab_to("start-focus")
    press("Space")
    expect(desktop.get("pause-focus")).to_be_focused()
    press("Space")
    expect(desktop.get("focus-paused")).to_be_visible()
    expect(desktop.get("resume-focus")).to_be_focused()


def test_a_page_that_the_browser_translates_goes_on_working(
    shop: Server, device: Callable[..., Device], email: str, grant: Callable[[str, int], None],
) -> None:
    desktop = device(shop)
    desktop.register(email)
    desktop.context.add_init_script(TRANSLATE)
    desktop.page.goto("/app/focus")
    expect(desktop.page.locator("h1")).to_have_text("«Focus»")
    desktop.get("start-focus").click()
    expect(desktop.get("focus-timer")).to_have_text("24:57", timeout=8_000)
    assert "«" not in desktop.page.title()
    desktop.get("pause-focus").click()
    expect(desktop.get("focus-paused")).to_be_visible()
    desktop.get("resume-focus").click()
    expect(desktop.get("pause-focus")).to_be_visible()
    grant(email, 100)
    desktop.page.goto("/app/market")
    expect(desktop.get("coin-balance")).to_have_text("100", timeout=6_000)
    buy(desktop, OUTSIDE)
    expect(desktop.get("coin-balance")).to_have_text("90")
    desktop.get("undo-purchase").click()
    expect(desktop.get("coin-balance")).to_have_text("100")
    desktop.page.goto("/app/settings")
    desktop.choose_theme("dark").expect_theme("dark").expect_pending(0)
