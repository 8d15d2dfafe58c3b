"""Two releases on one database: this one, and the next, whose focus sessions are 1,800 s long and whose documents have another
shape. Both are built by scripts/test-releases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Client, Database, Server, eventually, mutation
from harness.shop import Shop, buy, wallet

OLD, NEXT = 1_500, 1_800


@pytest.fixture
def start_next(start_server: Callable[..., Server]) -> Callable[[], Server]:
    """Starts a process of the next release on the test's database."""
    def start() -> Server:
        return start_server(program=Path(os.environ["LOCKSTEP_NEXT_BINARY"]))
    return start


def length(client: Client) -> int:
    """How long a session is that this device starts; it ends it."""
    session = client.expect(201, "POST", "/api/focus", {"mode": "focus"})
    client.expect(200, "POST", f"/api/focus/{session['id']}/abandon")
    return session["duration_seconds"]


def epoch(client: Client) -> str:
    return client.pull()["cursor"].split(".")[0]


def schemas(database: Database) -> set[str]:
    return {row["nspname"] for row in database.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rules%%'")}


def keeps_the_old_shape(server: Server) -> int:
    """How often it has said so."""
    return server.log().count("Documents keep an older shape")


def test_each_answers_by_its_own_rules_and_what_one_did_the_other_knows(
    server: Server, client: Client, database: Database, start_next: Callable[[], Server],
) -> None:
    newer = start_next()
    assert len(schemas(database)) == 2
    # The session that was made at one works at the other, and so does the other's.
    there = Client(newer.url)
    there.token = client.token
    assert there.me()["user"]["id"] == client.user["id"]
    phone = client.other_device(url=newer.url)
    back = Client(server.url)
    back.token = phone.token
    assert back.me()["user"]["id"] == client.user["id"]
    for _ in range(3):
        assert (length(client), length(phone)) == (OLD, NEXT)
    # What changes at one is heard at the other's sockets.
    mine, theirs = client.socket().caught_up(), phone.socket().caught_up()
    client.set("theme", "dark")
    theirs.wait_setting("theme", "dark")
    phone.set("theme", "light")
    mine.wait_setting("theme", "light")
    session = phone.expect(201, "POST", "/api/focus", {"mode": "focus"})
    active = ("focus", "active")
    eventually(lambda: mine.replica.documents[active]["value"]["id"] == session["id"], what="the session at the older one")
    assert mine.replica.documents[active]["value"]["duration_seconds"] == NEXT
    client.expect(200, "POST", f"/api/focus/{session['id']}/abandon")
    eventually(lambda: active not in theirs.replica.documents, what="its end at the newer one")
    eventually(lambda: mine.replica.cursor == theirs.replica.cursor == client.pull()["cursor"], what="the same place")
    assert mine.replica.digest() == theirs.replica.digest() == client.digest()["digest"] == phone.digest()["digest"]
    for one in (there, phone, back):
        one.close()


def test_what_was_asked_of_one_happens_once_if_it_is_asked_of_the_other_again(
    server: Server, client: Client, database: Database, start_next: Callable[[], Server],
) -> None:
    shop = Shop(server, database)
    item = shop.item("Tea", 10)
    phone = client.other_device(url=start_next().url)
    # Coins from who runs the server, by whichever rules come first.
    shop.give(client, 100)
    for first, second in ((client, phone), (phone, client)):
        before = wallet(client)["total_coins"]
        key = str(uuid.uuid4())
        bought, again = buy(first, item, key), buy(second, item, key)
        assert bought.status_code == again.status_code == 201
        assert bought.json()["transaction"] == again.json()["transaction"]
        assert wallet(first)["total_coins"] == wallet(second)["total_coins"] == before - 10
        # The answer of the rules that decided is kept, whichever the other's would have been.
        start = mutation("focus.start", {"mode": "focus"})
        (told,), (kept,) = first.push(start)["results"], second.push(start)["results"]
        assert (told["status"], kept["status"]) == ("applied", "applied")
        assert not told.get("replayed") and kept["replayed"]
        assert kept["document"] == told["document"]
        assert told["document"]["value"]["duration_seconds"] == (OLD if first is client else NEXT)
        second.expect(200, "POST", f"/api/focus/{start['id']}/abandon")
    phone.close()


def test_the_next_release_is_rolled_back_and_the_older_goes_on(
    server: Server, client: Client, database: Database, start_next: Callable[[], Server],
) -> None:
    (own,) = schemas(database)
    newer = start_next()
    phone = client.other_device(url=newer.url)
    socket = client.socket().caught_up()
    phone.set("n", 1)
    assert newer.terminate() == 0
    phone.close()
    socket.wait_setting("n", 1)
    assert length(client) == OLD
    # Nobody uses the newer rules any more, but they go after a day only; and never those that a process uses.
    assert len(schemas(database)) == 2
    database.rows("UPDATE rules_used SET used_at = now() - interval '25 hours'")
    database.rows("CREATE SCHEMA rules_0123456789ab")
    newer.start()
    used = schemas(database)
    assert len(used) == 2 and own in used
    assert length(client) == OLD
    newer.terminate()
    database.rows("UPDATE rules_used SET used_at = now() - interval '25 hours'")
    server.restart()
    assert schemas(database) == {own}
    assert length(client) == OLD
    # Forwards again: the rules that went are put back.
    newer.start()
    assert schemas(database) == used
    later = client.other_device(url=newer.url)
    assert (length(later), length(client)) == (NEXT, OLD)
    later.close()


def test_the_shape_of_documents_changes_once_when_the_last_older_process_is_gone(
    server: Server, client: Client, start_next: Callable[[], Server],
) -> None:
    first = epoch(client)
    newer = start_next()
    phone = client.other_device(url=newer.url)
    socket = phone.socket().caught_up()
    # It has looked twice, and stayed with the older one.
    eventually(lambda: keeps_the_old_shape(newer) >= 2, what="the newer one to look twice")
    assert epoch(client) == epoch(phone) == first
    assert server.terminate() == 0
    eventually(lambda: epoch(phone) != first, what="the new shape")
    second = epoch(phone)
    phone.set("n", 1)
    socket.wait_setting("n", 1)
    # Back to the older one, while the newer one runs: the old shape, at once, and it stays.
    server.start()
    eventually(lambda: epoch(phone) == first, within=5, what="the old shape")
    looked = keeps_the_old_shape(newer)
    client.set("n", 2)
    socket.wait_setting("n", 2)
    eventually(lambda: keeps_the_old_shape(newer) >= looked + 2, what="the newer one to look twice")
    assert epoch(client) == epoch(phone) == first != second
    phone.close()
