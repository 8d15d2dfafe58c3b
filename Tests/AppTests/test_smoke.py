"""The process starts, answers, and keeps a setting."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx

from harness import Client, RawSocket, Server


def test_a_started_server_is_alive_and_ready(server: Server) -> None:
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_registered_user_reads_back_the_setting_it_wrote(client: Client) -> None:
    written = client.set("theme", "dark")
    assert (written["key"], written["value"]) == ("theme", "dark")
    assert client.setting("theme") == written
    assert client.settings() == {"theme": "dark"}


def test_a_log_in_json_is_an_object_a_line_with_its_moment(start_server: Callable[..., Server]) -> None:
    lines = [line for line in start_server(env={"LOCKSTEP_LOG_FORMAT": "json"}).log().splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        entry = json.loads(line)
        assert {"level", "logger", "message"} < set(entry)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])


def test_a_graceful_stop_ends_with_status_zero(server: Server) -> None:
    assert server.terminate() == 0


def test_a_change_on_one_device_arrives_on_the_socket_of_another(client: Client) -> None:
    phone = client.other_device()
    with_socket = phone.socket().caught_up()
    assert with_socket.welcome()["device_id"] == phone.device["id"]
    client.set("theme", "dark")
    with_socket.wait_setting("theme", "dark")
    assert with_socket.replica.digest() == client.digest()["digest"]
    assert with_socket.replica.cursor == client.pull()["cursor"]
    with_socket.close()
    phone.close()


def test_a_raw_socket_can_upgrade_and_is_closed_for_an_unmasked_frame(client: Client) -> None:
    with RawSocket(client.url) as raw:
        assert raw.upgrade(client.token).status == 101
        raw.send_frame('{"type":"ping","t":1}', masked=False)
        assert raw.wait_close() == 1002
