"""Bytes by hand: requests and frames that no library would send."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(
    payload: bytes | str, opcode: int = TEXT, final: bool = True, masked: bool = True, reserved: int = 0,
    length: int | None = None, length_bytes: int | None = None,
) -> bytes:
    """One WebSocket frame, well-formed unless told otherwise.

    `reserved` are the three bits behind FIN (0 … 7); `length` is what the header claims; `length_bytes` (0, 2 or 8)
    forces that many bytes of extended length, also where the RFC wants fewer.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    claimed = len(data) if length is None else length
    if length_bytes is None:
        length_bytes = 0 if claimed < 126 else 2 if claimed < 65536 else 8
    mark = 0x80 if masked else 0
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    head += {0: lambda: bytes([mark | claimed]), 2: lambda: bytes([mark | 126]) + struct.pack(">H", claimed),
             8: lambda: bytes([mark | 127]) + struct.pack(">Q", claimed)}[length_bytes]()
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


@dataclass
class RawHTTP:
    """An answer, read by hand. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)


class RawSocket:
    """A TCP connection to the server that sends exactly what it is told."""

    def __init__(self, url: str, timeout: float = 10, receive_buffer: int | None = None, source: str | None = None) -> None:
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}"
        self.socket = socket.socket()
        if receive_buffer is not None:
            # Before connecting: the window is agreed upon in the handshake. For tests of a reader that stops.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout)
        self.socket.connect((parts.hostname or "127.0.0.1", parts.port or 80))
        self._buffer = b""

    def __enter__(self) -> RawSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Bytes

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes; EOFError where the connection ends before."""
        while len(self._buffer) < count:
            self._fill()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read_until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._fill()
        at = self._buffer.index(end) + len(end)
        data, self._buffer = self._buffer[:at], self._buffer[at:]
        return data

    def wait_begin(self) -> None:
        """Until something came; it is still to be read."""
        while not self._buffer:
            self._fill()

    def wait_end(self) -> bytes:
        """Everything until the other side closes (or resets); TimeoutError where it does not."""
        try:
            while True:
                self._fill()
        except (EOFError, ConnectionResetError):
            data, self._buffer = self._buffer, b""
            return data

    def close(self, reset: bool = False) -> None:
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # HTTP

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | str = b"",
    ) -> RawHTTP:
        """Sends one request with a correct Content-Length and reads its answer."""
        data = body.encode() if isinstance(body, str) else body
        given = {"Host": self.host, **({"Content-Length": str(len(data))} if data else {}), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.send(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + data)
        return self.response()

    def response(self) -> RawHTTP:
        """Reads one answer, by Content-Length, chunked, or (1xx, 204, 304) without a body."""
        head, *lines = self.read_until(b"\r\n\r\n").decode("latin-1").rstrip().split("\r\n")
        status = int(head.split(" ")[1])
        pairs = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        headers = dict(pairs)
        if status < 200 or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif "content-length" in headers:
            body = self.read(int(headers["content-length"]))
        else:
            body = self.wait_end()
        return RawHTTP(status, headers, body, [value for name, value in pairs if name == "set-cookie"])

    # WebSocket

    def upgrade(
        self, token: str | None = None, cursor: str | None = None, headers: dict[str, str] | None = None,
    ) -> RawHTTP:
        """Asks for the upgrade; 101 where it was granted."""
        given = {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Protocol": "lockstep.v1",
            **({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {}),
        }
        return self.request("GET", "/api/realtime" + (f"?cursor={cursor}" if cursor else ""), given)

    def send_frame(self, payload: bytes | str, **shape: Any) -> None:
        self.send(frame(payload, **shape))

    def read_frame(self) -> tuple[int, bytes]:
        """The next frame of the server as (opcode, payload)."""
        first, second = self.read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.read(8))
        assert not second & 0x80, "a server masked its frame"
        return first & 0x0F, self.read(length)

    def wait_close(self) -> int:
        """Skips frames until the close and gives its code; 1005 without one, 1006 where the connection just ends."""
        while True:
            try:
                opcode, payload = self.read_frame()
            except (EOFError, ConnectionResetError):
                return 1006
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005

    # Pieces

    def _fill(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"the connection ended after {self._buffer[:200]!r}")
        self._buffer += data

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(self.read_until(b"\r\n").split(b";")[0], 16)
            piece = self.read(size)
            self.read_until(b"\r\n")
            if size == 0:
                return body
            body += piece
