"""A phone that somebody looks at hears within a second; what stands between may not make that a storm or a delay."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route

from harness import Client, Server, eventually, free_port, processes
from harness.browser import PHONE, Device
from harness.library import OPEN, until

LOOK = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def held(phone: Device) -> list[str]:
    return [it.url for it in phone.requests if "wait=" in it.url]


def asked(phone: Device) -> int:
    return sum("/api/sync" in it.url for it in phone.requests)


def flip(source: Device, target: Device, count: int = 20) -> list[float]:
    found = []
    for _ in range(count):
        before = len(target.themes_seen()), len(source.themes_seen())
        theme = "light" if source.theme == "dark" else "dark"
        source.get("theme-toggle").click()
        target.expect_theme(theme)
        source.expect_pending(0)
        found.append(target.themes_seen()[before[0]]["at"] - source.themes_seen()[before[1]]["at"])
    return found


def test_a_desktop_and_a_phone_in_sight_see_each_other_s_theme_within_a_second_with_the_defaults(
    device: Callable[..., Device], email: str, report_delays: Callable[..., None],
) -> None:
    desktop, phone = device().register(email), device(kind="phone").login(email)
    for what, source, target in (
        ("desktop to a phone in sight", desktop, phone), ("a phone in sight to the desktop", phone, desktop)):
        found = flip(source, target)
        report_delays(what, found)
        assert max(found) < 1_000
    assert phone.sockets == []
    assert held(phone) and all("wait=25" in it for it in held(phone))


@pytest.mark.timed
def test_a_change_made_on_a_phone_does_not_wait_for_the_question_that_is_held(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone").register(email)
    client = beside(phone, email)
    eventually(lambda: phone.settle(0.05) and held(phone), within=5, what="a question is held")
    for number, theme in enumerate(("dark", "light", "dark")):
        began = time.monotonic()
        phone.choose_theme(theme).expect_pending(0, within=1)
        assert client.setting("theme")["value"] == theme
        assert time.monotonic() - began < 1
        eventually(lambda number=number: phone.settle(0.05) and len(held(phone)) >= number + 2, within=2)
    # In between, changes from elsewhere are not lost, and come in their order.
    for number in range(10):
        client.set("n", number)
        if number % 3 == 0:
            phone.get("large-text").click()
    phone.expect_pending(0, within=3)
    assert not phone.page.locator("html[data-accessibility~='large_text']").count()


@pytest.mark.timed
def test_out_of_sight_a_phone_asks_nothing_and_gives_its_question_up(
    shared_server: Server, device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone").register(email)
    eventually(lambda: phone.settle(0.05) and held(phone), within=5)
    failed: list[str] = []
    phone.page.on("requestfailed", lambda request: failed.append(request.url))
    phone.page.evaluate(LOOK, True)
    eventually(lambda: phone.settle(0.05) and any("wait=" in it for it in failed), within=2, what="it is given up")
    before = asked(phone)
    client = beside(phone, email)
    client.set("theme", "dark")
    phone.settle(2)
    assert asked(phone) == before
    phone.page.evaluate(LOOK, False)
    phone.expect_theme("dark", within=2)
    client.set("theme", "light")
    phone.expect_theme("light", within=1)


@pytest.mark.parametrize("saves", [
    "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })",
    "navigator.getBattery = async () => Object.assign(new EventTarget(), { charging: false, level: 0.1 })",
], ids=["data", "power"])
def test_who_saves_data_or_power_lets_nothing_be_held(device: Callable[..., Device], email: str, saves: str) -> None:
    phone = device(kind="phone")
    phone.context.add_init_script(saves)
    phone.register(email).settle(1.5)
    before = len(held(phone))
    phone.settle(1)
    # The battery is told of a moment after the start.
    assert before <= 1 and len(held(phone)) == before


@pytest.mark.parametrize(("kind", "options", "state"), [
    ("desktop", {"user_agent": PHONE}, "realtime"),
    ("phone", {"user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15"},
     "polling"),
], ids=["a desktop with a phone's name", "a tablet with a desktop's name"])
def test_what_a_device_is_is_told_by_what_it_can_do(
    device: Callable[..., Device], email: str, kind: str, options: dict[str, object], state: str,
) -> None:
    browser = device(kind=kind, **options)
    browser.page.goto("/login")
    browser.get("login-email").fill(email)
    browser.get("login-password").fill("correct horse battery")
    browser.get("register-submit").click()
    browser.expect_state(state)
    browser.settle(0.3)
    assert bool(browser.sockets) == (state == "realtime")


def test_whoever_opens_a_client_decides_what_it_does(device: Callable[..., Device], email: str) -> None:
    phone = device(kind="phone").register(email)
    phone.page.goto("/")
    phone.page.evaluate(OPEN, {"realtime": True})
    until(phone.page, "client.status().connection === 'realtime'")
    phone.page.evaluate("client.close()")
    phone.settle(0.2)
    before = len(held(phone))
    phone.page.evaluate(OPEN, {"realtime": False, "saving": True})
    until(phone.page, "client.status().connection === 'polling'")
    phone.settle(0.7)
    assert len(held(phone)) == before


# What stands between

@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts nginx before a server: `nginx(server, "proxy_read_timeout 3s;")`; its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(server: Server, rules: str) -> str:
        path = shutil.which("nginx") or "/usr/sbin/nginx"
        port = free_port()
        folder = tmp_path / f"nginx-{port}"
        folder.mkdir()
        user = "user root;" if Path("/root").exists() else ""
        (folder / "nginx.conf").write_text(f"""
            {user} daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
            events {{}}
            http {{
                access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                include /etc/nginx/mime.types;
                server {{
                    listen 127.0.0.1:{port};
                    location / {{
                        proxy_pass {server.url}; proxy_set_header Host $http_host; proxy_http_version 1.1;
                        {rules}
                    }}
                }}
            }}""")
        with open(folder / "log", "wb") as log:
            started.append(processes.spawn([path, "-p", str(folder), "-c", str(folder / "nginx.conf")], log=log))
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(address + "/healthz").status_code == 200, within=10,
                   what=(folder / "log").read_text())
        return address

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def test_a_proxy_that_answers_504_after_three_seconds_makes_neither_a_storm_nor_a_delay(
    shared_server: Server, nginx: Callable[..., str], device: Callable[..., Device], email: str,
    report_delays: Callable[..., None],
) -> None:
    address = nginx(shared_server, "proxy_read_timeout 3s;")
    phone = device(address, kind="phone").register(email)
    cut: list[int] = []
    phone.page.on("response", lambda answer: cut.append(answer.status) if answer.status == 504 else None)
    eventually(lambda: phone.settle(0.1) and 504 in cut, within=6, what="nginx cuts the first question")
    eventually(lambda: phone.settle(0.1) and any("wait=2" in it and "wait=25" not in it for it in held(phone)), within=5,
               what="the next is shorter")
    phone.expect_state("polling")
    before = asked(phone)
    phone.settle(6)
    assert asked(phone) - before <= 12, "a storm"
    phone.expect_state("polling")
    desktop = device(shared_server).login(email)
    found = flip(desktop, phone, 8)
    report_delays("desktop to a phone in sight, through a proxy that cuts after 3 s", found)
    assert max(found) < 1_500


@pytest.mark.timed
def test_a_proxy_that_lets_nothing_wait_is_asked_as_often_as_the_server_says(
    device: Callable[..., Device], email: str,
) -> None:
    phone = device(kind="phone")

    def cut(route: Route) -> None:
        route.fulfill(status=504, body="<html>Gateway Timeout</html>")

    phone.page.route("**/api/sync?*wait=*", cut)
    phone.register(email).settle(4)
    # Three that were cut; and one that was under way when the first sign-in set the time zone.
    assert len(held(phone)) <= 4
    before = asked(phone)
    phone.settle(4)
    assert asked(phone) == before
    phone.expect_state("polling")


def test_a_proxy_that_answers_for_the_server_at_once_is_not_asked_as_fast_as_it_answers(
    device: Callable[..., Device], email: str,
) -> None:
    phone = device(kind="phone")
    phone.page.route("**/api/sync?*wait=*", lambda route: route.fulfill(status=304))
    phone.register(email).settle(6)
    assert len(held(phone)) <= 4


@pytest.mark.timed
def test_a_proxy_that_swallows_a_held_question_delays_nothing_that_is_done_here(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone")
    phone.page.route("**/api/sync?*wait=*", lambda route: None)
    phone.register(email)
    eventually(lambda: phone.settle(0.05) and held(phone), within=5)
    phone.choose_theme("dark").expect_pending(0, within=1)
    assert beside(phone, email).setting("theme")["value"] == "dark"


# Numbers from outside

ODD = ["1e400", "9007199254740992", "-1", "0", "null", '"30"', "1e-9"]


@pytest.mark.parametrize("number", ODD)
@pytest.mark.timed
def test_no_number_in_an_answer_makes_a_storm_or_stops_a_client(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client], number: str,
) -> None:
    phone = device(kind="phone")
    phone.context.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")

    def odd(route: Route) -> None:
        answer = route.fetch()
        if answer.status != 200:
            headers = {**answer.headers, "lockstep-poll-after-ms": number.strip('"')}
            route.fulfill(response=answer, headers=headers)
            return
        before, _, after = answer.text().rpartition('"poll_after_ms":')
        tail = after[after.index("}"):] if before else ""
        route.fulfill(response=answer, body=f'{before}"poll_after_ms":{number}{tail}' if before else answer.text())

    phone.page.route("**/api/sync*", odd)
    phone.register(email)
    before = asked(phone)
    phone.settle(2.5)
    assert asked(phone) - before <= 4, "a storm"
    phone.choose_theme("dark").expect_pending(0, within=2)
    assert beside(phone, email).setting("theme")["value"] == "dark"


@pytest.mark.parametrize("number", ODD)
@pytest.mark.timed
def test_no_heartbeat_makes_a_storm_of_pings(device: Callable[..., Device], email: str, number: str) -> None:
    desktop = device()
    sent: list[str] = []

    def connected(socket: object) -> None:
        server = socket.connect_to_server()  # type: ignore[attr-defined]
        socket.on_message(lambda text: (sent.append(text), server.send(text)))  # type: ignore[attr-defined]
        server.on_message(lambda text: socket.send(  # type: ignore[attr-defined]
            text.replace('"heartbeat_seconds":25', f'"heartbeat_seconds":{number}')))

    desktop.page.route_web_socket("**/api/realtime*", connected)
    desktop.register(email).settle(2)
    desktop.expect_state("realtime")
    assert sum(json.loads(it)["type"] == "ping" for it in sent) <= 2
    desktop.choose_theme("dark").expect_pending(0, within=2)


@pytest.mark.timed
def test_what_the_user_does_is_tried_at_once_whatever_the_last_answer_asked_to_wait(
    device: Callable[..., Device], email: str, beside: Callable[[Device, str], Client],
) -> None:
    phone = device(kind="phone").register(email)
    client = beside(phone, email)
    busy = True
    tries: list[float] = []

    def refuse(route: Route) -> None:
        tries.append(time.monotonic())
        if not busy:
            route.continue_()
            return
        route.fulfill(status=503, headers={"Retry-After": "3600"}, json={"status": 503, "code": "unavailable", "detail": ""})

    phone.page.route("**/api/sync*", refuse)
    client.set("n", 1)
    phone.expect_state("offline")
    phone.settle(2.5)
    count = len(tries)
    phone.settle(1)
    assert len(tries) == count, "it waits as it was asked to"
    began = time.monotonic()
    phone.choose_theme("dark")
    eventually(lambda: phone.settle(0.05) and len(tries) == count + 1, within=2, what="one try at once")
    assert tries[-1] - began < 1
    for theme in ("light", "dark", "light", "dark"):
        phone.choose_theme(theme)
    phone.settle(3.5)
    assert len(tries) <= count + 3, "and no more than one in two seconds"
    busy = False
    phone.choose_theme("light").expect_pending(0, within=4)
    assert client.setting("theme")["value"] == "light"
