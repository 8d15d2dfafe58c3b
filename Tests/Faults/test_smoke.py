"""A server that is killed and a database that goes away and comes back."""

from __future__ import annotations

from collections.abc import Callable

from harness import Client, Cluster, Server, eventually


def test_a_setting_survives_kill_9_of_the_server(server: Server, client: Client) -> None:
    client.set("theme", "dark")
    server.restart(kill=True)
    assert client.setting("theme")["value"] == "dark"


def test_a_server_finds_its_database_again_after_a_restart(
    own_cluster: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(own_cluster.database())
    client = sign_up(server)
    client.set("theme", "dark")
    own_cluster.restart()
    eventually(lambda: client.request("GET", "/readyz").status_code == 200, within=10, what="readiness")
    assert client.setting("theme")["value"] == "dark"
