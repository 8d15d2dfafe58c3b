"""A shop for the tests of the market."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness import Client, Cluster, Server
from harness.shop import Shop


@pytest.fixture(scope="session")
def shop(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    database = cluster.database()
    server = Server(tmp_path_factory.mktemp("shop"), database.url).start()
    yield Shop(server, database)
    server.finish()
    database.drop()


@pytest.fixture
def ada(shop: Shop, sign_up: Callable[..., Client]) -> Client:
    """A user with 1,000 coins."""
    client = sign_up(shop.server)
    shop.give(client, 1_000)
    return client
