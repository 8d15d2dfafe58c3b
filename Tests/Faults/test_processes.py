"""Processes that are killed, several on one database, and a bus that is cut."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

import httpx

from harness import Client, Cluster, Database, Server, eventually, mutation


def test_two_processes_are_in_step_over_the_bus(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    one, other = start_server(database), start_server(database)
    client = sign_up(one)
    socket = client.socket(url=other.url).caught_up()
    delays = []
    for number in range(50):
        began = time.monotonic()
        client.set("n", number)
        delays.append(socket.wait_setting("n", number) - began)
    print(f"over the bus: median {statistics.median(delays) * 1000:.1f} ms, worst {max(delays) * 1000:.1f} ms")
    assert statistics.median(delays) < 0.1


def test_with_the_bus_cut_the_comparison_of_heads_brings_them_together(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    one, other = start_server(database), start_server(database)
    client = sign_up(one)
    socket = client.socket(url=other.url).caught_up()
    cursor = client.pull()["cursor"]
    # A function of this name in a schema that is searched first: every notice is swallowed.
    database.rows("CREATE SCHEMA mute")
    database.rows("CREATE FUNCTION mute.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'")
    database.rows(f'ALTER DATABASE "{database.name}" SET search_path = mute, pg_catalog, public')
    database.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    eventually(lambda: client.request("GET", "/readyz").status_code == 200, within=10, what="readiness")
    polled: list[dict[str, object]] = []
    phone = Client(other.url)
    phone.token, phone.email = client.token, client.email
    thread = threading.Thread(target=lambda: polled.append(httpx.get(
        f"{other.url}/api/sync", params={"cursor": cursor, "wait": 20}, timeout=30,
        headers={"Authorization": f"Bearer {client.token}"}).json()))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    client.set("theme", "dark")
    assert socket.wait_setting("theme", "dark", within=7) - began < 6.5
    thread.join(10)
    assert polled and polled[0]["documents"]


def test_signing_out_closes_the_sockets_of_the_other_process(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    one, other = start_server(database), start_server(database)
    client = sign_up(one)
    socket = client.socket(url=other.url).caught_up()
    began = time.monotonic()
    client.logout()
    assert socket.wait_closed(within=5) == 4401 and time.monotonic() - began < 1.5


def test_a_result_is_replayed_after_kill_9_and_by_the_second_process(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    one, other = start_server(database), start_server(database)
    client = sign_up(one)
    changes = [mutation("settings.set", {"key": "k", "value": n}) for n in range(5)]
    first = client.push(*changes)["results"]
    one.restart(kill=True)
    for server in (one, other):
        again = httpx.post(
            f"{server.url}/api/sync", json={"mutations": changes}, headers={"Authorization": f"Bearer {client.token}"}).json()["results"]
        assert [{k: v for k, v in r.items() if k != "replayed"} for r in again] == first
        assert all(r["replayed"] for r in again)
    assert client.request("GET", "/api/settings").headers["etag"] == '"5"'


def test_kill_9_in_the_middle_of_writes_loses_none_that_was_answered_and_doubles_none(
    server: Server, client: Client,
) -> None:
    answered: list[int] = []
    asked: list[dict[str, object]] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            change = mutation("settings.set", {"key": f"k{number % 50}", "value": number})
            asked.append(change)
            try:
                httpx.post(f"{server.url}/api/sync", json={"mutations": [change]}, timeout=5,
                           headers={"Authorization": f"Bearer {client.token}"}).raise_for_status()
                answered.append(number)
            except httpx.HTTPError:
                return
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    eventually(lambda: len(answered) > 40, within=20, what="some writes")
    server.restart(kill=True)
    stop.set()
    thread.join(10)
    head = int(client.request("GET", "/api/settings").headers["etag"].strip('"'))
    assert len(answered) <= head <= len(asked)
    # What was under way is sent again: the queue is empty, each happened once.
    results = client.push(*asked[-5:])["results"]
    assert all(r["status"] == "applied" for r in results)
    assert client.request("GET", "/api/settings").headers["etag"] == f'"{len(asked)}"'


def test_two_processes_that_start_together_migrate_once(
    database: Database, start_server: Callable[..., Server],
) -> None:
    servers = [start_server(database, wait=False) for _ in range(3)]
    for server in servers:
        server.wait_ready()
    assert database.value("SELECT count(*) FROM schema_migrations") == database.value("SELECT count(DISTINCT number) FROM schema_migrations")


def test_a_waiting_long_poll_asks_the_database_nothing(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(own_cluster.database())
    client = sign_up(server)
    cursor = client.pull()["cursor"]
    with httpx.Client(timeout=40) as http:
        thread = threading.Thread(target=lambda: http.get(
            f"{server.url}/api/sync", params={"cursor": cursor, "wait": 12}, headers={"Authorization": f"Bearer {client.token}"}))
        thread.start()
        time.sleep(1)
        own_cluster.execute("ALTER SYSTEM SET log_statement = 'all'")
        own_cluster.execute("SELECT pg_reload_conf()")
        time.sleep(10)
        own_cluster.execute("ALTER SYSTEM SET log_statement = 'none'")
        own_cluster.execute("SELECT pg_reload_conf()")
        thread.join()
    statements = [line for line in own_cluster.log_path.read_text().splitlines() if "sync_heads" in line and "execute" in line]
    # The comparison of heads, every 5 s for the whole process, and nothing of the poll's own.
    assert len(statements) <= 3, statements


def test_a_reader_that_stopped_costs_little_and_gets_one_merged_change(
    server: Server, client: Client,
) -> None:
    from harness.wire import RawSocket

    with RawSocket(server.url, timeout=60, receive_buffer=4096) as raw:
        raw.send(
            f"GET /api/realtime HTTP/1.1\r\nHost: {raw.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {client.token}\r\n\r\n")
        assert raw.response().status == 101
        raw.read_frame(), raw.read_frame()
        client.set("warm", "x" * 16_000)
        before = server.resident_bytes()
        for number in range(400):
            client.set(f"k{number % 8}", f"{number}:" + "x" * 15_500)
        grown = server.resident_bytes() - before
        print(f"a stopped reader while {400 * 15_500 / 1e6:.1f} MB were written: {grown / 1e6:.1f} MB")
        assert grown < 12_000_000
        import json

        place, documents, frames = "", {}, 0
        target = client.pull()["cursor"]
        while place != target:
            message = json.loads(raw.read_frame()[1])
            if message["type"] != "changes":
                continue
            frames += 1
            place = message["cursor"]
            for document in message["documents"]:
                documents[document["id"]] = document["value"]
        assert documents["k7"].startswith("399:") and frames < 60
