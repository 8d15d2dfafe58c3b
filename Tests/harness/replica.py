"""What a client holds, kept by the rules of the contract and by nothing else."""

from __future__ import annotations

import hashlib
from typing import Any


class Replica:
    """A map of documents at a cursor. It applies an answer or a frame only where it stands at its `previous`."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.applied = 0
        """How many answers and frames were applied."""

    def apply(self, answer: dict[str, Any]) -> bool:
        """Applies a GET or POST /api/sync answer or a `changes` frame; False where it does not fit."""
        if answer["reset"]:
            self.documents.clear()
        elif answer["previous"] != self.cursor:
            return False
        for document in answer["documents"]:
            at = (document["collection"], document["id"])
            if document["value"] is None:
                self.documents.pop(at, None)
            else:
                self.documents[at] = document
        self.cursor = answer["cursor"]
        self.applied += 1
        return True

    def settings(self) -> dict[str, Any]:
        """The settings by key."""
        return {id: document["value"] for (collection, id), document in self.documents.items()
                if collection == "settings"}

    def digest(self) -> str:
        """16 hex digits, to be equal to what GET /api/sync/digest says at the same cursor."""
        total = 0
        for (collection, id), document in self.documents.items():
            line = f"{collection}\n{id}\n{document['version']}".encode()
            total ^= int.from_bytes(hashlib.sha256(line).digest()[:8], "big")
        return f"{total:016x}"
