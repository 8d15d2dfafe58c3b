"""Several processes on one database: in step over the bus, and without it."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Database, Server, eventually


@pytest.mark.timed
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


@pytest.mark.timed
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
    eventually(lambda: other.metric("lockstep_waiting_polls") == 1, what="the wait")
    began = time.monotonic()
    client.set("theme", "dark")
    assert socket.wait_setting("theme", "dark", within=7) - began < 6.5
    thread.join(10)
    assert polled and polled[0]["documents"]


@pytest.mark.timed
def test_signing_out_closes_the_sockets_of_the_other_process(
    database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    one, other = start_server(database), start_server(database)
    client = sign_up(one)
    socket = client.socket(url=other.url).caught_up()
    began = time.monotonic()
    client.logout()
    assert socket.wait_closed(within=5) == 4401 and time.monotonic() - began < 1.5


def test_two_processes_that_start_together_migrate_once(
    database: Database, start_server: Callable[..., Server],
) -> None:
    servers = [start_server(database, wait=False) for _ in range(3)]
    for server in servers:
        server.wait_ready()
    assert database.value("SELECT count(*) FROM schema_migrations") == database.value("SELECT count(DISTINCT number) FROM schema_migrations")
