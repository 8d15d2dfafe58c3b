"""Many WebSockets in one process: raw sockets on one epoll, so that the load takes little beside what it loads.

While it measures it only cuts frames and notes when they came; what they say is read afterwards.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from harness.wire import CLOSE, PING, PONG, TEXT, frame

# So many connect at once: more than a listen queue holds wait a second before they try again.
AT_ONCE = 256
_KEY = base64.b64encode(os.urandom(16)).decode()


class Wrong(Exception):
    """A change was lost, doubled or out of order, or a socket was closed."""


class Line:
    """One socket. `came`: the payloads of its text frames, with the time.time() of each; `ready`: of its first changes."""

    __slots__ = ("began", "buffer", "came", "is_open", "name", "ready", "request", "socket")

    def __init__(self, name: str, request: bytes) -> None:
        self.name, self.request = name, request
        self.socket: socket.socket | None = None
        self.buffer = b""
        self.is_open = False
        self.began = self.ready = 0.0
        self.came: list[tuple[float, bytes]] = []

    def messages(self, kind: str) -> Iterator[tuple[float, dict[str, Any]]]:
        for at, payload in self.came:
            message = json.loads(payload)
            if message["type"] == kind:
                yield at, message


class Fleet:
    """A socket for each token."""

    def __init__(self, url: str, tokens: Sequence[str]) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Line] = {}
        head = (f"GET /api/realtime HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n"
                "Sec-WebSocket-Protocol: lockstep.v1\r\nAuthorization: Bearer ")
        self.lines = [Line(f"socket {number}", f"{head}{token}\r\n\r\n".encode()) for number, token in enumerate(tokens)]

    def connect(self, within: float) -> float:
        """Connects them all; the seconds until the last has its first changes."""
        began = time.monotonic()
        waiting = list(reversed(self.lines))
        ready = 0

        def more() -> None:
            while waiting and len(self._by_descriptor) - ready < AT_ONCE:
                self._begin(waiting.pop())

        def is_there(line: Line) -> bool:
            nonlocal ready
            if not line.ready:
                line.ready = next((at for at, payload in line.came if b'"changes"' in payload[:200]), 0.0)
                if line.ready:
                    ready += 1
                    more()
            return ready == len(self.lines)

        more()
        self.run(is_there, within, f"first changes on {len(self.lines)} sockets")
        return time.monotonic() - began

    def run(self, is_over: Callable[[Line], bool], within: float, what: str) -> None:
        """Takes what comes, until `is_over` says so of the line that has just got a text."""
        end = time.monotonic() + within
        gc.disable()
        try:
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    raise Wrong(f"not within {within:.0f} s: {what}")
                for descriptor, _ in self._epoll.poll(min(left, 1.0), 1_024):
                    line = self._by_descriptor[descriptor]
                    if self._take(line) and is_over(line):
                        return
        finally:
            gc.enable()

    def rest(self, seconds: float) -> None:
        """Takes what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for descriptor, _ in self._epoll.poll(left, 1_024):
                self._take(self._by_descriptor[descriptor])

    def close(self) -> None:
        for line in self.lines:
            if line.socket is not None:
                line.socket.close()
        self._by_descriptor.clear()
        self._epoll.close()

    def check(self) -> None:
        """That each change began where the one before it ended, and that the first was everything."""
        for line in self.lines:
            cursor = None
            for number, (_, message) in enumerate(line.messages("changes")):
                if number == 0 and not message["reset"]:
                    raise Wrong(f"{line.name}: its first changes are no reset")
                if number > 0 and message["previous"] != cursor:
                    raise Wrong(f"{line.name}: changes {number} begin at {message['previous']}, and it stands at {cursor}")
                cursor = message["cursor"]

    # Pieces

    def _begin(self, line: Line) -> None:
        line.began = time.time()
        line.socket = socket.socket()
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.socket.connect(self._address)
        line.socket.setblocking(False)
        line.socket.send(line.request)
        self._by_descriptor[line.socket.fileno()] = line
        self._epoll.register(line.socket.fileno(), select.EPOLLIN)

    def _take(self, line: Line) -> bool:
        """Whether a text came."""
        assert line.socket is not None
        try:
            data = line.socket.recv(262_144)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        if not data:
            raise Wrong(f"{line.name} was ended: {line.buffer[:300]!r}")
        now = time.time()
        buffer = line.buffer + data if line.buffer else data
        at = 0
        if not line.is_open:
            end = buffer.find(b"\r\n\r\n")
            if end >= 0 and not buffer.startswith(b"HTTP/1.1 101 "):
                raise Wrong(f"{line.name} was refused: {buffer[:500]!r}")
            line.is_open = end >= 0
            at = end + 4 if line.is_open else 0
        before = len(line.came)
        while line.is_open and len(buffer) - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(buffer[at + 2:at + 4], "big"), at + 4
            elif length == 127:
                length, start = int.from_bytes(buffer[at + 2:at + 10], "big"), at + 10
            if len(buffer) < start + length:
                break
            kind, payload = buffer[at] & 0x0F, buffer[start:start + length]
            if kind == TEXT:
                line.came.append((now, payload))
            elif kind == PING:
                line.socket.send(frame(payload, PONG))
            elif kind == CLOSE:
                raise Wrong(f"{line.name} was closed: {payload!r}")
            at = start + length
        line.buffer = buffer[at:]
        return len(line.came) > before


def allow(sockets: int) -> None:
    """Lets this process have so many open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets + 500
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise SystemExit(f"{sockets} sockets need {wanted} open files, and the limit is {hard}: ulimit -Hn")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
