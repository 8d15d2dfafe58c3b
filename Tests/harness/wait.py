"""Waiting for events, and ports that stay ours."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Seconds after which a test that makes no claim about time gives up: on a busy machine everything comes later. Below the 30
# after which a phone asks by itself.
PATIENCE = 25.0


class Hopeless(Exception):
    """Raised by a probe: no waiting will bring the event any more."""


def eventually(
    probe: Callable[[], T], within: float = PATIENCE, every: float = 0.02, what: str = "",
) -> T:
    """Calls `probe` until it answers something truthy and gives that back.

    An exception (but Hopeless) counts as "not yet"; when `within` seconds are over the last one is the cause of the TimeoutError.
    """
    deadline = time.monotonic() + within
    last: Exception | None = None
    answer: T | None = None
    while True:
        try:
            answer = probe()
            last = None
            if answer:
                return answer
        except Hopeless:
            raise
        except Exception as error:  # noqa: BLE001 (the probe's own failures are what we wait out)
            last = error
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {within} s: {what or probe!r} (last: {last or answer!r})") from last
        time.sleep(every)


def free_port() -> int:
    """A port nobody listens on, below the kernel's range for outgoing connections (32768 and up).

    A port from that range could be taken by any client socket between a kill and the restart on the same port.
    """
    for _ in range(200):
        port = random.randint(15000, 32000)
        with socket.socket() as probe:
            # As a server does: a port whose old connections only linger in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found between 15000 and 32000")
