"""The tools of the fault tests do what they say: a proxy that lies would make every other test here lie."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from harness import Cluster, Proxy, Replica, eventually


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            pass
        connection.close()

    def accept() -> None:
        try:
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        except OSError:
            pass

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def said_back(connection: socket.socket, word: bytes) -> bytes:
    connection.sendall(word)
    return connection.recv(100)


def test_the_proxy_passes_bytes_both_ways(echo: int, proxy_to: Callable[..., Proxy]) -> None:
    proxy = proxy_to(echo)
    with dial(proxy) as connection:
        assert said_back(connection, b"hello") == b"hello"
        assert (proxy.connections, proxy.bytes_up, proxy.bytes_down) == (1, 5, 5)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_the_proxy_delays_each_direction_by_itself(echo: int, proxy_to: Callable[..., Proxy]) -> None:
    proxy = proxy_to(echo)
    with dial(proxy) as connection:
        proxy.delay(0.2, "down")
        began = time.monotonic()
        assert said_back(connection, b"slow") == b"slow"
        assert 0.2 <= time.monotonic() - began < 2
        proxy.delay(0)
        assert said_back(connection, b"quick") == b"quick"


def test_a_frozen_proxy_holds_bytes_back_and_gives_them_when_thawed(echo: int, proxy_to: Callable[..., Proxy]) -> None:
    proxy = proxy_to(echo)
    with dial(proxy) as connection:
        assert said_back(connection, b"warm") == b"warm"
        proxy.freeze("down")
        connection.sendall(b"held")
        eventually(lambda: proxy.bytes_down == 8, what="the answer to be held by the proxy")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(4)
        proxy.thaw()
        connection.settimeout(5)
        assert connection.recv(4) == b"held"


def test_a_cut_resets_connections_and_a_refusing_proxy_takes_none(echo: int, proxy_to: Callable[..., Proxy]) -> None:
    proxy = proxy_to(echo)
    with dial(proxy) as connection:
        assert said_back(connection, b"warm") == b"warm"
        assert proxy.cut() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    proxy.refuse()
    # Whether the reset is met when connecting, writing or reading is chance.
    with pytest.raises((ConnectionResetError, BrokenPipeError)), dial(proxy) as connection:
        said_back(connection, b"?")
    proxy.accept()
    with dial(proxy) as connection:
        assert said_back(connection, b"again") == b"again"


def test_a_killed_and_a_frozen_cluster_come_back_with_their_rows(own_cluster: Cluster) -> None:
    database = own_cluster.database()
    database.rows("CREATE TABLE kept (word text)")
    database.rows("INSERT INTO kept VALUES ('one')")
    database.rows("CHECKPOINT")
    own_cluster.kill()
    with pytest.raises(psycopg.OperationalError):
        database.value("SELECT 1")
    own_cluster.start()
    assert database.value("SELECT word FROM kept") == "one"
    own_cluster.freeze()
    with pytest.raises(psycopg.OperationalError):
        database.connect(connect_timeout=2)
    own_cluster.thaw()
    assert database.value("SELECT word FROM kept") == "one"


def test_a_physical_backup_comes_back_on_a_new_timeline_and_a_dump_on_the_same(
    own_cluster: Cluster, tmp_path: Path,
) -> None:
    timeline = "SELECT timeline_id FROM pg_control_checkpoint()"
    database = own_cluster.database()
    database.rows("CREATE TABLE kept (word text)")
    dump = database.dump(tmp_path / "database.dump")
    backup = own_cluster.backup()
    database.rows("INSERT INTO kept VALUES ('late')")
    database.restore_dump(dump)
    assert database.value("SELECT count(*) FROM kept") == 0
    own_cluster.restore(backup)
    database.rows("CHECKPOINT")
    assert database.value("SELECT count(*) FROM kept") == 0
    assert database.value(timeline) == 2
    own_cluster.restore(backup, new_timeline=False)
    database.rows("CHECKPOINT")
    assert database.value(timeline) == 1


def test_a_replica_applies_only_where_it_stands_and_knows_its_digest() -> None:
    replica = Replica()
    theme = {"collection": "settings", "id": "theme", "value": "dark", "version": 1}
    assert replica.apply({"previous": None, "cursor": "a", "reset": True, "documents": [theme]})
    assert replica.digest() == "bcabb711250198f3"
    assert not replica.apply({"previous": "b", "cursor": "c", "reset": False, "documents": []})
    gone = {**theme, "value": None, "version": 2}
    assert replica.apply({"previous": "a", "cursor": "b", "reset": False, "documents": [gone]})
    assert (replica.settings(), replica.cursor, replica.digest()) == ({}, "b", "0" * 16)
