"""The account as a whole: another password, a copy of everything, the end (contract, section 2)."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from harness import Client, Database, RawSocket, Server, eventually, mutation

NEW = "another horse battery"
TABLES_OF_USERS = """
    SELECT t.table_name AS name FROM information_schema.columns JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE table_schema = 'public' AND column_name = 'user_id' AND table_type = 'BASE TABLE'
"""


def change(client: Client, current: str, new: str = NEW) -> Any:
    return client.request("POST", "/api/auth/password", {"current_password": current, "new_password": new})


class TestPassword:
    @pytest.mark.timed
    def test_it_signs_everybody_else_out_and_nobody_in_with_the_old_one(self, user: Client) -> None:
        phone = user.other_device()
        again = Client(user.url).login(user.email, user.password, device_id=user.device["id"])
        sockets = [phone.socket().caught_up(), again.socket().caught_up()]
        mine = user.socket().caught_up()
        assert change(user, user.password).status_code == 204
        assert [one.wait_closed(within=1) for one in sockets] == [4401, 4401]
        assert phone.request("GET", "/api/auth/me").status_code == 401
        assert user.request("GET", "/api/auth/me").status_code == 200 and mine.is_open
        device = {"name": "x", "kind": "web"}
        old = user.request("POST", "/api/auth/login", {"email": user.email, "password": user.password, "device": device})
        assert (old.status_code, old.json()["code"]) == (401, "wrong_credentials")
        user.login(password=NEW)
        for one in (phone, again):
            one.close()

    def test_a_wrong_current_password_changes_nothing_and_signs_nobody_out(self, user: Client) -> None:
        answer = change(user, "not the password")
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_credentials")
        assert "www-authenticate" not in answer.headers
        user.login()

    @pytest.mark.parametrize(("body", "pointer"), [
        ({"new_password": NEW}, "/current_password"), ({"current_password": "x" * 9}, "/new_password"),
        ({"current_password": "x" * 9, "new_password": "short"}, "/new_password"),
        ({"current_password": "x" * 9, "new_password": "x" * 257}, "/new_password"),
        ({"current_password": 5, "new_password": NEW}, "/current_password"), ([], ""),
    ])
    def test_a_body_that_says_something_else_is_refused(self, user: Client, body: Any, pointer: str) -> None:
        answer = user.request("POST", "/api/auth/password", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
        assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]

    def test_of_two_changes_at_once_one_wins(self, user: Client) -> None:
        phone = user.other_device()
        statuses: dict[str, int] = {}

        def attempt(client: Client, new: str) -> None:
            statuses[new] = change(client, user.password, new).status_code

        threads = [threading.Thread(target=attempt, args=pair) for pair in ((user, "horse one 1"), (phone, "horse two 2"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses.values()) in ([204, 401], [204, 403])
        (winner,) = [new for new, status in statuses.items() if status == 204]
        Client(user.url).login(user.email, winner).close()
        phone.close()

    def test_it_is_throttled_like_a_sign_in(
        self, start_server: Callable[..., Server], sign_up: Callable[..., Client],
    ) -> None:
        user = sign_up(start_server(defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10"}))
        assert [change(user, "not the password").status_code for _ in range(10)] == [403] * 10
        answer = change(user, user.password)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        erase = user.request("DELETE", "/api/account", {"password": user.password})
        assert erase.status_code == 429 and user.me()


class TestExport:
    def test_it_holds_everything_about_the_user_and_no_secret(
        self, server: Server, client: Client, database: Database, sign_up: Callable[..., Client],
    ) -> None:
        other = sign_up(server)
        other.set("greeting", "from somebody else")
        phone = client.other_device()
        for value in ("dark", "light"):
            phone.set("theme", value)
        lost = mutation("settings.set", {"key": "theme", "value": "system"}, base_version=0)
        assert client.push(lost)["results"][0]["status"] == "conflict"
        answer = client.request("GET", "/api/account/export")
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
        assert answer.headers["content-disposition"] == 'attachment; filename="lockstep-account.json"'
        body = answer.json()
        assert set(body) == {"exported_at", "user", "tables"}
        assert {name: body["user"][name] for name in ("id", "email", "created_at")} == client.me()["user"]
        # Every table of users is in it, by the schema.
        tables = database.rows(TABLES_OF_USERS)
        assert set(body["tables"]) == {row["name"] for row in tables}
        for name, records in body["tables"].items():
            kept = database.value(f"SELECT count(*) FROM {name} WHERE user_id = %s", [client.user["id"]])
            assert len(records) == kept, name
        (theme,) = body["tables"]["user_settings"]
        assert (theme["key"], theme["value"], theme["updated_at"]) == (
            "theme", "light", client.setting("theme")["updated_at"])
        assert {one["name"] for one in body["tables"]["devices"]} == {"Test device", "Phone"}
        assert len(body["tables"]["sync_conflicts"]) == 1
        assert [one["value"] for one in body["tables"]["user_setting_history"]] == ["dark"]
        for secret in ("password_hash", "token_hash", "scrypt", client.token, "somebody else", other.user["id"]):
            assert secret not in answer.text
        hashes = database.rows("SELECT encode(token_hash, 'hex') AS hash FROM sessions")
        assert not any(row["hash"] in answer.text for row in hashes)
        # A record a line: readable, and cut by lines where it is large.
        assert all(json.loads(line.rstrip(",]")) for line in answer.text.splitlines() if line.startswith('{"key":'))
        phone.close()

    def test_one_at_a_time_and_one_that_is_not_read_to_its_end_blocks_no_later_one(
        self, server: Server, client: Client, database: Database,
    ) -> None:
        # More than the buffers between here and there hold: the kernel may let a receiver's grow to tens of megabytes.
        narrow = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
        reader = httpx.Client(base_url=server.url, transport=narrow, timeout=30, trust_env=False)
        database.rows("""
            INSERT INTO user_settings (user_id, key, value, version, updated_at, device_id)
            SELECT %s, 'k' || n, to_json(repeat('x', 16000)), 1, now(), %s FROM generate_series(1, 1000) AS n""",
            [client.user["id"], client.device["id"]])
        for _ in range(6):  # whether the server ran ahead of its socket was chance
            with reader.stream(
                "GET", "/api/account/export", headers={"Authorization": f"Bearer {client.token}"},
            ) as unread:
                assert unread.status_code == 200
                second = Client(server.url)
                second.token = client.token
                answer = second.request("GET", "/api/account/export")
                assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
                second.close()
            eventually(lambda: client.request("GET", "/api/account/export").status_code == 200, what="the place is free")
        reader.close()

    def test_slow_readers_of_all_places_give_way_to_who_wants_one(
        self, server: Server, database: Database, sign_up: Callable[..., Client],
    ) -> None:
        crowd = [sign_up(server) for _ in range(32)]
        database.rows("""
            INSERT INTO user_settings (user_id, key, value, version, updated_at, device_id)
            SELECT user_id, 'k' || n, to_json(repeat('x', 16000)), 1, now(), id
            FROM devices, generate_series(1, 120) AS n""")
        readers = [RawSocket(server.url, receive_buffer=4_096) for _ in crowd]
        for reader, one in zip(readers, crowd, strict=True):
            reader.send(f"GET /api/account/export HTTP/1.1\r\nHost: {reader.host}\r\nAuthorization: Bearer {one.token}\r\n\r\n")
            assert b" 200 " in reader.read_until(b"\r\n")
            reader.socket.setblocking(False)
        enough = threading.Event()

        def read() -> None:
            while not enough.wait(0.5):  # at most 32 KB a second each
                for reader in readers:
                    with contextlib.suppress(OSError):  # no more is there now, or it gave way
                        for _ in range(8):
                            reader.socket.recv(2_048)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            late = sign_up(server)
            first = late.request("GET", "/api/account/export")
            assert first.status_code == 503 and int(first.headers["retry-after"]) >= 1
            eventually(
                lambda: late.request("GET", "/api/account/export").status_code == 200, within=20, every=0.5, what="a place")
        finally:
            enough.set()
            thread.join()
            for reader in readers:
                reader.close()

    def test_a_table_that_comes_later_is_in_it_by_itself(
        self, server: Server, client: Client, database: Database,
    ) -> None:
        database.rows("CREATE TABLE later_notes (user_id uuid, id int, text text, share_token text, PRIMARY KEY (user_id, id))")
        database.rows("INSERT INTO later_notes VALUES (%s, 1, 'buy milk', 'geheim')", [client.user["id"]])
        assert client.expect(200, "GET", "/api/account/export")["tables"]["later_notes"] == [{"id": 1, "text": "buy milk"}]
        client.expect(204, "DELETE", "/api/account", {"password": client.password})
        assert database.value("SELECT count(*) FROM later_notes") == 0


class TestErasure:
    @pytest.mark.timed
    def test_nothing_is_left_in_any_table(
        self, server: Server, client: Client, database: Database, sign_up: Callable[..., Client],
    ) -> None:
        other = sign_up(server)
        other.set("theme", "dark")
        phone = client.other_device()
        for value in ("dark", "light"):
            phone.set("theme", value)
        client.push(mutation("settings.set", {"key": "theme", "value": "system"}, base_version=0, seq=1))
        sockets = [client.socket().caught_up(), phone.socket().caught_up()]
        eventually(lambda: database.value("SELECT count(*) FROM device_presence") == 2, what="presence")
        theirs = other.expect(200, "GET", "/api/account/export")

        answer = client.request("DELETE", "/api/account", {"password": client.password})
        assert answer.status_code == 204 and "lockstep_session=;" in answer.headers["set-cookie"]
        assert [one.wait_closed(within=1) for one in sockets] == [4401, 4401]
        assert client.request("GET", "/api/settings").status_code == 401
        assert phone.request("POST", "/api/settings", {"key": "a", "value": 1}).status_code == 401
        # No column of any table holds the id or the address any more, whatever it is called.
        columns = database.rows("""
            SELECT c.table_name, c.column_name FROM information_schema.columns c
            JOIN information_schema.tables t USING (table_schema, table_name)
            WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'""")
        assert len(columns) > 40
        for column in columns:
            left = database.value(
                f"SELECT count(*) FROM {column['table_name']} WHERE {column['column_name']}::text ILIKE ANY (%s)",
                [[f"%{client.user['id']}%", f"%{client.email}%"]])
            assert left == 0, column
        after = other.expect(200, "GET", "/api/account/export")
        assert after["tables"]["user_settings"] == theirs["tables"]["user_settings"] and after["user"] == theirs["user"]
        # The address is free, and who takes it is somebody new.
        fresh = Client(server.url).register(client.email)
        assert fresh.user["id"] != client.user["id"] and fresh.settings() == {}
        for one in (phone, fresh):
            one.close()

    @pytest.mark.parametrize(("body", "status", "code"), [
        ({"password": "not the password"}, 403, "wrong_credentials"), ({}, 422, "invalid_body"),
        ({"password": 5}, 422, "invalid_body"), (["x"], 422, "invalid_body"),
    ])
    def test_without_the_password_nothing_is_erased(self, user: Client, body: Any, status: int, code: str) -> None:
        answer = user.request("DELETE", "/api/account", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert user.me()

    def test_without_a_body_nothing_is_erased(self, user: Client) -> None:
        assert user.request("DELETE", "/api/account").status_code == 422
        assert user.me()

    def test_whoever_writes_meanwhile_leaves_nothing_behind(
        self, server: Server, client: Client, database: Database,
    ) -> None:
        devices = [client.other_device(f"d{n}") for n in range(4)]
        statuses: list[int] = []
        gate = threading.Barrier(6)

        def write(device: Client) -> None:
            gate.wait()
            while True:
                statuses.append(device.request("POST", "/api/settings", {"key": "n", "value": len(statuses)}).status_code)
                if statuses[-1] != 200:
                    return

        def sign_in() -> None:
            gate.wait()
            while True:
                body = {"email": client.email, "password": client.password, "device": {"name": "x", "kind": "web"}}
                statuses.append(client.http.post("/api/auth/login", json=body).status_code)
                if statuses[-1] != 200:
                    return

        threads = [threading.Thread(target=write, args=(device,)) for device in devices]
        threads.append(threading.Thread(target=sign_in))
        for thread in threads:
            thread.start()
        gate.wait()
        eventually(lambda: len(statuses) > 20, what="some writes")
        eraser = Client(server.url).login(client.email, client.password)
        eraser.expect(204, "DELETE", "/api/account", {"password": client.password})
        for thread in threads:
            thread.join(20)
        assert set(statuses) == {200, 401}
        tables = database.rows(TABLES_OF_USERS)
        assert {row["name"]: database.value(f"SELECT count(*) FROM {row['name']}") for row in tables} == {
            row["name"]: 0 for row in tables}
        for one in (*devices, eraser):
            one.close()


def test_a_session_in_use_lasts_and_one_that_is_not_used_ends(
    server: Server, client: Client, database: Database,
) -> None:
    phone = client.other_device()
    # Nineteen days in which only one of them is used, then another nineteen.
    for _ in range(2):
        database.rows("UPDATE sessions SET expires_at = expires_at - interval '19 days'")
        assert client.request("GET", "/api/settings").status_code == 200
    assert phone.request("GET", "/api/settings").status_code == 401
    assert database.value(
        "SELECT max(expires_at) > clock_timestamp() + interval '29 days 23 hours' FROM sessions")
    phone.close()
