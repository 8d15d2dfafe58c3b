"""`lockstep catalog import`: what a file may say, what it does, and who hears of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import Client, Database, Server, documents, lockstep
from harness.server import binary, environment

DEMO = Path(__file__).resolve().parents[2] / "Catalog" / "demo.json"


@pytest.fixture
def catalog(database: Database, tmp_path: Path) -> Callable[..., Any]:
    """Runs the import of `what`: a text, bytes, or anything that is written as JSON."""
    lockstep("migrate", "up", env={"DATABASE_URL": database.url}).check_returncode()

    def run(what: Any, *arguments: str) -> Any:
        file = tmp_path / "catalog.json"
        if isinstance(what, (str, bytes)):
            file.write_bytes(what.encode() if isinstance(what, str) else what)
        else:
            file.write_text(json.dumps(what, indent=2))
        return lockstep("catalog", "import", str(file), *arguments, env={"DATABASE_URL": database.url})

    return run


def item(number: int, **members: Any) -> dict[str, Any]:
    return {"id": f"0190b1c0-0000-7000-8000-{number:012}", "name": f"Item {number}", "cost_coins": number, "category": "things", **members}


def stored(database: Database) -> dict[str, dict[str, Any]]:
    rows = database.rows("SELECT * FROM market_items")
    return {row["name"]: row for row in rows}


def shared_head(database: Database) -> int:
    return database.value("SELECT version FROM sync_shared")


def test_a_file_is_added_changed_and_withdrawn_under_one_version_each(catalog: Callable[..., Any], database: Database) -> None:
    head = shared_head(database)
    done = catalog([item(1), item(2, stock_remaining=5), item(3)])
    assert done.returncode == 0 and f"3 to add, 0 to change, 0 to withdraw, 0 unchanged: written as version {head + 1}" in done.stdout
    assert {row["version"] for row in stored(database).values()} == {head + 1}
    done = catalog({"items": [item(1), item(2, cost_coins=20, rarity="epic"), item(4, available=False)]})
    lines = done.stdout.splitlines()
    assert lines[0].startswith("add       0190b1c0-0000-7000-8000-000000000004  Item 4: 4 coins, things, common, not available")
    assert lines[1].endswith('Item 2: cost_coins 2 → 20, rarity "common" → "epic"') and lines[1].startswith("change ")
    assert re.fullmatch(r"withdraw  \S+  Item 3", lines[2])
    assert lines[3] == "1 to add, 1 to change, 1 to withdraw, 1 unchanged: written as version " + str(head + 2)
    now = stored(database)
    assert {name: row["version"] for name, row in now.items()} == {
        "Item 1": head + 1, "Item 2": head + 2, "Item 3": head + 2, "Item 4": head + 2}
    assert now["Item 3"]["available"] is False and now["Item 2"]["stock_remaining"] == 5
    assert catalog([item(1), item(2, cost_coins=20, rarity="epic"), item(4, available=False)]).stdout == (
        "0 to add, 0 to change, 0 to withdraw, 3 unchanged: nothing to write\n")
    assert shared_head(database) == head + 2
    back = catalog([item(3), item(1), item(2), item(4)])
    assert "available false → true" in back.stdout and stored(database)["Item 3"]["available"] is True


def test_a_dry_run_says_the_same_and_writes_nothing(catalog: Callable[..., Any], database: Database) -> None:
    head = shared_head(database)
    dry = catalog([item(1)], "--dry-run")
    assert dry.returncode == 0 and dry.stdout.endswith("1 to add, 0 to change, 0 to withdraw, 0 unchanged: nothing was written\n")
    assert stored(database) == {} and shared_head(database) == head
    assert catalog([item(1)]).stdout.splitlines()[0] == dry.stdout.splitlines()[0]


def test_a_dry_run_waits_for_nobody(catalog: Callable[..., Any], database: Database) -> None:
    with database.connect(autocommit=False) as purchase:
        purchase.execute("SELECT version FROM sync_shared FOR NO KEY UPDATE")
        assert catalog([item(1)], "--dry-run").returncode == 0


def test_nobody_waits_for_who_reads_what_an_import_says(catalog: Callable[..., Any], database: Database, tmp_path: Path) -> None:
    """`| less`: more than a pipe holds is said, and nobody reads on."""
    file = tmp_path / "many.json"
    file.write_text(json.dumps([item(number, name="n" * 200) for number in range(1_000)]))
    command = subprocess.Popen(
        [binary(), "catalog", "import", str(file)], env=environment({"DATABASE_URL": database.url}), stdout=subprocess.PIPE)
    assert command.stdout is not None
    try:
        # The first line is out, so the pipe is about to be full.
        assert command.stdout.read(1) == b"a"
        with database.connect(autocommit=False) as purchase:
            purchase.execute("SELECT version FROM sync_shared FOR NO KEY UPDATE NOWAIT")
        assert database.value("SELECT count(*) FROM market_items") == 1_000
        assert command.poll() is None, "it still waits to be read"
    finally:
        said, _ = command.communicate()
    assert command.returncode == 0 and said.splitlines()[-1].startswith(b"1000 to add")


def test_stock_stays_as_it_is_unless_the_file_says_it(catalog: Callable[..., Any], database: Database) -> None:
    catalog([item(1, stock_remaining=5)])
    database.rows("UPDATE market_items SET stock_remaining = 2")
    catalog([item(1, name="Renamed")])
    assert stored(database)["Renamed"]["stock_remaining"] == 2
    assert "stock_remaining 2 → 7" in catalog([item(1, name="Renamed", stock_remaining=7)]).stdout
    assert "stock_remaining 7 → null" in catalog([item(1, name="Renamed", stock_remaining=None)]).stdout


def test_every_member_arrives(catalog: Callable[..., Any], database: Database) -> None:
    whole = item(
        1, name="Ünïcode ☕", description="d" * 2000, rarity="legendary", icon_url="/web/icons/cup.svg", available_from="2026-01-01T01:00:00+01:00",
        available_until="2026-02-01T00:00:00.5Z", stock_remaining=0, max_per_user=3, consumable=False, cost_coins=2**53 - 1, personal=False, version=9)
    assert catalog([whole]).returncode == 0
    row = stored(database)["Ünïcode ☕"]
    assert (row["available_from"].isoformat(), row["available_until"].isoformat()) == ("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00.500000+00:00")
    assert (row["stock_remaining"], row["max_per_user"], row["consumable"], row["cost_coins"]) == (0, 3, False, 2**53 - 1)
    assert (row["rarity"], row["icon_url"], len(row["description"])) == ("legendary", "/web/icons/cup.svg", 2000)
    assert "nothing to write" in catalog([whole]).stdout


@pytest.mark.parametrize(("text", "said"), [
    ('[\n  {"id": "x",}\n]', "line 2, column"), ("[\n\n{\n", "line 4: column 1"), ("", "line 1: column 1"), ('{"items": 5}', "an array of items"),
    ("[1", "line 1: column 3"), ('[{"a":1,"a":2}]', "twice"), (b"\xff\xfe[\x00]", "line 1: column 1"), ("[]\nx", "line 2: column 1"),
])
def test_what_is_no_json_is_named_by_line_and_column(catalog: Callable[..., Any], database: Database, text: Any, said: str) -> None:
    done = catalog(text)
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert said.replace(", column", ": column") in done.stderr and "nothing was changed" in done.stderr
    assert stored(database) == {}


@pytest.mark.parametrize(("members", "said"), [
    ({"cost_coins": -1}, "cost_coins: A whole number from 0"), ({"cost_coins": 1.5}, "cost_coins"), ({"cost_coins": 2**53}, "cost_coins"),
    ({"cost_coins": None}, "cost_coins: This member is missing"), ({"rarity": "mythic"}, "not “mythic”"), ({"name": ""}, "name"),
    ({"name": "n" * 201}, "name"), ({"name": " "}, "More than blanks"), ({"description": "d" * 2001}, "description"), ({"category": "c" * 101}, "category"),
    ({"id": "5"}, "id: a UUID should stand here"), ({"id": None}, "a new item may take 0"), ({"stock_remaining": -1}, "stock_remaining"),
    ({"max_per_user": 0}, "max_per_user"), ({"available": 1}, "available"), ({"icon_url": "javascript:alert(1)"}, "icon_url"), ({"icon_url": "//evil.example/x"}, "icon_url"),
    ({"available_from": "2026-02-30T00:00:00Z"}, "available_from"), ({"available_from": "tomorrow"}, "A time such as"),
    ({"available_from": "2026-02-01T00:00:00Z", "available_until": "2026-01-01T00:00:00Z"}, "ends before it begins"),
    ({"available_from": "2026-02-01T00:00:00Z", "available_until": "2026-02-01T00:00:00Z"}, "ends before it begins"),
    ({"cost": 5}, "cost: There is no such member"), ({"personal": True}, "personal"),
])
def test_a_wrong_item_is_named_with_its_number_and_line_and_nothing_is_changed(
    catalog: Callable[..., Any], database: Database, members: dict[str, Any], said: str,
) -> None:
    done = catalog([item(1), item(2, **members)])
    assert done.returncode == 1 and done.stdout == "" and stored(database) == {}
    assert "catalog.json: line 8: item 2, " in done.stderr and said in done.stderr


def test_all_faults_of_a_file_are_told_at_once(catalog: Callable[..., Any], database: Database) -> None:
    done = catalog([item(1, cost_coins=-1, rarity=1), item(2), 5, item(2)])
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 5 and lines[-1].endswith("catalog.json has 4 faults; nothing was changed")
    assert "item 1, cost_coins" in lines[0] and "item 1, rarity" in lines[1] and "item 3: A JSON object" in lines[2]
    assert lines[3].endswith("line 16: item 4 has the id of item 2")


def test_a_file_that_cannot_be_read_is_one_line(database: Database, tmp_path: Path) -> None:
    done = lockstep("catalog", "import", str(tmp_path / "none.json"), env={"DATABASE_URL": database.url})
    assert done.returncode == 1 and done.stderr == f"lockstep: {tmp_path}/none.json cannot be read\n"


def test_a_database_that_was_never_migrated_is_told_apart(database: Database) -> None:
    done = lockstep("catalog", "import", str(DEMO), env={"DATABASE_URL": database.url})
    assert done.returncode == 1 and "lockstep migrate up" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.timed
def test_sockets_of_every_process_hear_of_an_import_within_a_second(
    server: Server, client: Client, database: Database, start_server: Callable[..., Server], sign_up: Callable[..., Client], tmp_path: Path,
) -> None:
    elsewhere = sign_up(start_server())
    sockets = [client.socket().caught_up(), elsewhere.socket().caught_up()]
    marks = [len(socket.messages) for socket in sockets]
    assert lockstep("catalog", "import", str(DEMO), env={"DATABASE_URL": database.url}).returncode == 0
    for socket, mark in zip(sockets, marks, strict=True):
        assert len(documents(socket.changes(after=mark, within=1), "items")) == 43
        assert socket.replica.digest() == client.digest()["digest"] or socket is sockets[1]
    file = tmp_path / "less.json"
    file.write_text(json.dumps(json.loads(DEMO.read_text())[1:]))
    mark = len(sockets[1].messages)
    lockstep("catalog", "import", str(file), env={"DATABASE_URL": database.url}).check_returncode()
    (gone,) = documents(sockets[1].changes(after=mark, within=1), "items")
    assert gone["value"]["available"] is False


def test_an_import_and_purchases_of_the_last_pieces_do_not_disturb_each_other(
    server: Server, client: Client, database: Database, catalog: Callable[..., Any],
) -> None:
    """The stock is read behind the lock that purchases take: none that was sold meanwhile comes back."""
    thing = item(1, cost_coins=1, stock_remaining=40)
    catalog([thing])
    lockstep("coins", "grant", client.email, "100", "--reason", "x", env={"DATABASE_URL": database.url}).check_returncode()
    del thing["stock_remaining"]
    bought = 0
    for round_ in range(8):
        for _ in range(3):
            bought += client.request(
                "POST", "/api/market/purchase", {"item_id": thing["id"]}, headers={"Idempotency-Key": str(uuid.uuid4())}).status_code == 201
        assert catalog([{**thing, "name": f"Round {round_}"}]).returncode == 0
    assert bought == 24 and database.value("SELECT stock_remaining FROM market_items") == 16


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """Under /tmp, which PostgreSQL's user may enter: pytest's own folders are for us alone."""
    folder = Path(tempfile.mkdtemp(prefix="lockstep-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class TestDemo:
    def test_the_demo_has_what_a_market_needs(self) -> None:
        items = json.loads(DEMO.read_text())
        always = [it for it in items if not {"stock_remaining", "max_per_user", "available_from", "available_until"} & set(it)]
        assert 38 <= len(items) <= 50 and len(always) >= 30
        assert sum(it["cost_coins"] < 400 for it in always) >= 12 and any(it.get("consumable", True) for it in always)
        assert any("stock_remaining" in it for it in items) and any("available_until" in it for it in items)
        assert {it["rarity"] for it in items} == {"common", "rare", "epic", "legendary"}

    def test_its_icons_are_served(self, shared_server: Server) -> None:
        for url in {it["icon_url"] for it in json.loads(DEMO.read_text())}:
            answer = httpx.get(shared_server.url + url)
            assert answer.status_code == 200 and answer.headers["content-type"] == "image/svg+xml" and answer.text.startswith("<svg ")

    def test_a_server_with_a_private_database_seeds_it_once(
        self, start_server: Callable[..., Server], sign_up: Callable[..., Client], data_folder: Path,
    ) -> None:
        # A folder of a name that would have to be quoted.
        data = str(data_folder / "my data, o'clock")
        server = start_server(None, env={"LOCKSTEP_DATA_DIR": data})
        client = sign_up(server)
        assert len(client.expect(200, "GET", "/api/market/items", params={"limit": 100})["items"]) >= 40
        before = documents(client.pull(), "items")
        server.restart()
        assert documents(client.pull(), "items") == before and len(before) == 43
        granted = lockstep("coins", "grant", client.email, "5", "--reason", "x", env={"LOCKSTEP_DATA_DIR": data})
        assert granted.stdout.endswith("the balance is 5\n"), "a command shares the private PostgreSQL with the server"
        assert client.expect(200, "GET", "/api/market/wallet")["total_coins"] == 5
        assert server.terminate() == 0

    def test_it_is_seeded_where_asked_and_only_into_an_empty_catalogue(
        self, start_server: Callable[..., Server], sign_up: Callable[..., Client], database: Database, catalog: Callable[..., Any],
    ) -> None:
        catalog([item(1)])
        catalog([])
        start_server(env={"LOCKSTEP_SEED_DEMO": "on"})
        assert list(stored(database)) == ["Item 1"] and stored(database)["Item 1"]["available"] is False
        database.rows("DELETE FROM market_items")
        start_server()
        assert stored(database) == {}
        start_server(env={"LOCKSTEP_SEED_DEMO": "on"})
        assert len(stored(database)) == 43

    def test_two_servers_that_start_together_seed_once(self, start_server: Callable[..., Server], database: Database) -> None:
        servers = [start_server(env={"LOCKSTEP_SEED_DEMO": "true"}, wait=False) for _ in range(2)]
        for server in servers:
            server.wait_ready()
        assert database.value("SELECT count(*) FROM market_items") == 43
        assert database.value("SELECT count(DISTINCT version) FROM market_items") == 1

    def test_a_wrong_value_is_named(self, start_server: Callable[..., Server]) -> None:
        server = start_server(env={"LOCKSTEP_SEED_DEMO": "perhaps"}, wait=False)
        assert server.wait_exit() == 1 and "LOCKSTEP_SEED_DEMO is “perhaps”" in server.log()


def test_an_id_under_which_a_user_made_something_is_refused_by_name(
    start_server: Callable[..., Server], sign_up: Callable[..., Client], catalog: Callable[..., Any], database: Database,
) -> None:
    client = sign_up(start_server(env={"LOCKSTEP_SEED_DEMO": "off"}))
    taken, free = item(1, stock_remaining=5), item(2)
    client.expect(201, "POST", "/api/market/items", {"name": "free", "cost_coins": 0},
                  headers={"Idempotency-Key": taken["id"]})
    for flags in (["--dry-run"], []):
        done = catalog([taken, free], *flags)
        assert done.returncode == 1 and taken["id"] in done.stderr and free["id"] not in done.stderr
    assert stored(database) == {}
