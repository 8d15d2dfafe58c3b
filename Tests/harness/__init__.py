"""What whole-process tests stand on: a PostgreSQL of their own, servers, a proxy that misbehaves, and clients.

Everything here starts the real thing. Waiting is always for an event with a deadline, never for a guessed time.
"""

from .client import Client, Refused, documents, mutation, nobodys_token, token_of
from .pooler import Pooler
from .postgres import Cluster, Database
from .proxy import Proxy
from .realtime import Closed, Realtime
from .replica import Replica
from .server import Server, lockstep
from .wait import eventually, free_port
from .wire import RawHTTP, RawSocket, frame

__all__ = [
    "Client", "Closed", "Cluster", "Database", "Pooler", "Proxy", "RawHTTP", "RawSocket", "Realtime", "Refused", "Replica",
    "Server", "documents", "eventually", "frame", "free_port", "lockstep", "mutation", "nobodys_token", "token_of",
]
