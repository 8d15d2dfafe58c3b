"""The socket (contract, section 7)."""

from __future__ import annotations

import json
import statistics
import struct
import time
import uuid
from datetime import datetime
from itertools import pairwise

import httpx
import pytest

from harness import Client, Server, eventually, mutation, nobodys_token
from harness.realtime import Realtime
from harness.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, frame


def upgrade(raw: RawSocket, target: str = "/api/realtime", **headers: str) -> int:
    lines = {"Host": raw.host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "lockstep.v1",
             **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw.send(f"GET {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value) + "\r\n")
    return raw.response().status


@pytest.fixture
def raw(user: Client):  # type: ignore[no-untyped-def]
    with RawSocket(user.url) as raw:
        assert upgrade(raw, Authorization=f"Bearer {user.token}") == 101
        assert json.loads(raw.read_frame()[1])["type"] == "welcome"
        assert json.loads(raw.read_frame()[1])["type"] == "changes"
        yield raw


def close_code(raw: RawSocket) -> int:
    return raw.wait_close()


class TestAdmission:
    def test_welcome_then_changes_even_when_there_are_none(self, user: Client) -> None:
        socket = user.socket()
        welcome = socket.welcome()
        assert welcome["heartbeat_seconds"] == 25 and welcome["protocol"] == 1
        assert welcome["device_id"] == user.me()["device"]["id"]
        changes = socket.changes()
        assert changes["reset"] is True and changes["mutation_ids"] == []
        again = user.socket(cursor=changes["cursor"]).changes()
        assert again["reset"] is False and again["previous"] == again["cursor"] == changes["cursor"]

    def test_by_first_message(self, user: Client) -> None:
        socket = Realtime(user.url)
        socket.authenticate(user.token)
        assert socket.welcome() and socket.changes()

    @pytest.mark.parametrize("first", [{"type": "auth", "token": nobodys_token()}, {"type": "ping", "t": 1}, {"type": "auth", "token": "x"}])
    def test_a_wrong_first_message_is_4401(self, user: Client, first: dict[str, object]) -> None:
        socket = Realtime(user.url)
        socket.send(first)
        assert socket.wait_closed() == 4401

    def test_no_first_message_is_4401_after_five_seconds(self, user: Client) -> None:
        began = time.monotonic()
        assert Realtime(user.url).wait_closed(within=10) == 4401
        assert 4 < time.monotonic() - began < 8

    def test_a_wrong_bearer_is_4401(self, user: Client) -> None:
        assert Realtime(user.url, token=nobodys_token()).wait_closed() == 4401

    def test_a_cookie_needs_an_origin_of_ours(self, user: Client) -> None:
        cookie = f"lockstep_session={user.token}"
        for origin, status in [(user.url, 101), ("https://evil.example", 403), ("", 403)]:
            with RawSocket(user.url) as raw:
                assert upgrade(raw, Cookie=cookie, Origin=origin) == status

    def test_without_an_upgrade_it_says_what_it_is(self, user: Client) -> None:
        answer = user.request("GET", "/api/realtime")
        assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")

    def test_only_our_subprotocol(self, user: Client) -> None:
        for offered, status in [("lockstep.v1", 101), ("chat, lockstep.v1", 101), ("", 101), ("chat", 426)]:
            with RawSocket(user.url) as raw:
                assert upgrade(raw, Authorization=f"Bearer {user.token}", Sec_WebSocket_Protocol=offered) == status

    def test_the_twenty_first_socket_is_4429(self, user: Client) -> None:
        sockets = [user.socket().caught_up() for _ in range(20)]
        assert user.socket().wait_closed() == 4429
        sockets[0].close()
        eventually(lambda: user.socket().caught_up().is_open, within=5, what="a free place")

    def test_an_upgrade_at_another_path_is_none(self, user: Client) -> None:
        with RawSocket(user.url) as raw:
            assert upgrade(raw, target="/api/settings", Authorization=f"Bearer {user.token}") == 200


class TestChanges:
    @pytest.mark.timed
    def test_a_change_is_on_the_other_device_at_once(self, user: Client) -> None:
        phone = user.other_device()
        socket = phone.socket().caught_up()
        delays = []
        for number in range(50):
            began = time.monotonic()
            user.set("n", number)
            delays.append(socket.wait_setting("n", number) - began)
        assert statistics.median(delays) < 0.1

    def test_frames_follow_one_another(self, user: Client) -> None:
        socket = user.socket().caught_up()
        for number in range(30):
            user.set(f"k{number % 7}", number)
        user.patch({"a": 1, "b": 2})
        user.delete("a")
        socket.wait_cursor(user.pull()["cursor"])
        frames = [message for message in socket.messages if message["type"] == "changes"]
        for one, following in pairwise(frames):
            assert following["previous"] == one["cursor"]
        assert socket.replica.documents == user.replica().documents

    def test_catching_up_brings_what_was_missed(self, user: Client) -> None:
        cursor = user.pull()["cursor"]
        user.set("a", 1)
        user.set("b", 2)
        frame_ = user.socket(cursor=cursor).changes()
        assert frame_["previous"] == cursor and [d["id"] for d in frame_["documents"]] == ["a", "b"]

    def test_frames_name_the_mutations_they_carry(self, user: Client) -> None:
        socket = user.socket().caught_up()
        key = str(uuid.uuid4())
        user.request("POST", "/api/settings", {"key": "k", "value": 1}, headers={"Idempotency-Key": key})
        socket.wait_setting("k", 1)
        assert socket.messages[-1]["mutation_ids"] == [key] or key in str(socket.messages)

    def test_results_come_behind_the_changes(self, user: Client) -> None:
        socket = user.socket().caught_up()
        changes = [mutation("settings.set", {"key": f"k{n}", "value": n}) for n in range(50)]
        after = len(socket.messages)
        socket.push(*changes)
        pushed = socket.wait_type("pushed", after=after)
        assert [result["id"] for result in pushed["results"]] == [change["id"] for change in changes]
        at = socket.messages.index(pushed)
        seen = [i for message in socket.messages[:at] if message["type"] == "changes" for i in message["mutation_ids"]]
        assert set(seen) == {change["id"] for change in changes}

    def test_a_replayed_push_is_answered(self, user: Client) -> None:
        socket = user.socket().caught_up()
        change = mutation("settings.set", {"key": "k", "value": 1})
        for replayed in [None, True]:
            after = len(socket.messages)
            socket.push(change)
            assert socket.wait_type("pushed", after=after)["results"][0].get("replayed") is replayed

    def test_sync_brings_changes_from_there(self, user: Client) -> None:
        user.set("a", 1)
        socket = user.socket().caught_up()
        after = len(socket.messages)
        socket.send({"type": "sync", "cursor": "nonsense"})
        assert socket.changes(after=after)["reset"] is True

    def test_ping_is_answered_by_pong_with_the_servers_time(self, user: Client) -> None:
        socket = user.socket().caught_up()
        began = time.time()
        socket.send({"type": "ping", "t": {"any": [1]}})
        pong = socket.wait_type("pong")
        assert set(pong) == {"type", "t", "server_time"} and pong["t"] == {"any": [1]}
        told = datetime.fromisoformat(pong["server_time"]).timestamp()
        # The clock of the database, which is on this machine; whole milliseconds.
        assert began - 0.1 <= told <= time.time() + 0.1

    def test_presence_counts_devices_and_not_sockets(self, user: Client) -> None:
        socket = user.socket().caught_up()
        phone = user.other_device(name="Phone")
        tabs = [phone.socket().caught_up() for _ in range(2)]
        online = lambda: [  # noqa: E731
            device["name"] for message in socket.messages[-1:] if message["type"] == "presence" for device in message["devices"] if device["online"]]
        eventually(lambda: "Phone" in online(), within=5, what="the phone online")
        for tab in tabs:
            tab.close()
        eventually(lambda: online() == ["Test device"], within=8, what="the phone offline")

    def test_a_malformed_push_is_an_error_and_the_socket_lives(self, user: Client) -> None:
        socket = user.socket().caught_up()
        socket.send({"type": "push", "mutations": [{"id": "x"}]})
        assert socket.wait_type("error")["problem"]["code"] == "invalid_body"
        socket.send({"type": "ping", "t": 1})
        assert socket.wait_type("pong")


class TestEnd:
    @pytest.mark.timed
    def test_signing_out_closes_this_sessions_sockets(self, user: Client) -> None:
        phone = user.other_device()
        mine, theirs = user.socket().caught_up(), phone.socket().caught_up()
        began = time.monotonic()
        user.logout()
        assert mine.wait_closed() == 4401 and time.monotonic() - began < 1
        assert theirs.is_open

    def test_an_expired_session_closes_its_sockets(self, server: Server, client: Client, database) -> None:  # type: ignore[no-untyped-def]
        socket = client.socket().caught_up()
        database.rows("UPDATE sessions SET expires_at = now()")
        assert socket.wait_closed(within=8) == 4401

    def test_a_stopping_server_says_1001(self, server: Server, client: Client) -> None:
        socket = client.socket().caught_up()
        assert server.terminate() == 0
        assert socket.wait_closed() == 1001


class TestFrames:
    """What RFC 6455 forbids, by hand."""

    @pytest.mark.parametrize(("data", "code"), [
        (frame("{}", masked=False), 1002), (frame("{}", reserved=4), 1002), (frame("{}", reserved=1), 1002),
        (frame(b"", opcode=0x3), 1002), (frame(b"", opcode=0xB), 1002), (frame("x", opcode=CONTINUATION), 1002),
        (frame("a", final=False) + frame("b"), 1002), (frame(b"", opcode=PING, final=False), 1002),
        (frame(b"x" * 126, opcode=PING), 1002), (frame(b"x", opcode=CLOSE), 1002),
        (frame(struct.pack(">H", 1005), opcode=CLOSE), 1002), (frame(struct.pack(">H", 999), opcode=CLOSE), 1002),
        (frame(struct.pack(">H", 1000) + b"\xff", opcode=CLOSE), 1007),
        (frame(b"\xff\xfe"), 1007), (frame(b"\xc3", final=False) + frame(b"x", opcode=CONTINUATION), 1007),
        (frame(b"{}", opcode=BINARY), 1003), (frame("x" * 65_537), 1009), (frame("x", length=1 << 40, length_bytes=8), 1009),
        (frame("x" * 40_000, final=False) + frame("x" * 40_000, opcode=CONTINUATION), 1009),
        (frame("nonsense"), 4400), (frame("[]"), 4400), (frame('{"type": "what"}'), 4400), (frame('{"type": 5}'), 4400),
        (frame("[" * 60_000), 4400), (frame('{"type": "auth"}'), 4400),
    ], ids=lambda it: str(it) if isinstance(it, int) else f"{len(it)} bytes")
    def test_a_violation_closes_with_its_code(self, raw: RawSocket, data: bytes, code: int) -> None:
        raw.send(data)
        assert close_code(raw) == code

    def test_fragments_with_control_frames_between_are_one_message(self, raw: RawSocket) -> None:
        raw.send(frame('{"type": "pi', final=False) + frame(b"hello", opcode=PING) + frame('ng", "t', final=False, opcode=CONTINUATION))
        raw.send(frame('": 7}', opcode=CONTINUATION))
        kinds = []
        while len(kinds) < 2:
            opcode, payload = raw.read_frame()
            if opcode == PONG:
                assert payload == b"hello"
                kinds.append(opcode)
            elif opcode == TEXT and json.loads(payload)["type"] == "pong":
                assert json.loads(payload)["t"] == 7
                kinds.append(opcode)
        assert kinds == [PONG, TEXT]

    def test_a_message_of_64_kib_is_taken(self, raw: RawSocket) -> None:
        head = '{"type": "ping", "t": 1, "x": "'
        raw.send(frame(head + "x" * (65_536 - len(head) - 2) + '"}'))
        while True:
            message = json.loads(raw.read_frame()[1])
            if message["type"] == "pong":
                break

    def test_a_close_is_answered(self, raw: RawSocket) -> None:
        raw.send(frame(struct.pack(">H", 1000), opcode=CLOSE))
        assert close_code(raw) == 1000
        raw.wait_end()

    def test_a_socket_that_vanishes_leaves_nothing_behind(self, server: Server, client: Client) -> None:
        client.socket().caught_up().close()
        before = server.descriptors()
        for _ in range(15):
            raw = RawSocket(server.url)
            assert upgrade(raw, Authorization=f"Bearer {client.token}") == 101
            raw.close(reset=True)
        eventually(lambda: server.descriptors() <= before, within=10, what="closed descriptors")
        assert httpx.get(f"{server.url}/healthz").status_code == 200


class TestOnePacket:
    """Messages that come in one packet are done one after another."""

    def test_two_pushes_in_one_packet_are_both_answered_in_order(self, raw: RawSocket) -> None:
        changes = [mutation("settings.set", {"key": f"k{n}", "value": n}) for n in range(6)]
        raw.send(b"".join(frame(json.dumps({"type": "push", "mutations": [change]})) for change in changes))
        answered: list[str] = []
        while len(answered) < len(changes):
            message = json.loads(raw.read_frame()[1])
            if message["type"] == "pushed":
                answered += [result["id"] for result in message["results"]]
        assert answered == [change["id"] for change in changes]

    def test_signing_in_and_pushing_in_one_packet(self, user: Client) -> None:
        with RawSocket(user.url) as raw:
            assert upgrade(raw) == 101
            push = {"type": "push", "mutations": [mutation("settings.set", {"key": "k", "value": 1})]}
            raw.send(frame(json.dumps({"type": "auth", "token": user.token})) + frame(json.dumps(push)))
            kinds = []
            while "pushed" not in kinds:
                kinds.append(json.loads(raw.read_frame()[1])["type"])
            assert kinds[:2] == ["welcome", "changes"]

    def test_signing_in_twice_takes_one_place(self, user: Client) -> None:
        for _ in range(21):
            with RawSocket(user.url) as raw:
                assert upgrade(raw) == 101
                raw.send(frame(json.dumps({"type": "auth", "token": user.token})) * 2)
                kinds = [json.loads(raw.read_frame()[1])["type"] for _ in range(2)]
                assert kinds == ["welcome", "changes"]
        eventually(lambda: user.socket().caught_up().is_open, within=5, what="a free place")

    def test_results_are_not_lost_on_a_client_that_does_not_read(self, user: Client) -> None:
        for start in range(0, 120, 3):
            user.patch({f"k{n}": "x" * 16_000 for n in range(start, start + 3)})
        with RawSocket(user.url, timeout=30, receive_buffer=4096) as raw:
            assert upgrade(raw, Authorization=f"Bearer {user.token}") == 101
            changes = [mutation("settings.set", {"key": "n", "value": n}) for n in range(5)]
            for change in changes:
                raw.send(frame(json.dumps({"type": "push", "mutations": [change]})))
            answered = []
            while len(answered) < 5:
                message = json.loads(raw.read_frame()[1])
                answered += [result["id"] for result in message.get("results", [])]
            assert answered == [change["id"] for change in changes]

    def test_pings_of_a_client_that_does_not_read_cost_nothing(self, server: Server, client: Client) -> None:
        for start in range(0, 60, 3):
            client.patch({f"k{n}": "x" * 16_000 for n in range(start, start + 3)})
        with RawSocket(server.url, timeout=5, receive_buffer=4096) as raw:
            assert upgrade(raw, Authorization=f"Bearer {client.token}") == 101
            eventually(lambda: server.metric("lockstep_sockets") == 1, what="the socket")
            before = server.resident_bytes()
            for _ in range(100):
                raw.send(frame(b"x" * 100, opcode=PING) * 500)
            assert server.resident_bytes() - before < 12_000_000


def test_a_waiting_poll_of_a_session_that_ends_is_refused(server: Server, client: Client) -> None:
    import threading

    phone = client.other_device()
    cursor = phone.pull()["cursor"]
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(phone.poll(cursor, wait=20).status_code))
    thread.start()
    eventually(lambda: server.metric("lockstep_waiting_polls") == 1, what="the wait")
    httpx.post(f"{client.url}/api/auth/logout", headers={"Authorization": f"Bearer {phone.token}"})
    thread.join(5)
    assert answers == [401]
