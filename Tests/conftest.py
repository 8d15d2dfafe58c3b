"""Fixtures of the whole-process tests: AppTests, Faults and EndToEnd."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Client, Cluster, Database, Proxy, Server


def pytest_configure() -> None:
    """A terminated run tears down as an interrupted one does: no PostgreSQL stays behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class _Default:
    """Marks an argument that was not given, where None has a meaning."""


DEFAULT = _Default()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The PostgreSQL that the tests of this session share. Nobody stops it: see `own_cluster`."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def own_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A PostgreSQL of this test's own, to be stopped, killed, frozen, backed up and restored."""
    cluster = Cluster()
    _attachments(request.node).append(("postgres.log", cluster.log_tail))
    yield cluster
    cluster.remove()


@pytest.fixture
def talkative() -> Iterator[Cluster]:
    """A PostgreSQL of this test's own that logs every statement, each line behind its application's name."""
    cluster = Cluster(settings=["log_statement = 'all'", "log_line_prefix = '%a|'"])
    yield cluster
    cluster.remove()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """An empty database of this test's own in the shared cluster."""
    database = cluster.database()
    yield database
    database.drop()


@pytest.fixture
def start_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers: `start_server(database?, env?, port?, defaults?, wait?, within?, arguments?,
    streams?, files?, program?)`.

    Without a database it is the `database` fixture's; a Database, a URL (a proxy's), or None for the private
    PostgreSQL. Several servers on one database: call it again. All are ended with the test.
    """
    servers: list[Server] = []

    def start(
        database: Database | str | _Default | None = DEFAULT, env: Mapping[str, str | None] | None = None,
        port: int | None = None, defaults: bool = False, wait: bool = True, within: float = 60,
        arguments: Sequence[str] = (), streams: str = "", files: tuple[int, int] | None = None,
        program: Path | None = None,
    ) -> Server:
        if isinstance(database, _Default):
            database = request.getfixturevalue("database")
        url = database.url if isinstance(database, Database) else database
        folder = tmp_path / f"server-{len(servers) + 1}"
        folder.mkdir()
        server = Server(folder, url, env, port, defaults, arguments, streams, files, program)  # type: ignore[arg-type]
        servers.append(server)
        _attachments(request.node).append((f"server {len(servers)}, port {server.port}", server.log_tail))
        return server.start(wait=wait, within=within)

    yield start
    _finish(servers)


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """A server of this test's own on a database of its own."""
    return start_server()


@pytest.fixture(scope="session")
def shared_database(cluster: Cluster) -> Iterator[Database]:
    """The shared server's, for a look at what is stored without asking the server."""
    database = cluster.database()
    yield database
    database.drop()


@pytest.fixture(scope="session")
def shared_server(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need no more than users of their own: nothing to start, so they are quick."""
    server = Server(tmp_path_factory.mktemp("shared-server"), shared_database.url).start()
    yield server
    _finish([server])


@pytest.fixture
def sign_up(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Registers users: `sign_up(server?, **Client options)`; without a server it is the test's own one.

    `server` may be a Server or a URL (a proxy's). Clients and their sockets are closed with the test.
    """
    clients: list[Client] = []

    def register(server: Server | str | None = None, **options: Any) -> Client:
        url = server if isinstance(server, str) else (server or request.getfixturevalue("server")).url
        clients.append(Client(url, **options))
        return clients[-1].register()

    yield register
    for client in clients:
        client.close()


@pytest.fixture
def client(sign_up: Callable[..., Client]) -> Client:
    """A newly registered user on the test's own server."""
    return sign_up()


@pytest.fixture
def user(sign_up: Callable[..., Client], shared_server: Server) -> Client:
    """A newly registered user on the shared server."""
    return sign_up(shared_server)


@pytest.fixture
def proxy_to() -> Iterator[Callable[[int | Server | Cluster], Proxy]]:
    """Puts a misbehaving proxy before a port, a server or a cluster."""
    proxies: list[Proxy] = []

    def start(target: int | Server | Cluster) -> Proxy:
        proxies.append(Proxy(target if isinstance(target, int) else target.port))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()


def _finish(servers: Sequence[Server]) -> None:
    """Ends all of them, and only then complains about the first that had ended by itself."""
    failures = []
    for server in servers:
        try:
            server.finish()
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


# The logs of a failed test

_ATTACHED = pytest.StashKey[list[tuple[str, Callable[[], str]]]]()


def _attachments(node: pytest.Item) -> list[tuple[str, Callable[[], str]]]:
    return node.stash.setdefault(_ATTACHED, [])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Shows the tails of the test's logs beside its failure."""
    report = yield
    if report.failed:
        for title, tail in item.stash.get(_ATTACHED, []):
            report.sections.append((title, tail()))
        shared = getattr(item, "funcargs", {}).get("shared_server")
        if shared is not None:
            report.sections.append(("the shared server", shared.log_tail()))
    return report
