"""A TCP proxy that misbehaves on command: between a client and the server, or the server and its database."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from .wait import free_port

T = TypeVar("T")
Direction = Literal["both", "up", "down"]


class Proxy:
    """Listens on 127.0.0.1:`port` and passes bytes on to 127.0.0.1:`target`.

    `up` is towards the target, `down` towards the client. It runs on a thread of its own, so a blocking test can
    steer it; every command has taken effect when it returns.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.connections = 0
        """How many connections were ever accepted."""
        self.bytes_up = 0
        self.bytes_down = 0
        self._delay = {"up": 0.0, "down": 0.0}
        self._open: set[_Link] = set()
        self._refuse = False
        self._refuse_upgrades = False
        self._loop = asyncio.new_event_loop()
        self._flow = {"up": asyncio.Event(), "down": asyncio.Event()}
        for gate in self._flow.values():
            gate.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self._server = self._call(self._listen())

    def delay(self, seconds: float, direction: Direction = "both") -> None:
        """Every piece of bytes is passed on `seconds` after it came; order is kept. 0 ends it."""
        def act() -> None:
            for name in _named(direction):
                self._delay[name] = seconds
        self._do(act)

    def freeze(self, direction: Direction = "both") -> None:
        """Connections stay open and nothing passes: a network that swallows. `down` alone loses the answers."""
        self._do(lambda: [self._flow[name].clear() for name in _named(direction)])

    def thaw(self) -> None:
        """What was held back is passed on."""
        self._do(lambda: [gate.set() for gate in self._flow.values()])

    def cut(self, reset: bool = True) -> int:
        """Ends every open connection, by RST or (`reset=False`) by FIN, and says how many. New ones are welcome."""
        def act() -> int:
            links = list(self._open)
            for link in links:
                link.close(reset)
            return len(links)
        return self._do(act)

    def refuse(self) -> None:
        """Cuts all, and from now on resets whoever comes, until `accept`."""
        def act() -> None:
            self._refuse = True
        self._do(act)
        self.cut()

    def accept(self) -> None:
        def act() -> None:
            self._refuse = False
        self._do(act)

    def refuse_upgrades(self) -> None:
        """Ends the sockets, and answers 403 to whoever asks for one, until `accept_upgrades`: as some companies do."""
        def act() -> None:
            self._refuse_upgrades = True
            for link in list(self._open):
                if link.upgraded:
                    link.close(reset=True)
        self._do(act)

    def accept_upgrades(self) -> None:
        def act() -> None:
            self._refuse_upgrades = False
        self._do(act)

    def silence_sockets(self) -> None:
        """The sockets that are open now stay open, and nothing passes on them any more; all else works."""
        def act() -> None:
            for link in self._open:
                link.silent = link.upgraded
        self._do(act)

    def open_connections(self) -> int:
        return self._do(lambda: len(self._open))

    def close(self) -> None:
        self.thaw()
        self.cut()
        self._do(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # On the loop's thread

    async def _listen(self) -> asyncio.Server:
        # Bytes are read by hand, 64 KiB at a time, so that a frozen direction pushes back on its sender.
        return await asyncio.start_server(self._accepted, "127.0.0.1", self.port, backlog=4096)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refuse:
            _abort(writer)
            return
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _abort(writer)
            return
        link = _Link(writer, target_writer)
        self._open.add(link)
        try:
            await asyncio.gather(
                self._pass(link, reader, target_writer, "up"), self._pass(link, target_reader, writer, "down"))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(link)
            link.close(reset=False)

    async def _pass(
        self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str,
    ) -> None:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

        async def deliver() -> None:
            while True:
                due, piece = await pieces.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                await self._flow[direction].wait()
                if not piece:
                    if sink.can_write_eof():
                        sink.write_eof()
                    return
                sink.write(piece)
                await sink.drain()

        delivery = asyncio.ensure_future(deliver())
        try:
            while True:
                piece = await source.read(65536)
                # Browsers ask for a socket on a connection of its own, in one piece.
                if direction == "up" and b"upgrade: websocket" in piece.lower():
                    link.upgraded = True
                    if self._refuse_upgrades:
                        await link.refuse()
                        return
                if link.silent and piece:
                    continue
                if direction == "up":
                    self.bytes_up += len(piece)
                else:
                    self.bytes_down += len(piece)
                await pieces.put((loop.time() + self._delay[direction], piece))
                if not piece:
                    break
            await delivery
        except OSError:
            _abort(sink)
            raise
        finally:
            delivery.cancel()

    def _do(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()
        return self._call(run())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class _Link:
    """The two halves of one passed-on connection."""

    def __init__(self, client: asyncio.StreamWriter, target: asyncio.StreamWriter) -> None:
        self.sides = (client, target)
        self.upgraded = False
        self.silent = False

    async def refuse(self) -> None:
        client = self.sides[0]
        client.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await client.drain()
        self.close(reset=False)

    def close(self, reset: bool) -> None:
        for side in self.sides:
            if reset:
                _abort(side)
            elif not side.is_closing():
                side.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Closes with RST: lingering for zero seconds is how a socket is told to."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


def _named(direction: Direction) -> tuple[str, ...]:
    return ("up", "down") if direction == "both" else (direction,)
