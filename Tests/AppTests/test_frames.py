"""What RFC 6455 allows and forbids, frame by frame: a generated table of raw bytes and what must come back.

A `ping` message is our echo: whatever a message was cut into, `pong` brings its `t` back. `make test-websocket` runs the
Autobahn suite over the same handlers where there is a Python that it runs on.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from harness import Client, RawSocket, Server, frame
from harness.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

Case = tuple[str, bytes, Any]
"""Name, what is sent, and what it comes to: a close code, or the list of payloads that come back."""

MOST = 65_536


def say(t: Any) -> str:
    return json.dumps({"type": "ping", "t": t}, ensure_ascii=False)


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(struct.pack(">H", code) + reason, opcode=CLOSE)


def cut(data: bytes, size: int, between: bytes = b"") -> bytes:
    """A text message in fragments of `size` bytes, `between` after each but the last."""
    pieces = [data[at:at + size] for at in range(0, len(data), size)] or [b""]
    out = b""
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        out += frame(piece, opcode=TEXT if index == 0 else CONTINUATION, final=last) + (b"" if last else between)
    return out


def reserved() -> Iterator[Case]:
    for bits in range(1, 8):
        for name, opcode in [("text", TEXT), ("ping", PING), ("close", CLOSE)]:
            yield f"reserved bits {bits} on {name}", frame(b"", opcode=opcode, reserved=bits), 1002
        yield f"reserved bits {bits} on a continuation", frame("{", final=False) + frame(
            "}", opcode=CONTINUATION, reserved=bits), 1002


def opcodes() -> Iterator[Case]:
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]:
        yield f"opcode {opcode}", frame(b"", opcode=opcode), 1002
        yield f"opcode {opcode} with a payload", frame(b"x" * 40, opcode=opcode), 1002
        yield f"opcode {opcode} within a message", frame("{", final=False) + frame(b"", opcode=opcode), 1002
        yield f"opcode {opcode} behind a good message", frame(say(opcode)) + frame(b"", opcode=opcode), [opcode, 1002]


def masks() -> Iterator[Case]:
    for name, opcode in [("text", TEXT), ("ping", PING), ("pong", PONG), ("close", CLOSE), ("binary", BINARY)]:
        yield f"unmasked {name}", frame(b"", opcode=opcode, masked=False), 1002
    yield "unmasked continuation", frame("{", final=False) + frame("}", opcode=CONTINUATION, masked=False), 1002


def lengths() -> Iterator[Case]:
    """The shortest form, and no other; nothing of 2^63 or more."""
    for size in [0, 1, 2, 124, 125]:
        yield f"{size} bytes in a length of two", frame(b"x" * size, length_bytes=2), 1002
        yield f"a ping of {size} bytes in a length of two", frame(b"x" * size, opcode=PING, length_bytes=2), 1002
    for size in [0, 1, 125, 126, 127, 65_535]:
        yield f"{size} bytes in a length of eight", frame(b"x" * size, length_bytes=8), 1002
    for length in [1 << 63, (1 << 63) + 1, (1 << 64) - 1]:
        yield f"a length of {length:#x}", frame(b"", length=length, length_bytes=8), 1002
    for length in [MOST + 1, 1 << 20, 1 << 40, (1 << 63) - 1]:
        yield f"a length of {length:#x} is too big", frame(b"", length=length, length_bytes=8), 1009
    yield "a wrong length behind a good message", frame(say(1)) + frame(b"x", length_bytes=8), [1, 1002]
    frame_ = 1 + len(say(""))
    for size in [125 - frame_ + 1, 126, 127, 128, 255, 256, 65_535 - frame_, 65_536 - frame_]:
        yield f"a t of {size} letters", frame(say("y" * size)), ["y" * size]


def controls() -> Iterator[Case]:
    for size in [0, 1, 2, 64, 124, 125]:
        payload = bytes(range(size))
        yield f"a ping of {size} bytes", frame(payload, opcode=PING), [payload]
        yield f"an unasked pong of {size} bytes", frame(payload, opcode=PONG) + frame(say(size)), [size]
    for name, opcode in [("ping", PING), ("pong", PONG), ("close", CLOSE)]:
        yield f"a {name} of 126 bytes", frame(b"x" * 126, opcode=opcode), 1002
        yield f"a {name} of 70,000 bytes", frame(b"x" * 70_000, opcode=opcode)[:2_000], 1002
        yield f"a {name} in pieces", frame(b"", opcode=opcode, final=False), 1002
    yield "ten pings in one packet", b"".join(frame(bytes([n]), opcode=PING) for n in range(10)), [
        bytes([n]) for n in range(10)]


def fragments() -> Iterator[Case]:
    text = say("hällo")
    data = text.encode()
    for size in range(1, 13):
        yield f"fragments of {size}", cut(data, size), ["hällo"]
        yield f"fragments of {size} with pings between", cut(data, size, frame(b"", opcode=PING)), [
            *[b""] * (-(-len(data) // size) - 1), "hällo"]
    for empty in ["first", "middle", "last"]:
        parts = {"first": [b"", data], "middle": [data[:5], b"", data[5:]], "last": [data, b""]}[empty]
        yield f"an empty {empty} fragment", b"".join(
            frame(part, opcode=TEXT if at == 0 else CONTINUATION, final=at == len(parts) - 1)
            for at, part in enumerate(parts)), ["hällo"]
    for final in [True, False]:
        yield f"a continuation of nothing, final {final}", frame("x", opcode=CONTINUATION, final=final), 1002
        yield f"one behind a whole message, final {final}", frame(say(1)) + frame(
            "x", opcode=CONTINUATION, final=final), [1, 1002]
        yield f"a new message within one, final {final}", frame("{", final=False) + frame("}", final=final), 1002
    yield "a binary message within one", frame("{", final=False) + frame(b"", opcode=BINARY), 1003
    yield "binary", frame(b"\x00\x01", opcode=BINARY), 1003
    for size in [1_000, 20_000, MOST]:
        whole = say("z" * (MOST - len(say("")))).encode()
        yield f"the largest message in fragments of {size}", cut(whole, size), ["z" * (MOST - len(say("")))]
        yield f"one byte too many in fragments of {size}", cut(whole + b" ", size), 1009


def texts() -> Iterator[Case]:
    for name, text in [
        ("two bytes", "é"), ("three", "€"), ("four", "😀"), ("the last of one", "\x7f"), ("the first of two", "\x80"),
        ("the last of two", "\u07ff"), ("the first of three", "\u0800"), ("before the surrogates", "\ud7ff"),
        ("behind them", "\ue000"), ("a non-character", "\uffff"), ("the first of four", "\U00010000"),
        ("the last there is", "\U0010ffff"), ("the word of the RFC's test", "κόσμε"),
    ]:
        yield f"text: {name}", frame(say(text)), [text]
        yield f"text byte by byte: {name}", cut(say(text).encode(), 1), [text]
    for name, bad in [
        ("a lone continuation", b"\x80"), ("the last of them", b"\xbf"), ("two", b"\x80\xbf"),
        ("a start alone", b"\xc3"), ("a start and a letter", b"\xc3A"), ("half of three", b"\xe2\x82"),
        ("half of four", b"\xf0\x9f\x98"), ("fe", b"\xfe"), ("ff", b"\xff"), ("an overlong slash in two", b"\xc0\xaf"),
        ("in three", b"\xe0\x80\xaf"), ("in four", b"\xf0\x80\x80\xaf"), ("an overlong NUL", b"\xc0\x80"),
        ("the first surrogate", b"\xed\xa0\x80"), ("the last", b"\xed\xbf\xbf"),
        ("a pair of them", b"\xed\xa0\x80\xed\xb0\x80"), ("beyond the last", b"\xf4\x90\x80\x80"),
        ("five bytes", b"\xf8\x88\x80\x80\x80"), ("six", b"\xfc\x84\x80\x80\x80\x80"), ("c1", b"\xc1\x80"), ("f5", b"\xf5\x80\x80\x80"),
    ]:
        yield f"no text: {name}", frame(b'"' + bad + b'"'), 1007
        yield f"no text in pieces: {name}", cut(b'"' + bad + b'"', 1), 1007
        yield f"no text as a reason: {name}", closing(1000, bad), 1007


def closes() -> Iterator[Case]:
    yield "a close without a code", frame(b"", opcode=CLOSE), 1000
    yield "a close of one byte", frame(b"\x03", opcode=CLOSE), 1002
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]:
        yield f"close code {code}", closing(code), code
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]:
        yield f"close code {code} that nobody may send", closing(code), 1002
        yield f"close code {code} with a reason", closing(code, b"because"), 1002
    for reason in [b"x", "späť €😀".encode(), b"r" * 123]:
        yield f"a reason of {len(reason)} bytes", closing(1000, reason), 1000
    yield "a reason of 124 bytes", closing(1000, b"r" * 124), 1002
    yield "what stands behind a close is not heard", closing(1000) + frame(say(1)), 1000
    yield "a message before a close is", frame(say(1)) + closing(1000), [1, 1000]


CASES = [*reserved(), *opcodes(), *masks(), *lengths(), *controls(), *fragments(), *texts(), *closes()]


def test_there_are_two_hundred_cases_and_no_two_have_one_name() -> None:
    assert len({name for name, _, _ in CASES}) == len(CASES) >= 200


@pytest.fixture(scope="module")
def talker(shared_server: Server) -> Iterator[Client]:
    client = Client(shared_server.url).register()
    yield client
    client.close()


@pytest.fixture
def line(talker: Client) -> Iterator[RawSocket]:
    with RawSocket(talker.url, timeout=10) as raw:
        assert raw.upgrade(talker.token).status == 101
        for kind in ("welcome", "changes"):
            assert json.loads(raw.read_frame()[1])["type"] == kind
        yield raw


def answers(raw: RawSocket, count: int) -> list[Any]:
    """So many answers: of messages what they brought back, of pings their payload, of a close its code."""
    found: list[Any] = []
    while len(found) < count:
        opcode, payload = raw.read_frame()
        if opcode == PONG:
            found.append(payload)
        elif opcode == CLOSE:
            found.append(struct.unpack(">H", payload[:2])[0])
            break
        elif opcode == TEXT and (message := json.loads(payload))["type"] == "pong":
            found.append(message["t"])
    return found


@pytest.mark.parametrize(("sent", "expected"), [pytest.param(sent, expected, id=name) for name, sent, expected in CASES])
def test_a_frame_comes_to_what_the_rfc_says(line: RawSocket, sent: bytes, expected: Any) -> None:
    line.send(sent)
    wanted = expected if isinstance(expected, list) else [expected]
    assert answers(line, len(wanted)) == wanted
    if isinstance(expected, int):
        # Whoever broke a rule is gone: nothing more is said to him, and the connection ends.
        assert line.wait_end() == b""


@pytest.mark.parametrize("chop", [1, 3, 7])
def test_heads_that_come_in_pieces_are_read_as_if_they_came_whole(line: RawSocket, chop: int) -> None:
    data = frame(say("q" * 200)) + frame(b"x", opcode=PING) + frame(b"x", length_bytes=2)
    for at in range(0, len(data), chop):
        line.send(data[at:at + chop])
    assert answers(line, 3) == ["q" * 200, b"x", 1002]


def test_random_bytes_end_the_socket_and_not_the_server(talker: Client) -> None:
    for _ in range(30):
        with RawSocket(talker.url, timeout=10) as raw:
            assert raw.upgrade(talker.token).status == 101
            raw.send(b"\x81\xff" + b"\xff" * 8 + os.urandom(4_000))
            assert raw.wait_close() in (1002, 1006)
    assert talker.request("GET", "/healthz").status_code == 200
