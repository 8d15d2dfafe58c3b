"""The examples in deploy/, started as shipped, on another port than the server's and over TLS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from harness import Server
from harness.fronts import NAME, Front

DEVICE = {"name": "Browser", "kind": "web"}


@pytest.fixture(scope="module")
def server(shared_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Behind a proxy that it trusts, as the examples say."""
    server = Server(
        tmp_path_factory.mktemp("behind"), shared_database.url, {"LOCKSTEP_TRUSTED_PROXIES": "127.0.0.1,::1"}).start()
    yield server
    server.finish()


@pytest.fixture(params=["nginx", "haproxy", "caddy"])
def front(request: pytest.FixtureRequest, tmp_path: Path, server: Server) -> Iterator[Front]:
    front = Front(request.param, tmp_path, server.port)
    yield front
    front.stop()


def socket(front: Front, cookie: str, origin: str) -> ClientConnection:
    return connect(
        f"wss{front.url.removeprefix('https')}/api/realtime", ssl=front.context(), origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookie}, subprotocols=["lockstep.v1"], proxy=None, ping_interval=None)  # type: ignore[list-item]


def test_a_browser_signs_up_writes_and_has_a_socket_through_each_example(front: Front) -> None:
    page = {"Origin": front.url, "Sec-Fetch-Site": "same-origin"}
    body = {"email": f"{uuid.uuid4().hex}@example.org", "password": "correct horse", "device": DEVICE}
    with front.http() as browser:
        # What a client says about itself goes no further than the proxy.
        lies = {
            "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "1",
            "X-Forwarded-Proto": "http", "Forwarded": "for=6.6.6.6;host=evil.example;proto=http",
        }
        for headers in ({}, lies):
            seen = browser.get("/api/client", headers=headers).json()
            assert seen == {
                "address": "127.0.0.1", "counted_as": "127.0.0.1", "origin": front.url, "proxy_trusted": True}
        answer = browser.post("/api/auth/register", json=body, headers={**page, **lies})
        assert answer.status_code == 201, answer.text
        assert "Secure" in answer.headers["set-cookie"]
        assert browser.post("/api/settings", json={"key": "theme", "value": "dark"}, headers=page).status_code == 200
        foreign = browser.post("/api/settings", json={"key": "k", "value": 1}, headers={"Origin": "https://localhost"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_origin")
        assert (foreign.json()["origin"], foreign.json()["expected"]) == ("https://localhost", front.url)
        (cookie,) = (f"{one.name}={one.value}" for one in browser.cookies.jar)
        with socket(front, cookie, front.url) as connection:
            welcome, changes = json.loads(connection.recv(5)), json.loads(connection.recv(5))
            assert (welcome["type"], changes["type"]) == ("welcome", "changes")
            connection.send('{"type":"ping","t":7}')
            while json.loads(connection.recv(5)).get("t") != 7:
                pass
        with pytest.raises(Exception, match="403"), socket(front, cookie, "https://localhost"):
            pass
        assert browser.get("/metrics").status_code == 404


def test_the_port_without_tls_leads_to_the_one_with_it(tmp_path: Path, server: Server) -> None:
    import httpx

    for kind in ("nginx", "haproxy"):
        folder = tmp_path / kind
        folder.mkdir()
        front = Front(kind, folder, server.port)
        try:
            answer = httpx.get(f"http://127.0.0.1:{front.ports.plain}/app/today", headers={"Host": NAME}, trust_env=False)
            assert (answer.status_code, answer.headers["location"]) == (301, f"https://{NAME}/app/today"), kind
        finally:
            front.stop()


def test_a_shared_throttle_is_not_what_fly_gets(start_server: Callable[..., Server]) -> None:
    """Its last forwarded address is the proxy's own (deploy/fly.toml)."""
    import re

    import httpx

    from harness.server import ROOT

    text = (ROOT / "deploy/fly.toml").read_text()
    named = dict(re.findall(r'^  (LOCKSTEP_\w+) = "(.*)"$', text, flags=re.MULTILINE))
    server = start_server(env={
        "LOCKSTEP_CLIENT_ADDRESS_HEADER": named["LOCKSTEP_CLIENT_ADDRESS_HEADER"],
        "LOCKSTEP_TRUSTED_PROXIES": named["LOCKSTEP_TRUSTED_PROXIES"] + ",127.0.0.1"})
    as_fly = {
        "Fly-Client-IP": "198.51.100.7", "X-Forwarded-For": "198.51.100.7, 203.0.113.80", "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443", "Host": "lockstep.fly.dev",
    }
    seen = httpx.get(f"{server.url}/api/client", headers=as_fly, trust_env=False).json()
    assert (seen["address"], seen["origin"]) == ("198.51.100.7", "https://lockstep.fly.dev")
