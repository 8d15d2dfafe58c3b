"""What one user's sockets may ask, how long their sessions last, and that nobody waits for ever (contract, sections 1 and 7)."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Client, Cluster, Database, RawSocket, Server, eventually, frame, mutation


@pytest.fixture
def guarded(start_server: Callable[..., Server]) -> Server:
    return start_server(defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10", "LOCKSTEP_REQUESTS_PER_MINUTE": "60"})


def test_pushes_pulls_and_requests_of_a_user_count_together(guarded: Server, sign_up: Callable[..., Client]) -> None:
    user, other = sign_up(guarded), sign_up(guarded)
    socket = user.socket().caught_up()
    for number in range(20):
        after = len(socket.messages)
        socket.push(mutation("settings.set", {"key": "k", "value": number}))
        socket.wait_type("pushed", after=after)
    for _ in range(20):
        assert user.request("GET", "/api/settings").status_code == 200
    for _ in range(30):
        socket.send({"type": "sync"})
    problem = socket.wait_type("error")["problem"]
    assert problem["code"] == "rate_limited" and problem["status"] == 429
    assert 1 <= problem["retry_after_seconds"] <= 60 and "Try again in" in problem["detail"]
    answer = user.request("GET", "/api/settings")
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    # The socket stays, hears of changes, and a refused push has changed nothing.
    after = len(socket.messages)
    socket.push(mutation("settings.set", {"key": "refused", "value": 1}))
    socket.wait_type("error", after=after)
    socket.send({"type": "ping", "t": 1})
    assert socket.wait_type("pong") and socket.is_open
    assert other.request("GET", "/api/settings").status_code == 200
    time.sleep(problem["retry_after_seconds"])
    eventually(lambda: user.request("GET", "/api/settings").status_code == 200, within=20, what="the next is allowed")
    time.sleep(2)
    assert "refused" not in user.settings()


@pytest.mark.timed
def test_opening_a_socket_counts_as_a_request(guarded: Server, sign_up: Callable[..., Client]) -> None:
    user, other, anonymous = sign_up(guarded), sign_up(guarded), sign_up(guarded)
    opened = 0
    for _ in range(90):
        with RawSocket(guarded.url) as raw:
            answer = raw.upgrade(user.token)
        if answer.status != 101:
            break
        opened += 1
    assert answer.status == 429 and answer.json()["code"] == "rate_limited" and int(answer.headers["retry-after"]) >= 1
    assert 50 <= opened < 90 and user.request("GET", "/api/settings").status_code == 429
    assert other.socket().caught_up().is_open
    # Nor by the other door, a token in the first message.
    while anonymous.request("GET", "/api/settings").status_code == 200:
        pass
    with RawSocket(guarded.url) as raw:
        assert raw.upgrade().status == 101
        raw.send_frame(json.dumps({"type": "auth", "token": anonymous.token}))
        assert json.loads(raw.read_frame()[1])["problem"]["code"] == "rate_limited"
        assert raw.wait_close() == 4429


def test_who_goes_on_asking_what_is_refused_is_closed(guarded: Server, sign_up: Callable[..., Client]) -> None:
    socket = sign_up(guarded).socket().caught_up()
    for _ in range(60 + 200):
        if not socket.is_open:
            break
        socket.send({"type": "sync"})
    assert socket.wait_closed() == 4429


@pytest.mark.timed
def test_eighteen_sockets_that_ask_without_end_hold_no_other_user_up(
    start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    server = start_server(defaults=True, env={"LOCKSTEP_PASSWORD_COST": "10"})
    attacker, other = sign_up(server), sign_up(server)
    for start in range(0, 60, 3):
        attacker.patch({f"k{n}": "x" * 2_000 for n in range(start, start + 3)})
    raws = []
    for _ in range(18):
        raw = RawSocket(server.url)
        assert raw.upgrade(attacker.token).status == 101
        raws.append(raw)
    asks = frame('{"type":"sync"}') * 5_000
    def ask(raw: RawSocket) -> None:
        raw.socket.settimeout(1)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                raw.socket.send(asks)
                raw.socket.recv(1 << 20)
            except TimeoutError:
                continue
            except OSError:
                return
    before = server.metric("lockstep_merged_pulls_total")
    with ThreadPoolExecutor(18) as pool:
        jobs = [pool.submit(ask, raw) for raw in raws]
        time.sleep(1)
        delays = []
        for _ in range(40):
            began = time.monotonic()
            assert other.request("GET", "/api/settings").status_code == 200
            delays.append(time.monotonic() - began)
            time.sleep(0.05)
        for job in jobs:
            job.result()
    pulls = server.metric("lockstep_merged_pulls_total") - before
    print(f"the other's reads: median {statistics.median(delays) * 1e3:.1f} ms; {pulls:.0f} pulls")
    assert pulls < 700 and statistics.median(delays) < 0.15
    for raw in raws:
        raw.close(reset=True)


@pytest.mark.timed
def test_a_shared_change_reads_for_few_at_a_time_and_never_before_a_users_own(
    server: Server, database: Database, sign_up: Callable[..., Client],
) -> None:
    users = [sign_up(server) for _ in range(20)]
    sockets = [user.socket().caught_up() for user in users for _ in range(10)]
    delays = []
    for number in range(5):
        assert_shared(database, number % 2 == 0)
        began = time.monotonic()
        users[0].set("n", number)
        sockets[0].wait_setting("n", number)
        delays.append(time.monotonic() - began)
    assert statistics.median(delays) < 0.5
    place = users[0].pull()["cursor"]
    assert place
    for socket in sockets:
        socket.wait(lambda m: any(d["collection"] == "flags" for d in m.get("documents", [])), after=2, within=20)


def assert_shared(database: Database, on: bool) -> None:
    from harness.server import lockstep

    done = lockstep("flags", "set", "DISABLE_MASS_LOCAL_PERSISTENCE", "off" if on else "on",
                    env={"DATABASE_URL": database.url})
    assert done.returncode == 0, done.stderr


def test_a_socket_in_use_keeps_its_session(server: Server, client: Client, database: Database) -> None:
    socket = client.socket().caught_up()
    database.rows("UPDATE sessions SET expires_at = now() + interval '10 days'")
    def days() -> float:
        return float(database.value("SELECT extract(epoch FROM expires_at - now()) / 86400 FROM sessions"))
    eventually(lambda: days() > 29, within=15, what="the session was moved on")
    assert socket.is_open
    # And not again and again: what is a few hours old is left as it is. The socket below was let in, and is compared, later.
    database.rows("UPDATE sessions SET expires_at = now() + interval '29 days 5 hours'")
    other = client.other_device()
    theirs = other.socket().caught_up()
    other.logout()
    assert theirs.wait_closed() == 4401
    database.rows("UPDATE sync_heads SET version = version + 1")
    socket.wait(lambda m: m["type"] == "changes", after=len(socket.messages), within=12)
    assert days() < 29.5


def read(database: Database) -> int:
    """Rows of sessions that were read, by the table or by an index."""
    return int(database.value(
        "SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'sessions') + "
        "(SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'sessions')"))


@pytest.mark.timed
def test_signing_out_looks_at_no_session_but_the_users_sockets(
    talkative: Cluster, start_server: Callable[..., Server], sign_up: Callable[..., Client],
) -> None:
    database = talkative.database()
    server = start_server(database)
    rich, other = sign_up(server), sign_up(server)
    socket, others = rich.socket().caught_up(), other.socket().caught_up()
    # A sign-in reads the user's sessions, and its statistics come when they like: it is over before there are many.
    phone = rich.other_device()
    theirs = phone.socket().caught_up()
    user = rich.user["id"]
    # In one transaction: nobody plans a statement for the rows without the statistics that tell how many they are.
    database.rows(
        "INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at) "
        f"SELECT '{user}', gen_random_uuid(), '{rich.device['id']}', decode(md5(n::text) || md5((n + 1)::text), 'hex'), "
        "now() + interval '20 days' FROM generate_series(1, 5000) n; ANALYZE sessions")
    before = read(database)
    began = time.monotonic()
    phone.logout()
    assert theirs.wait_closed() == 4401 and time.monotonic() - began < 1
    assert socket.is_open and others.is_open
    # What was read is counted when its connections are closed.
    server.terminate()
    eventually(lambda: read(database) > before, what="the statistics")
    print(f"rows of sessions read: {read(database) - before}")
    assert read(database) - before < 1_000
    database.drop()


def test_a_socket_that_waits_for_its_results_across_a_restore_is_not_deaf(
    server: Server, client: Client, database: Database,
) -> None:
    for number in range(5):
        client.set("k", number)
    with RawSocket(server.url, receive_buffer=4096, timeout=30) as raw:
        # What it did not read yet keeps its results from leaving; meanwhile the database becomes another one, further back.
        for start in range(0, 120, 3):
            client.patch({f"f{n}": "x" * 16_000 for n in range(start, start + 3)})
        assert raw.upgrade(client.token).status == 101
        change = mutation("settings.set", {"key": "mine", "value": 1})
        raw.send(frame(json.dumps({"type": "push", "mutations": [change]})))
        eventually(lambda: client.settings().get("mine") == 1, what="the push was done")
        database.rows("UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid())")
        database.rows("UPDATE sync_heads SET version = 3, floor = 0")
        eventually(lambda: "every device here reads anew" in server.log(), within=15, what="the restore was noticed")
        raw.send(frame('{"type":"ping","t":7}'))
        kinds: list[str] = []
        while "pong" not in kinds:
            opcode, payload = raw.read_frame()
            if opcode == 1:
                kinds.append(json.loads(payload)["type"])
        assert "pushed" in kinds or "error" in kinds
