"""Nothing of a user is in any log of any process."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Client, Database, Server, mutation
from harness.server import lockstep

SECRETS = {
    "password": "hush-hush-horse", "new password": "hush-another-horse", "wrong password": "hush-wrong-horse",
    "value": "hush-value-1234", "title": "hush-title-1234", "name": "hush-name-1234", "lost": "hush-lost-1234",
    "bad": "hush-bad-1234",
}


def live(url: str) -> list[str]:
    """A life with every kind of thing that one sends, refused things too; what must stand nowhere."""
    ada = Client(url)
    ada.email, ada.password = "Hush.Ada@Example.org", SECRETS["password"]
    ada.register()
    emails = [ada.email, ada.email.lower(), "hush.ada"]
    for email in (ada.email, ada.email.upper()):
        body = {"email": email, "password": SECRETS["password"], "device": {"name": SECRETS["name"], "kind": "web"}}
        assert ada.http.post("/api/auth/register", json=body).json()["code"] == "email_taken"
        body["password"] = SECRETS["wrong password"]
        assert ada.http.post("/api/auth/login", json=body).status_code == 401
    ada.http.post("/api/auth/register", content=b'{"email": "' + SECRETS["bad"].encode())
    ada.http.get("/api/auth/me", headers={"Authorization": "Bearer " + SECRETS["bad"]})
    phone = ada.other_device(SECRETS["name"])
    ada.set("note", SECRETS["value"])
    phone.push(mutation("settings.set", {"key": "note", "value": SECRETS["lost"]}, base_version=0))
    for value in ("\u0000" + SECRETS["bad"], 1e999, {"a": SECRETS["bad"] * 2000}):
        ada.http.post("/api/settings", content=json.dumps({"key": "x", "value": value}), headers=bearer(ada))
    ada.request("POST", "/api/settings", {"key": "time_zone", "value": SECRETS["bad"]})
    ada.request("GET", f"/api/focus/stats?tz={SECRETS['bad']}")
    ada.request("POST", "/api/focus", {"task_title": SECRETS["title"]})
    ada.request("POST", "/api/market/items", {"name": SECRETS["name"], "cost_coins": 2**53 - 1})
    ada.request("POST", "/api/market/items", {"name": SECRETS["name"] * 100, "cost_coins": 1})
    ada.request("GET", f"/api/market/items?q={SECRETS['bad']}")
    socket = ada.socket().caught_up()
    socket.send({"type": "push", "mutations": [{"id": SECRETS["bad"], "name": "settings.set", "args": {}}]})
    socket.send({"type": "ping", "t": 1})
    socket.wait_type("pong")
    ada.request("GET", "/api/account/export")
    ada.request("POST", "/api/auth/password", {
        "current_password": SECRETS["password"], "new_password": SECRETS["new password"]})
    ada.request("DELETE", "/api/account", {"password": SECRETS["wrong password"]})
    ada.request("DELETE", "/api/account", {"password": SECRETS["new password"]})
    tokens = [str(ada.token), str(phone.token)]
    for one in (ada, phone):
        one.close()
    return [*SECRETS.values(), *emails, *tokens]


def bearer(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}


def found(text: str, secrets: list[str]) -> list[str]:
    return [line for line in text.splitlines() if any(secret.lower() in line.lower() for secret in secrets)]


def test_neither_the_server_nor_its_private_postgresql_writes_anything_of_a_user_into_a_log(
    start_server: Callable[..., Server], request: pytest.FixtureRequest,
) -> None:
    # PostgreSQL's user must be able to enter every folder above it.
    home = Path(tempfile.mkdtemp(prefix="lockstep-private-", dir="/tmp"))
    request.addfinalizer(lambda: shutil.rmtree(home, ignore_errors=True))
    home.chmod(0o755)
    server = start_server(None, env={
        "LOCKSTEP_DATA_DIR": str(home),"LOCKSTEP_LOG_LEVEL": "debug", "LOCKSTEP_SIGN_IN_ATTEMPTS_PER_MINUTE": "100"})
    secrets = live(server.url)
    assert server.terminate() == 0
    postgres = home / "postgres" / "server.log"
    log = postgres.read_text(errors="replace")
    assert "ready to accept connections" in log and found(log, secrets) == []
    assert "Server started" in server.log() and found(server.log(), secrets) == []


def test_a_postgresql_that_logs_as_it_comes_sees_no_error_of_a_user_s_making(
    server: Server, database: Database,
) -> None:
    before = len(database.cluster.log_path.read_text(errors="replace"))
    secrets = live(server.url)
    log = database.cluster.log_path.read_text(errors="replace")[before:]
    assert found(log, secrets) == []
    assert [line for line in log.splitlines() if "ERROR" in line] == []


def test_the_doctor_says_which_settings_of_a_postgresql_would_show_what_users_send(
    shared_server: Server, database: Database,
) -> None:
    environment = {"DATABASE_URL": database.url}
    assert lockstep("migrate", "up", env=environment).returncode == 0
    quiet = lockstep("doctor", env=environment)
    assert quiet.returncode == 0 and "log_statement" not in quiet.stdout and "log_error_verbosity" in quiet.stdout
    database.rows(f"ALTER DATABASE {database.name} SET log_error_verbosity = terse")
    assert "advice" not in lockstep("doctor", env=environment).stdout
    for setting, value in (
        ("log_statement", "'all'"), ("log_min_duration_statement", "100"), ("log_parameter_max_length_on_error", "-1"),
    ):
        database.rows(f"ALTER DATABASE {database.name} SET {setting} = {value}")
        said = lockstep("doctor", env=environment)
        assert said.returncode == 0 and f"advice: {setting} is " in said.stdout, said.stdout + said.stderr
