"""What a socket that is closing still sends, and answers that nobody reads, cost little and end."""

from __future__ import annotations

import json
import socket as sockets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Client, RawSocket, Server, eventually, frame, mutation
from harness.wire import PING

MEGABYTE = 1_000_000


def fill(client: Client, megabytes: int) -> None:
    """So much in settings of 16 KB, by whole patches."""
    for start in range(0, megabytes * 63, 3):
        client.patch({f"k{n}": "x" * 16_000 for n in range(start, start + 3)})


def send_for(raw: RawSocket, data: bytes, seconds: float) -> int:
    """Sends as fast as it is taken, for so long or until the other side has enough; how many bytes that was."""
    end = time.monotonic() + seconds
    raw.socket.settimeout(0.5)
    sent = 0
    while time.monotonic() < end:
        try:
            sent += raw.socket.send(data)
        except TimeoutError:
            continue
        except OSError:
            break
    return sent


@pytest.mark.parametrize("last", ["no JSON", "a close"])
def test_what_a_socket_that_is_closing_still_sends_is_dropped(server: Server, client: Client, last: str) -> None:
    raws = []
    for _ in range(4):
        raw = RawSocket(server.url, receive_buffer=4096)
        assert raw.upgrade(client.token).status == 101
        raws.append(raw)
    before = server.resident_bytes()
    # Of a message of one byte what is kept is twenty times what was sent.
    data = frame("1") * 9_000
    for raw in raws:
        raw.send(frame("no JSON") if last == "no JSON" else frame(b"\x03\xe8", opcode=8))
    with ThreadPoolExecutor(4) as pool:
        sent = sum(pool.map(lambda raw: send_for(raw, data, 3), raws))
    grown = server.resident_bytes() - before
    print(f"{sent / 1e6:.0f} MB sent behind the end cost {grown / 1e6:.1f} MB")
    for raw in raws:
        raw.close(reset=True)
    assert grown < 40 * MEGABYTE
    # Nor is it a drain that takes whatever comes for as long as somebody waits for the end.
    assert sent < 64 * MEGABYTE
    eventually(lambda: server.metric("lockstep_sockets") == 0, what="no sockets")


def test_snapshots_that_nobody_reads_have_an_end(server: Server, client: Client) -> None:
    fill(client, 15)
    reader = Client(server.url, timeout=60).login(client.email, client.password)
    size = len(reader.request("GET", "/api/sync").content)
    assert size > 14 * MEGABYTE
    before = server.resident_bytes()
    raws = []
    for _ in range(30):
        raw = RawSocket(server.url, receive_buffer=4096, timeout=60)
        raw.send(f"GET /api/sync HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {client.token}\r\n\r\n")
        raws.append(raw)
    statuses = []
    for raw in raws:
        raw.socket.settimeout(60)
        statuses.append(int(raw.socket.recv(12).split()[1]))
    grown = server.resident_bytes() - before
    print(f"30 unread snapshots of {size / 1e6:.0f} MB: {statuses.count(200)} begun, {grown / 1e6:.0f} MB")
    assert set(statuses) == {200, 503} and 1 <= statuses.count(200) <= 3
    # Who does not read is not kept for ever, and then there is room again.
    began = time.monotonic()
    for raw, status in zip(raws, statuses, strict=True):
        if status == 503:
            raw.close()
    assert server.metric("lockstep_unsent_bytes") > size
    eventually(lambda: server.metric("lockstep_unsent_bytes") == 0, within=90, what="no answer is waited with")
    assert time.monotonic() - began < 60
    assert len(reader.request("GET", "/api/sync").content) == size
    # What is kept at once is the account's share and one in the making, whatever is asked for.
    assert grown < 250 * MEGABYTE


def test_a_slow_reader_is_not_cut_off_while_it_reads(server: Server, client: Client) -> None:
    fill(client, 4)
    with RawSocket(server.url, receive_buffer=16_384, timeout=60) as raw:
        raw.send(f"GET /api/sync HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {client.token}\r\n\r\n")
        head = raw.read_until(b"\r\n\r\n").decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        began, taken = time.monotonic(), b""
        while len(taken) < length:
            taken += raw.read(min(65_536, length - len(taken)))
            # At first so slowly that the whole would take longer than silence is borne.
            if time.monotonic() - began < 40:
                time.sleep(0.7)
        assert json.loads(taken)["reset"] is True


@pytest.mark.timed
def test_requests_that_are_sent_without_reading_answers_wait_with_their_sender(server: Server) -> None:
    """Pipelined: decoded at once, each would cost a kilobyte and its answer a quarter of a megabyte."""
    before = server.resident_bytes()
    request = f"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode() * 500
    raws = []
    for _ in range(500):
        raw = RawSocket(server.url, receive_buffer=4096)
        raw.socket.settimeout(0)
        try:
            raw.socket.send(request)
        except BlockingIOError:
            pass
        raws.append(raw)
    with RawSocket(server.url, timeout=30) as other:
        for _ in range(20):
            assert other.request("GET", "/healthz").status == 200
    peak = max(server.resident_bytes() for _ in range(20)) - before
    print(f"500 connections that pipeline and do not read: {peak / 1e6:.0f} MB")
    assert peak < 150 * MEGABYTE
    for raw in raws:
        raw.close(reset=True)


def test_pipelined_requests_are_answered_all_and_in_order(user: Client) -> None:
    with RawSocket(user.url, timeout=20) as raw:
        bearer = f"Host: {raw.host}\r\nAuthorization: Bearer {user.token}\r\n"
        body = "x" * 6_000
        for number in range(40):
            data = json.dumps({"key": f"k{number}", "value": body + str(number)})
            raw.send(f"POST /api/settings HTTP/1.1\r\n{bearer}Content-Type: application/json\r\n"
                     f"Content-Length: {len(data)}\r\n\r\n{data}GET /api/settings/k{number} HTTP/1.1\r\n{bearer}\r\n")
        raw.socket.shutdown(sockets.SHUT_WR)
        for number in range(40):
            assert raw.response().json()["key"] == f"k{number}"
            assert raw.response().json()["value"] == body + str(number)
        assert raw.wait_end() == b""


def test_sockets_that_do_not_read_their_snapshots_share_what_their_account_may_keep(
    server: Server, client: Client,
) -> None:
    fill(client, 15)
    replica = client.replica()
    before = server.resident_bytes()
    raws = []
    for _ in range(15):
        raw = RawSocket(server.url, receive_buffer=4096, timeout=60)
        assert raw.upgrade(client.token).status == 101
        raws.append(raw)
    eventually(lambda: server.metric("lockstep_unsent_bytes") > 40 * MEGABYTE, within=60, what="the share is used up")
    # Some have read it in vain, and nobody reads it again before there is room.
    eventually(lambda: server.metric("lockstep_merged_pulls_total") >= 4, within=60, what="one found no room")
    pulls = server.metric("lockstep_merged_pulls_total")
    grown = server.resident_bytes() - before
    print(f"15 sockets that do not read 15 MB: {grown / 1e6:.0f} MB")
    assert server.metric("lockstep_unsent_bytes") < 52 * MEGABYTE and grown < 320 * MEGABYTE
    # One that reads has its changes, live too, and as soon as the others are gone also a snapshot.
    reading = client.socket(replica=replica).caught_up()
    for number in range(20):
        client.set("k0", number)
        reading.wait_setting("k0", number)
    assert server.metric("lockstep_merged_pulls_total") - pulls < 10
    for raw in raws:
        raw.close(reset=True)
    assert client.socket().changes(within=20)["reset"] is True


def conflicting(client: Client, count: int) -> list[dict[str, Any]]:
    """Changes that another device's value of 16 KB has overtaken: the result of each carries it."""
    client.other_device().set("overtaken", "x" * 16_000)
    return [mutation("settings.set", {"key": "overtaken", "value": n}, base_version=0) for n in range(count)]


def test_results_that_nobody_reads_are_counted_until_they_are_taken(server: Server, client: Client) -> None:
    changes = conflicting(client, 300)
    with RawSocket(server.url, receive_buffer=4096, timeout=30) as raw:
        assert raw.upgrade(client.token).status == 101
        raw.send(frame(json.dumps({"type": "push", "mutations": changes})))
        eventually(lambda: server.metric("lockstep_unsent_bytes") > 4 * MEGABYTE, within=30, what="they wait")
        kinds: list[str] = []
        while "pushed" not in kinds:
            kinds.append(json.loads(raw.read_frame()[1])["type"])
        eventually(lambda: server.metric("lockstep_unsent_bytes") == 0, what="they are taken")


def test_results_without_room_are_asked_for_again_and_nothing_is_done_twice(server: Server, client: Client) -> None:
    fill(client, 15)
    changes = conflicting(client, 300)
    reading = client.socket(replica=client.replica()).caught_up()
    raws = [RawSocket(server.url, receive_buffer=4096, timeout=60) for _ in range(4)]
    for raw in raws:
        assert raw.upgrade(client.token).status == 101
    eventually(lambda: server.metric("lockstep_unsent_bytes") > 44 * MEGABYTE, within=60, what="the share is used up")
    reading.push(*changes)
    assert reading.wait_type("error", within=60)["problem"]["code"] == "unavailable"
    for raw in raws:
        raw.close(reset=True)
    eventually(lambda: server.metric("lockstep_unsent_bytes") == 0, what="there is room again")
    reading.push(*changes)
    results = reading.wait_type("pushed")["results"]
    assert [it["status"] for it in results] == ["conflict"] * 300 and all(it["replayed"] for it in results)


@pytest.mark.timed
def test_a_flood_of_frames_on_one_socket_holds_no_other_up(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10"})
    attacker, other = sign_up(server), sign_up(server)
    raws = []
    for _ in range(10):
        raw = RawSocket(server.url)
        assert raw.upgrade(attacker.token).status == 101
        raws.append(raw)
    socket = other.socket().caught_up()
    flood = frame(b"", opcode=PING) * 10_000
    cpu = server.cpu_seconds()
    with ThreadPoolExecutor(10) as pool:
        floods = [pool.submit(send_for, raw, flood, 6) for raw in raws]
        time.sleep(2)
        delays = []
        for number in range(30):
            began = time.monotonic()
            socket.send({"type": "ping", "t": number})
            socket.wait(lambda m, n=number: m.get("t") == n)
            delays.append(time.monotonic() - began)
            time.sleep(0.05)
        sent = sum(job.result() for job in floods)
    spent = server.cpu_seconds() - cpu
    print(f"{sent / 1e6:.1f} MB of pings: {spent:.1f} s of CPU, the other's median {sorted(delays)[15] * 1e3:.1f} ms")
    # So much is taken of ten sockets in six seconds, however fast the machine is.
    assert sorted(delays)[15] < 0.1 and sent < 35 * MEGABYTE
    for raw in raws:
        raw.close(reset=True)
