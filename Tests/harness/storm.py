"""Many clients at once on the market and on focus, while the server is killed: what was answered must stand, exactly once.

Every operation has an id of its own and is sent, by REST or by push, until somebody answers. What the answers say is kept,
and in the end the database must hold that and nothing else.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from .client import Client
from .postgres import Database
from .server import Server, lockstep

# For everybody, limited in stock, limited for a user, too dear for most, and withdrawn.
ITEMS = [
    {"name": "Tea", "cost_coins": 3}, {"name": "Coffee", "cost_coins": 7}, {"name": "Book", "cost_coins": 40},
    {"name": "Rare print", "cost_coins": 25, "stock_remaining": 300}, {"name": "Badge", "cost_coins": 30, "max_per_user": 2, "consumable": False},
    {"name": "Voyage", "cost_coins": 9_000}, {"name": "Gone", "cost_coins": 1, "available": False},
]


@dataclass
class Operation:
    """What was asked under one id, and the one answer to it."""

    id: str
    name: str
    args: dict[str, Any]
    status: str = ""
    code: str = ""
    output: Any = None

    @property
    def applied(self) -> bool:
        return self.status == "applied"


@dataclass
class Person:
    """A user, whom several clients share."""

    client: Client
    operations: list[Operation] = field(default_factory=list)
    bought: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    rewards: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.client.user["id"])


class Wire:
    """One device's connection, opened anew as often as it breaks."""

    def __init__(self, port: int, token: str, patience: float) -> None:
        self.port, self.patience = port, patience
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.connection: http.client.HTTPConnection | None = None
        self.repeats = 0

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """The answer, however often it has to be asked for; only 503 is none."""
        headers = {**self.headers, "Idempotency-Key": key} if key else self.headers
        data = json.dumps(body).encode() if body is not None else None
        end = time.monotonic() + self.patience
        while True:
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=8)
                    self.connection.connect()
                    self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connection.request(method, path, data, headers)
                response = self.connection.getresponse()
                text = response.read()
                if response.status != 503:
                    return response.status, json.loads(text) if text else None
            except (OSError, http.client.HTTPException):
                if self.connection is not None:
                    self.connection.close()
                self.connection = None
            if time.monotonic() > end:
                raise AssertionError(f"nobody answered {method} {path} within {self.patience} s")
            self.repeats += 1
            time.sleep(0.05)


class Storm:
    def __init__(
        self, server: Server, database: Database, operations: int, kills: int, clients: int = 50, users: int = 20, seed: int = 1,
        patience: float = 60,
    ) -> None:
        self.server, self.database = server, database
        self.total, self.kills, self.seed, self.patience = operations, kills, seed, patience
        self.clients = clients
        self.items = [{**item, "id": str(uuid.UUID(int=(7 << 76) | (2 << 62) | n)), "category": "storm"} for n, item in enumerate(ITEMS, 1)]
        file = server.folder / "storm.json"
        file.write_text(json.dumps(self.items))
        lockstep("catalog", "import", str(file), env={"DATABASE_URL": database.url}).check_returncode()
        self.people = [Person(Client(server.url).register()) for _ in range(users)]
        for person in self.people:
            # Enough that most purchases are paid, not so much that none is refused.
            coins = 2_000 + 4 * operations // users
            database.value("SELECT (coins_grant(%s, gen_random_uuid(), %s, 'For the storm')).status", (person.id, coins))
        # Signed in before anything is killed: a sign-in has no id by which it could be sent again.
        self.tokens = [str(self._person(number).client.other_device(f"Device {number}").token) for number in range(clients)]
        self.left = operations
        self.lock = threading.Lock()
        self.failures: list[BaseException] = []
        self.over = threading.Event()
        self.repeats = 0

    # The run

    def run(self) -> float:
        """Runs all operations with the kills evenly among them; how many seconds that took."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._guarded, args=(self._client, number)) for number in range(self.clients)]
        hurry = threading.Thread(target=self._guarded, args=(self._hurry,))
        for thread in [*threads, hurry]:
            thread.start()
        for kill in range(1, self.kills + 1):
            while self.left > self.total * (1 - kill / (self.kills + 1)) and not self.failures:
                time.sleep(0.01)
            self.server.restart(kill=True)
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        self.over.set()
        hurry.join()
        if self.failures:
            raise self.failures[0]
        return seconds

    def _guarded(self, work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as failure:  # noqa: BLE001 (whatever ends a thread fails the run)
            self.failures.append(failure)
            self.left = 0

    def _hurry(self) -> None:
        """Time passes faster: now and then a running session's end is moved to now, under the user's lock as the server does."""
        chance = random.Random(self.seed)
        with self.database.connect(autocommit=False) as connection:
            while not self.over.is_set():
                person = chance.choice(self.people)
                with connection.transaction():
                    connection.execute("SELECT FROM sync_heads WHERE user_id = %s FOR NO KEY UPDATE", (person.id,))
                    connection.execute(
                        "UPDATE focus_sessions SET started_at = started_at - (ends_at - clock_timestamp()), ends_at = clock_timestamp()"
                        " WHERE user_id = %s AND status = 'active' AND ends_at > clock_timestamp()", (person.id,))
                self.over.wait(0.05)

    def _client(self, number: int) -> None:
        chance = random.Random(self.seed * 1_000 + number)
        person = self._person(number)
        wire = Wire(self.server.port, self.tokens[number], self.patience)
        while True:
            with self.lock:
                if self.left <= 0:
                    break
                self.left -= 1
            if person.operations and chance.random() < 0.05:
                self._again(chance.choice(person.operations), wire, chance)
            else:
                operation = self._invent(person, chance, wire)
                self._send(operation, wire, chance)
                self._remember(person, operation)
        with self.lock:
            self.repeats += wire.repeats

    def _person(self, number: int) -> Person:
        return self.people[number % len(self.people)]

    def _invent(self, person: Person, chance: random.Random, wire: Wire) -> Operation:
        name = chance.choices(
            ["market.purchase", "market.redeem", "market.refund", "market.claim", "focus.start", "focus.pause", "focus.resume", "focus.complete", "focus.abandon"],
            [46, 8, 12, 6, 10, 4, 4, 7, 3])[0]
        item = chance.choice(self.items)
        args: dict[str, Any]
        match name:
            case "market.purchase":
                args = {"item_id": item["id"], "quantity": chance.choice([1, 1, 1, 2, 5])}
                if chance.random() < 0.3:
                    args["expected_cost_coins"] = chance.choice([item["cost_coins"], 1])
            case "market.redeem":
                args = {"item_id": item["id"], "quantity": chance.choice([1, 1, 2])}
            case "market.refund":
                args = {"transaction_id": chance.choice(person.bought or [str(uuid.uuid4())])}
            case "market.claim":
                _, answer = wire.ask("GET", "/api/market/rewards")
                person.rewards = [reward["id"] for reward in answer["rewards"]]
                args = {"reward_id": chance.choice(person.rewards or [str(uuid.uuid4())])}
            case "focus.start":
                args = {"duration_seconds": chance.choice([150, 600, 1500, 3000]), "replace": chance.random() < 0.2}
            case "focus.complete" | "focus.abandon":
                args = {"id": chance.choice(person.sessions[-3:] or [str(uuid.uuid4())])}
            case _:
                args = {}
        return Operation(str(uuid.UUID(int=chance.getrandbits(128), version=4)), name, args)

    def _send(self, operation: Operation, wire: Wire, chance: random.Random) -> bool:
        """By one door or the other; whether the answer says that it was a replay."""
        if chance.random() < 0.3:
            status, answer = wire.ask("POST", "/api/sync", {"mutations": [{"id": operation.id, "name": operation.name, "args": operation.args}]})
            assert status == 200, (status, answer)
            (result,) = answer["results"]
            operation.status, operation.output = result["status"], result.get("output")
            operation.code = result.get("problem", {}).get("code", "")
            return bool(result.get("replayed"))
        method, path, body = rest(operation)
        status, answer = wire.ask(method, path, body, operation.id)
        if status < 300:
            operation.status, operation.code, operation.output = "applied", "", answer
        else:
            assert status in (404, 409), (operation, status, answer)
            operation.status, operation.code, operation.output = "rejected", answer["code"], None
        return False

    def _again(self, first: Operation, wire: Wire, chance: random.Random) -> None:
        copy = Operation(first.id, first.name, first.args)
        self._send(copy, wire, chance)
        assert (copy.status, copy.code, copy.output) == (first.status, first.code, first.output), f"another answer to {first}: {copy}"

    def _remember(self, person: Person, operation: Operation) -> None:
        assert operation.status in ("applied", "rejected"), operation
        person.operations.append(operation)
        if operation.applied and operation.name == "market.purchase":
            person.bought.append(operation.id)
        elif operation.applied and operation.name == "focus.start":
            person.sessions.append(operation.id)

    # The reckoning

    def audit(self) -> str:
        done = lockstep("audit", env={"DATABASE_URL": self.database.url}, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def reckon(self) -> Counter[str]:
        """Holds the database against every answer; how often each answer was given."""
        said: Counter[str] = Counter()
        for person in self.people:
            for operation in person.operations:
                said[f"{operation.name} {operation.code or 'applied'}"] += 1
            self._reckon(person)
            replica = person.client.replica()
            assert replica.digest() == person.client.digest()["digest"]
        limited = next(item for item in self.items if "stock_remaining" in item)
        sold = self.database.value("SELECT coalesce(sum(quantity), 0) FROM user_inventory WHERE item_id = %s", (limited["id"],))
        left = self.database.value("SELECT stock_remaining FROM market_items WHERE id = %s", (limited["id"],))
        assert sold + left == limited["stock_remaining"]
        return said

    def _reckon(self, person: Person) -> None:
        by_id = {operation.id: operation for operation in person.operations}
        kept = {str(row["id"]): row for row in self.database.rows("SELECT id, name, status FROM mutations WHERE user_id = %s", (person.id,))}
        assert {id: row["status"] for id, row in kept.items() if row["name"] != "market.grant"} == {id: it.status for id, it in by_id.items()}
        ledger = {str(row["id"]): row for row in self.database.rows(
            "SELECT id, coins_amount, hash, reason FROM market_transactions WHERE user_id = %s", (person.id,))}
        paying = {id: it for id, it in by_id.items() if it.applied and it.name in ("market.purchase", "market.refund", "market.claim")}
        for id, operation in paying.items():
            shown = (operation.output or {}).get("transaction")
            if shown is not None:
                assert (ledger[id]["coins_amount"], ledger[id]["hash"]) == (shown["coins_amount"], shown["hash"]), operation
        for id, row in ledger.items():
            caused = row["reason"] == "For the storm" or (id in person.sessions if row["reason"] == "focus_session" else id in paying)
            assert caused, f"nobody asked for {row}"
        assert set(paying) <= set(ledger)
        wallet = person.client.expect(200, "GET", "/api/market/wallet")
        assert wallet["total_coins"] == sum(row["coins_amount"] for row in ledger.values()) >= 0
        used: dict[str, int] = defaultdict(int)
        for operation in by_id.values():
            if operation.applied and operation.name == "market.redeem":
                used[operation.args["item_id"]] += operation.args["quantity"]
        rows = person.client.expect(200, "GET", "/api/market/inventory")["purchases"]
        assert {row["item_id"]: row["redeemed"] for row in rows if row["redeemed"]} == used

    def close(self) -> None:
        for person in self.people:
            person.client.close()


def rest(operation: Operation) -> tuple[str, str, Any]:
    """The REST call that is this mutation."""
    args = operation.args
    match operation.name:
        case "market.purchase" | "market.redeem" | "market.refund":
            return "POST", f"/api/market/{operation.name.removeprefix('market.')}", args
        case "market.claim":
            return "POST", f"/api/market/rewards/{args['reward_id']}/claim", None
        case "focus.start":
            return "POST", "/api/focus", args
        case "focus.pause":
            return "POST", "/api/focus/pause", None
        case "focus.resume":
            return "DELETE", "/api/focus/pause", None
        case _:
            return "POST", f"/api/focus/{args['id']}/{operation.name.removeprefix('focus.')}", None
