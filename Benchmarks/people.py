"""Accounts made by hand, each with a device and a session: a registration costs a password hash."""

from __future__ import annotations

import hashlib
import uuid

from harness import Database, token_of

# Every id of one of them is the same: md5 of their name.
FILL = """
INSERT INTO users (id, email, password_hash) SELECT md5(n)::uuid, n, '' FROM unnest(%(names)s::text[]) n;
INSERT INTO sync_heads (user_id) SELECT md5(n)::uuid FROM unnest(%(names)s::text[]) n;
INSERT INTO devices (user_id, id, name, kind) SELECT md5(n)::uuid, md5(n)::uuid, 'bench', 'other' FROM unnest(%(names)s::text[]) n;
INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at)
SELECT md5(n)::uuid, md5(n)::uuid, md5(n)::uuid, h, now() + interval '30 days' FROM unnest(%(names)s::text[], %(hashes)s::bytea[]) AS t (n, h);
ANALYZE users, sync_heads, devices, sessions;
"""


def identity(kind: str, number: int) -> uuid.UUID:
    """The user's, their device's and their session's."""
    return uuid.UUID(hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest())


def token(kind: str, number: int) -> str:
    return token_of(identity(kind, number), number.to_bytes(32, "big"))


def fill(database: Database, kind: str, first: int, last: int) -> None:
    """Makes those of these numbers; their names are `kind` and the number."""
    numbers = range(first, last + 1)
    values = {"names": [f"{kind}{number}" for number in numbers],
              "hashes": [hashlib.sha256(token(kind, number).encode()).digest() for number in numbers]}
    for statement in FILL.split(";\n"):
        if statement.strip():
            # psycopg takes no list of values where a statement names none.
            database.rows(statement, values if "%(" in statement else ())  # type: ignore[arg-type]
