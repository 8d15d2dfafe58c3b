"""An account of many megabytes, asked for by many doors at once, costs its own user time and nobody else."""

from __future__ import annotations

import json
import socket as sockets
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Client, Database, RawSocket, Server, eventually, frame

MEGABYTE = 1_000_000


def fill(client: Client, database: Database, settings: int = 950) -> str:
    """So many settings of 16 KB, each of a version of its own, and the cursor behind them."""
    with database.connect() as connection:
        connection.execute(
            """
            INSERT INTO user_settings (user_id, key, value, version, updated_at, device_id)
            SELECT %(user)s, 'k' || n, to_json(repeat('x', 16000)), h.version + n, now(), gen_random_uuid()
            FROM sync_heads h, generate_series(1, %(settings)s) AS n WHERE h.user_id = %(user)s
            """, {"user": client.user["id"], "settings": settings})
        connection.execute(
            "UPDATE sync_heads SET version = version + %s WHERE user_id = %s", [settings, client.user["id"]])
    return client.digest()["cursor"]


def behind(cursor: str, version: int) -> str:
    epoch, _, shared = cursor.split(".")
    return f"{epoch}.{version}.{shared}"


def ask_and_leave(client: Client, cursor: str, first: int, stop: threading.Event) -> None:
    """Asks for all settings and for what changed since ever other old cursors, takes nothing and hangs up after a second."""
    number = first
    while not stop.is_set():
        number += 4
        path = "/api/settings" if number % 8 < 4 else f"/api/sync?cursor={behind(cursor, 1 + number % 500)}"
        with RawSocket(client.url, receive_buffer=4096) as raw:
            raw.send(f"GET {path} HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {client.token}\r\n\r\n")
            stop.wait(1)


@pytest.mark.timed
def test_accounts_that_ask_for_megabytes_hold_nobody_else_up(
    server: Server, database: Database, sign_up: Callable[..., Client],
) -> None:
    attackers = [sign_up(server) for _ in range(5)]
    cursors = [fill(attacker, database) for attacker in attackers]
    other = sign_up(server)
    at_first = other.pull()["cursor"]
    other.set("mine", 0)
    socket = other.socket(cursor=at_first).caught_up()
    socketed = []
    for number in range(8 * len(attackers)):
        socketed.append(RawSocket(server.url, receive_buffer=4096))
        assert socketed[-1].upgrade(attackers[number // 8].token, cursors[number // 8]).status == 101
    before, stop = server.resident_bytes(), threading.Event()
    reads, writes, pulls, peak = [], [], [], 0
    with ThreadPoolExecutor(20) as pool:
        jobs = [pool.submit(ask_and_leave, attacker, cursor, first, stop)
                for attacker, cursor in zip(attackers, cursors, strict=True) for first in range(4)]
        for number, raw in enumerate(socketed):
            raw.send(frame(json.dumps({"type": "sync", "cursor": behind(cursors[number // 8], 1 + number)})))
        end = time.monotonic() + 6
        while time.monotonic() < end:
            reads.append(timed(lambda: other.me()))
            writes.append(timed(lambda: other.set("mine", len(writes))))
            at = len(socket.messages)
            socket.send({"type": "sync", "cursor": at_first})
            pulls.append(timed(lambda at=at: socket.wait(
                lambda m: m["type"] == "changes" and m["previous"] == at_first, within=30, after=at)))
            peak = max(peak, server.resident_bytes() - before)
            time.sleep(0.05)
        stop.set()
        for job in jobs:
            job.result()
    for raw in socketed:
        raw.close(reset=True)
    for what, times in (("reads", reads), ("writes", writes), ("pulls", pulls)):
        print(f"{len(times)} {what} of another: median {statistics.median(times) * 1e3:.0f} ms, "
              f"worst {max(times) * 1e3:.0f} ms")
    print(f"resident memory grew by up to {peak / 1e6:.0f} MB")
    assert all(statistics.median(times) < 0.3 for times in (reads, writes, pulls))
    # A pull may stand behind a large answer that nobody knew of yet, who asks does not.
    assert max(reads + writes) < 2 and max(pulls) < 5
    assert peak < 400 * MEGABYTE


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_the_pushes_of_a_user_wait_unread_behind_eight_megabytes_of_theirs(
    server: Server, sign_up: Callable[..., Client],
) -> None:
    user, other = sign_up(server), sign_up(server)
    sessions = [user.other_device() for _ in range(6)]
    body = json.dumps({"mutations": [], "cursor": user.pull()["cursor"]}).encode()
    body += b" " * (1_048_576 - len(body))

    def announce(client: Client) -> RawSocket:
        raw = RawSocket(server.url, timeout=20)
        raw.send(f"POST /api/sync HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {client.token}\r\n"
                 f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n")
        return raw

    def is_asked(raw: RawSocket) -> bool:
        """Whether the server has begun to read it."""
        raw.socket.setblocking(False)
        try:
            return raw.socket.recv(12, sockets.MSG_PEEK) == b"HTTP/1.1 100"
        except BlockingIOError:
            return False
        finally:
            raw.socket.settimeout(20)

    raws = [announce(session) for session in sessions for _ in range(2)]
    eventually(lambda: sum(map(is_asked, raws)) == 8, what="as many as may are read")
    # Another's are read at once.
    with announce(other) as theirs:
        assert theirs.response().status == 100
        theirs.send(body)
        assert theirs.response().status == 200
    assert user.me() and sum(map(is_asked, raws)) == 8
    waiting = [raw for raw in raws if not is_asked(raw)]
    for raw in [raw for raw in raws if raw not in waiting] + waiting:
        assert raw.response().status == 100
        raw.send(body)
        assert raw.response().status == 200
        raw.close()
