"""The process starts, answers, and keeps a setting."""

from __future__ import annotations

import httpx

from harness import Client, Server


def test_a_started_server_is_alive_and_ready(server: Server) -> None:
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_registered_user_reads_back_the_setting_it_wrote(client: Client) -> None:
    written = client.set("theme", "dark")
    assert (written["key"], written["value"]) == ("theme", "dark")
    assert client.setting("theme") == written
    assert client.settings() == {"theme": "dark"}


def test_a_graceful_stop_ends_with_status_zero(server: Server) -> None:
    assert server.terminate() == 0
