"""Clients that stop reading, stop writing or never finish: each costs little, and only itself."""

from __future__ import annotations

import json
import socket as sockets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from harness import Client, RawSocket, Server, documents, eventually, frame
from harness.wire import CLOSE, CONTINUATION, PING, PONG, TEXT

VALUE = 15_000


def opened(client: Client, receive_buffer: int | None = None) -> RawSocket:
    """A raw socket that has read its welcome and its first changes."""
    raw = RawSocket(client.url, receive_buffer=receive_buffer, timeout=80)
    assert raw.upgrade(client.token).status == 101
    kinds = set()
    while "changes" not in kinds:
        kinds.add(json.loads(raw.read_frame()[1])["type"])
    return raw


def write(client: Client, megabytes: float) -> int:
    """So much, over twenty keys, by whole requests; how many changes that was."""
    changes = int(megabytes * 1_000_000 / VALUE)
    for number in range(changes):
        client.set(f"k{number % 20}", f"{number:06}" + "x" * (VALUE - 6))
    return changes


def test_a_reader_that_stops_while_six_megabytes_are_written_costs_little_and_gets_one_merged_changes(
    server: Server, client: Client,
) -> None:
    # What writing alone costs (buffers, prepared statements) is paid before.
    write(client, 6)
    cursor = client.pull()["cursor"]
    slow = opened(client, receive_buffer=4096)
    before = server.resident_bytes()
    changes = write(client, 6)
    grown = server.resident_bytes() - before
    print(f"a stopped reader cost {grown / 1e6:.1f} MB while 6 MB were written")
    assert grown < 12_000_000
    end = client.pull()
    place, frames = None, []
    while place != end["cursor"]:
        opcode, payload = slow.read_frame()
        if opcode != TEXT or (message := json.loads(payload))["type"] != "changes":
            continue
        assert message["previous"] == (place or message["previous"])
        place = message["cursor"]
        frames.append(message)
    assert len(frames) < changes, "every change came as a frame of its own: nothing was merged"
    sizes = [len(message["documents"]) for message in frames]
    assert [size for size in sizes if size > 1] == [20], sizes
    merged = frames[[size > 1 for size in sizes].index(True)]
    truth = {one["id"]: one for one in end["documents"]}
    assert all(truth[one["id"]] == one for one in merged["documents"])
    assert cursor != end["cursor"]
    slow.close()


@pytest.mark.timed
def test_twenty_stopped_readers_hold_nobody_up(server: Server, client: Client, sign_up: Callable[..., Client]) -> None:
    write(client, 1)
    slow = [opened(client, receive_buffer=4096) for _ in range(18)]
    quick = client.socket().caught_up()
    delays = []
    for number in range(60):
        began = time.monotonic()
        client.set(f"k{number % 20}", f"{number:06}" + "y" * VALUE)
        quick.wait(lambda m, n=number: m["type"] == "changes" and any(
            d["value"].startswith(f"{n:06}y") for d in documents(m)), after=1)
        delays.append(time.monotonic() - began)
    assert sorted(delays)[30] < 0.1
    for raw in slow:
        raw.close()


def test_sockets_that_say_nothing_or_half_a_thing_are_ended(
    shared_server: Server, sign_up: Callable[..., Client],
) -> None:
    """All the slow deaths side by side, because each takes up to a minute."""
    client = sign_up(shared_server)
    head = frame("x" * 1000)[:20]

    def half_a_frame() -> tuple[int, float]:
        raw = opened(client)
        began = time.monotonic()
        raw.send(head)
        return raw.wait_close(), time.monotonic() - began

    def dripping() -> tuple[int, float]:
        raw = opened(client)
        began = time.monotonic()
        raw.send(head)
        over = threading.Event()

        def drip() -> None:
            while not over.wait(1):
                try:
                    raw.send(b"x")
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        code = raw.wait_close()
        over.set()
        return code, time.monotonic() - began

    def half_a_message() -> tuple[int, float]:
        """Fragments that never end, kept alive by pings."""
        raw = opened(client)
        began = time.monotonic()
        raw.send(frame('{"type"', final=False))
        over = threading.Event()

        def ping() -> None:
            while not over.wait(1):
                try:
                    raw.send(frame(b"", opcode=PING) + frame(b" ", opcode=CONTINUATION, final=False))
                except OSError:
                    return

        threading.Thread(target=ping, daemon=True).start()
        code = raw.wait_close()
        over.set()
        return code, time.monotonic() - began

    def silent() -> tuple[int, float]:
        """Reads, and answers no ping."""
        raw = opened(client)
        began = time.monotonic()
        return raw.wait_close(), time.monotonic() - began

    def answering() -> bool:
        """Says nothing but the pongs that the RFC asks for, and stays."""
        raw = opened(client)
        began = time.monotonic()
        pings = 0
        raw.socket.settimeout(1)
        while time.monotonic() - began < 70:
            try:
                opcode, payload = raw.read_frame()
            except TimeoutError:
                continue
            assert opcode != CLOSE, payload
            if opcode == PING:
                pings += 1
                raw.send(frame(payload, opcode=PONG))
        raw.close()
        return pings >= 2

    def bodiless() -> tuple[int, float]:
        """A request whose body never comes."""
        raw = RawSocket(client.url, timeout=80)
        began = time.monotonic()
        raw.send(f"POST /api/settings HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {client.token}\r\n"
                 "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        raw.wait_end()
        return 0, time.monotonic() - began

    with ThreadPoolExecutor(6) as pool:
        stays = pool.submit(answering)
        ends = {work.__name__: pool.submit(work)
                for work in (half_a_frame, dripping, half_a_message, silent, bodiless)}
        results: dict[str, Any] = {name: future.result() for name, future in ends.items()}
        assert stays.result()
    codes = {name: code for name, (code, _) in results.items()}
    assert codes == {"half_a_frame": 4408, "dripping": 4408, "half_a_message": 4408, "silent": 4408, "bodiless": 0}
    late = {name: round(took) for name, (_, took) in results.items() if took > 66}
    assert not late, late


def test_a_client_that_closes_its_side_only_is_let_go(server: Server, client: Client) -> None:
    client.socket().caught_up().close()
    eventually(lambda: server.metric("lockstep_sockets") == 0, what="no sockets")
    before = server.descriptors()
    raws = [opened(client) for _ in range(15)]
    for raw in raws:
        raw.socket.shutdown(sockets.SHUT_WR)
    for raw in raws:
        raw.wait_end()
        raw.close()
    eventually(lambda: server.descriptors() <= before, what="closed descriptors")
    assert server.terminate(within=15) == 0


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost:1"])
def test_a_page_of_another_origin_gets_no_socket_by_cookie(user: Client, origin: str) -> None:
    with RawSocket(user.url) as raw:
        answer = raw.upgrade(headers={"Cookie": f"lockstep_session={user.token}", "Origin": origin})
        assert answer.status == 403 and answer.json()["code"] == "cross_origin"
    assert httpx.get(f"{user.url}/healthz").status_code == 200
