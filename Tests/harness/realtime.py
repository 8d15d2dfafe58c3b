"""A WebSocket of a device, read by a thread, so that a test can wait for what comes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from .replica import Replica
from .wait import PATIENCE

SUBPROTOCOL = "lockstep.v1"


class Closed(AssertionError):
    """The socket ended while something was awaited from it; `code` is the close code (1006: none came)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the socket was closed with {code} {reason!r}")
        self.code = code


class Realtime:
    """Connects, keeps every message with the time it came, applies `changes` to `replica`, and waits on demand.

    With `token` the bearer header is sent; without it, the upgrade goes bare and a test sends `auth` itself.
    A replica that stands elsewhere than a frame's `previous` sends `sync` by itself, as the contract asks.
    """

    def __init__(
        self, url: str, token: str | None = None, cursor: str | None = None, headers: dict[str, str] | None = None,
        origin: str | None = None, replica: Replica | None = None, timeout: float = 10,
    ) -> None:
        self.replica = replica or Replica()
        self.messages: list[dict[str, Any]] = []
        self.arrived: list[float] = []
        """time.monotonic() of each message."""
        self._changed = threading.Condition()
        self._closed: Closed | None = None
        cursor = cursor or self.replica.cursor
        query = f"?{urlencode({'cursor': cursor})}" if cursor else ""
        given = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        # Keepalives off: the test, and not the library, decides what a client says.
        self._connecting = connect(
            f"ws{url.removeprefix('http')}/api/realtime{query}", additional_headers=given,
            origin=origin,  # type: ignore[arg-type]
            subprotocols=[SUBPROTOCOL], open_timeout=timeout, close_timeout=2, ping_interval=None, max_size=None,
            proxy=None, compression=None)
        self.connection: ClientConnection = self._connecting.__enter__()
        self._reader = threading.Thread(target=self._read, name="realtime", daemon=True)
        self._reader.start()

    # Sending

    def send(self, message: dict[str, Any] | str | bytes) -> None:
        """An object as JSON text; text as it is; bytes as a binary message."""
        self.connection.send(json.dumps(message) if isinstance(message, dict) else message)

    def authenticate(self, token: str) -> None:
        self.send({"type": "auth", "token": token})

    def push(self, *mutations: dict[str, Any]) -> None:
        self.send({"type": "push", "mutations": list(mutations)})

    # Waiting

    def wait(
        self, matches: Callable[[dict[str, Any]], bool], within: float = PATIENCE, after: int = 0, what: str = "",
    ) -> dict[str, Any]:
        """The first message at or behind index `after` that matches, whether it is here already or still comes."""
        return self.messages[self.wait_index(matches, within, after, what)]

    def wait_index(
        self, matches: Callable[[dict[str, Any]], bool], within: float = PATIENCE, after: int = 0, what: str = "",
    ) -> int:
        deadline = time.monotonic() + within
        at = after
        with self._changed:
            while True:
                while at < len(self.messages):
                    if matches(self.messages[at]):
                        return at
                    at += 1
                if self._closed is not None:
                    raise self._closed
                left = deadline - time.monotonic()
                if left <= 0:
                    kinds = [message.get("type") for message in self.messages[-10:]]
                    raise TimeoutError(f"not within {within} s: {what or 'a message'}; the last ones were {kinds}")
                self._changed.wait(left)

    def wait_type(self, type: str, within: float = PATIENCE, after: int = 0) -> dict[str, Any]:
        return self.wait(lambda message: message.get("type") == type, within, after, what=f"a {type!r}")

    def welcome(self, within: float = PATIENCE) -> dict[str, Any]:
        return self.wait_type("welcome", within)

    def caught_up(self, within: float = PATIENCE) -> Realtime:
        """Comes back once the first `changes` was applied."""
        self.wait_type("changes", within)
        return self

    def changes(self, after: int = 0, within: float = PATIENCE) -> dict[str, Any]:
        return self.wait_type("changes", within, after)

    def wait_setting(self, key: str, value: Any, within: float = PATIENCE) -> float:
        """Waits until the replica holds `value` (None: nothing) under `key`, and says at what time.monotonic()."""
        deadline = time.monotonic() + within
        with self._changed:
            while self.replica.settings().get(key) != value:
                if self._closed is not None:
                    raise self._closed
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{key} is {self.replica.settings().get(key)!r} after {within} s, not {value!r}")
                self._changed.wait(left)
            return self.arrived[-1] if self.arrived else time.monotonic()

    def wait_cursor(self, cursor: str, within: float = PATIENCE) -> None:
        """Waits until the replica stands at `cursor`."""
        self.wait(lambda _: self.replica.cursor == cursor, within, after=max(0, len(self.messages) - 1),
                  what=f"cursor {cursor}")

    def wait_closed(self, within: float = PATIENCE) -> int:
        """The close code; 1006 where the connection ended without one."""
        self._reader.join(within)
        if self._closed is None:
            raise TimeoutError(f"the socket is still open after {within} s")
        return self._closed.code

    @property
    def is_open(self) -> bool:
        return self._closed is None

    def close(self, code: int = 1000) -> None:
        self.connection.close(code)
        self._reader.join(5)

    # The reader

    def _read(self) -> None:
        try:
            for text in self.connection:
                now = time.monotonic()
                message = json.loads(text)
                with self._changed:
                    self.messages.append(message)
                    self.arrived.append(now)
                    fits = message.get("type") != "changes" or self.replica.apply(message)
                    self._changed.notify_all()
                if not fits:
                    self.send({"type": "sync", **({"cursor": self.replica.cursor} if self.replica.cursor else {})})
            code, reason = self.connection.close_code, self.connection.close_reason
        except ConnectionClosed as error:
            frame = error.rcvd
            code, reason = (frame.code, frame.reason) if frame else (1006, str(error))
        except Exception as error:  # noqa: BLE001 (a message that is no JSON: the waiting test must hear of it)
            code, reason = 1006, repr(error)
        with self._changed:
            self._closed = Closed(code if code is not None else 1006, reason or "")
            self._changed.notify_all()
