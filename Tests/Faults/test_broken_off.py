"""A database that dies in the middle of what takes long: what the caller sees, and that it is finished afterwards."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable

import httpx
import pytest

from harness import Client, Cluster, Database, Server, eventually
from harness.server import binary, environment, lockstep

ANSWERS = 6_000


@pytest.fixture
def fragile(own_cluster: Cluster) -> Database:
    # What was committed is still there after a crash.
    own_cluster.execute("ALTER SYSTEM SET synchronous_commit = on")
    own_cluster.execute("SELECT pg_reload_conf()")
    return own_cluster.database()


@pytest.fixture
def server(fragile: Database, start_server: Callable[..., Server]) -> Server:
    return start_server(fragile)


def answers(database: Database, client: Client, days: int) -> None:
    database.rows(f"""
        INSERT INTO mutations (user_id, id, device_id, seq, name, fingerprint, status, created_at)
        SELECT '{client.user["id"]}', gen_random_uuid(), '{client.device["id"]}', n, 'x', '', 'applied',
            now() - make_interval(days => {days})
        FROM generate_series(1, {ANSWERS}) AS n;
        UPDATE sync_heads SET oldest_answer_at = now() - make_interval(days => {days})
        WHERE user_id = '{client.user["id"]}'""")


def slow(database: Database, table: str, seconds: float) -> None:
    """From now on each statement that deletes from the table takes so long: what is under way can be met."""
    database.rows(f"""
        CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_sleep({seconds});
            RETURN NULL;
        END $$;
        CREATE TRIGGER slowly BEFORE DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION slowly()""")


def count(database: Database, table: str) -> int:
    return int(database.value(f"SELECT count(*) FROM {table}"))


def crash(cluster: Cluster, asking: Client) -> None:
    """The machine goes; whoever asks meanwhile is told; it comes back."""
    cluster.kill()
    for method, path, body in (("GET", "/api/settings", ...), ("DELETE", "/api/account", {"password": "correct horse"}),
                               ("GET", "/api/account/export", ...)):
        refused = asking.request(method, path, body, timeout=20)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable"), refused.text
        assert int(refused.headers["retry-after"]) >= 1
    cluster.start()


def test_an_erasure_goes_on_when_the_database_is_back(
    server: Server, fragile: Database, own_cluster: Cluster, sign_up: Callable[..., Client],
) -> None:
    ada, ben = sign_up(server), sign_up(server)
    ben.set("theme", "dark")
    answers(fragile, ada, days=1)
    slow(fragile, "mutations", 0.3)
    ada.expect(204, "DELETE", "/api/account", {"password": ada.password})
    eventually(lambda: 0 < count(fragile, "mutations") < ANSWERS, what="the erasure under way")
    crash(own_cluster, ben)
    assert count(fragile, "mutations") > 1, "it was too quick for this test"
    # His own one answer is all that there is.
    eventually(lambda: count(fragile, "mutations") == 1 and count(fragile, "account_erasures") == 0, within=30,
               what="every row is gone")
    eventually(lambda: ben.settings() == {"theme": "dark"}, what="everything else is as it was")
    assert lockstep("audit", env={"DATABASE_URL": fragile.url}).returncode == 0


def test_an_erasure_whose_request_was_lost_is_503_and_the_next_one_does_it(
    server: Server, fragile: Database, own_cluster: Cluster, sign_up: Callable[..., Client],
) -> None:
    ada = sign_up(server)
    ada.set("theme", "dark")
    slow(fragile, "devices", 2)
    got: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: got.append(
        ada.request("DELETE", "/api/account", {"password": ada.password}, timeout=30)))
    asking.start()
    eventually(lambda: fragile.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1,
               what="the erasure under way")
    own_cluster.kill()
    asking.join(30)
    (answer,) = got
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    own_cluster.start()
    fragile.rows("DROP TRIGGER slowly ON devices")
    # Nothing of it was done, so it is his account still.
    eventually(lambda: ada.settings() == {"theme": "dark"}, what="the account is there")
    ada.expect(204, "DELETE", "/api/account", {"password": ada.password})
    eventually(lambda: count(fragile, "mutations") == 0, what="every row is gone")


def test_a_purge_goes_on_when_the_database_is_back(
    server: Server, fragile: Database, own_cluster: Cluster, sign_up: Callable[..., Client],
) -> None:
    ada, ben = sign_up(server), sign_up(server)
    server.terminate()
    answers(fragile, ada, days=40)
    slow(fragile, "mutations", 0.2)
    server.start()
    eventually(lambda: 0 < count(fragile, "mutations") < ANSWERS, what="the purge under way")
    crash(own_cluster, ben)
    assert count(fragile, "mutations") > 0, "it was too quick for this test"
    eventually(lambda: count(fragile, "mutations") == 0, within=30, what="everything old is gone")
    assert fragile.value("SELECT max(purged_seq) FROM devices") == ANSWERS


def test_an_audit_goes_on_when_the_database_is_back_and_else_says_how_to_ask_again(
    server: Server, fragile: Database, own_cluster: Cluster, sign_up: Callable[..., Client],
) -> None:
    ada = sign_up(server)
    lockstep("coins", "grant", ada.email, "5", "--reason", "Welcome", env={"DATABASE_URL": fragile.url}).check_returncode()
    # By its name: the server reads the wallets too, when it says how full the accounts are.
    env = environment({"DATABASE_URL": fragile.url + ("&" if "?" in fragile.url else "?") + "application_name=audit"})
    holder = fragile.connect(autocommit=False)
    holder.execute("LOCK user_wallet")
    audit = subprocess.Popen(
        [str(binary()), "audit"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually(
        lambda: fragile.value("""
            SELECT count(*) FROM pg_stat_activity WHERE application_name = 'audit' AND wait_event_type = 'Lock'""") == 1,
        what="the audit under way")
    own_cluster.kill()
    holder.close()
    own_cluster.start()
    out, err = audit.communicate(timeout=60)
    assert audit.returncode == 0 and "1 ledger entry" in out, out + err
    own_cluster.stop()
    for flags in ([], ["--json"]):
        said = lockstep("audit", *flags, env={"DATABASE_URL": fragile.url})
        assert said.returncode == 2 and said.stdout == ""
        assert f"`{' '.join(['lockstep audit', *flags])}`" in said.stderr


def test_an_export_waits_for_the_database_and_one_that_broke_off_shows_it_and_is_asked_for_again(
    server: Server, fragile: Database, own_cluster: Cluster, sign_up: Callable[..., Client],
) -> None:
    ada, ben = sign_up(server), sign_up(server)
    fragile.rows("""
        INSERT INTO user_settings (user_id, key, value, version, updated_at, device_id)
        SELECT %s, 'k' || n, to_json(repeat('x', 16000)), 1, now(), %s FROM generate_series(1, 1000) AS n""",
        [ada.user["id"], ada.device["id"]])
    # Less than what the buffers between here and there hold is not in the middle.
    narrow = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
    bearer = {"Authorization": f"Bearer {ada.token}"}
    with httpx.Client(base_url=server.url, transport=narrow, timeout=30, trust_env=False, headers=bearer) as reader:
        with reader.stream("GET", "/api/account/export") as answer:
            pieces = answer.iter_bytes()
            begun = next(pieces)
            crash(own_cluster, ben)
            whole = json.loads(begun + b"".join(pieces))
        assert len(whole["tables"]["user_settings"]) == 1000
        with pytest.raises(httpx.RemoteProtocolError), reader.stream("GET", "/api/account/export") as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            server.kill()
            for _ in pieces:
                pass
    server.start()
    again = eventually(lambda: ada.expect(200, "GET", "/api/account/export"), what="a whole one")
    assert again["tables"] == whole["tables"]
