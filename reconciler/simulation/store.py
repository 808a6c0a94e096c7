"""The store of an embedded cluster: objects, the version counter and the time, in memory or in one
SQLite file.

Every request is one transaction: a killed process leaves the file as it was before or after a
request. A second process sees the writes of the first one at its next request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from reconciler.errors import SourceError
from reconciler.objects.key import GroupKind, ObjectKey

__all__ = ["Store"]

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
  grp TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (grp, kind, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Store:
    """The objects by key, and facts (texts by name). Returned bodies are shared: a caller must copy
    a body before changing it. Raises SourceError when the file cannot be opened or is not a
    database."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path
        self._objects: dict[GroupKind, dict[ObjectKey, dict[str, Any]]] = {}
        self._facts: dict[str, str] = {}
        self._undo: list[tuple[ObjectKey, dict[str, Any] | None]] | None = None
        self._seen = -1
        self._db: sqlite3.Connection | None = None
        if path is not None:
            try:
                self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                # A killed process loses nothing. A power cut could lose writes, which is accepted.
                self._db.execute("PRAGMA synchronous=OFF")
                self._db.executescript(_TABLES)
            except sqlite3.Error as cause:
                message = f"{path} cannot be used as a cluster: {cause}"
                raise SourceError(message) from cause
        self.refresh()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    # -- reading -----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Reads the file again when another process has written it."""
        if self._db is None or self._undo is not None:
            return
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version == self._seen:
            return
        self._seen = version
        self._objects = {}
        for grp, kind, namespace, name, body in self._db.execute(
            "SELECT grp, kind, namespace, name, body FROM objects"
        ):
            key = ObjectKey(grp, kind, namespace, name)
            self._objects.setdefault(key.group_kind, {})[key] = orjson.loads(body)
        self._facts = dict(self._db.execute("SELECT name, value FROM facts"))

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        return self._objects.get(key.group_kind, {}).get(key)

    def items(self, kind: GroupKind) -> list[tuple[ObjectKey, dict[str, Any]]]:
        """All objects of a kind, sorted by namespace and name."""
        return sorted(self._objects.get(kind, {}).items(), key=lambda item: item[0])

    def everything(self) -> Iterator[tuple[ObjectKey, dict[str, Any]]]:
        for kind in sorted(self._objects):
            yield from self.items(kind)

    def fact(self, name: str, default: str = "") -> str:
        return self._facts.get(name, default)

    # -- writing -----------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """One transaction; with `keep=False` everything is rolled back at its end (a dry run)."""
        if self._undo is not None:
            raise RuntimeError("transactions do not nest")
        if self._db is not None:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as cause:
                message = f"{self.path} is being written by another process: {cause}"
                raise SourceError(message) from cause
            self.refresh()
        self._undo = []
        facts = dict(self._facts)
        done = False
        try:
            yield
            done = keep
        finally:
            undo, self._undo = self._undo, None
            if not done:
                self._facts = facts
                for key, body in reversed(undo):
                    self._set(key, body)
            if self._db is not None:
                self._db.execute("COMMIT" if done else "ROLLBACK")

    def put(self, key: ObjectKey, body: dict[str, Any] | None) -> None:
        """Writes an object, or removes it for None. Only inside a transaction."""
        assert self._undo is not None
        self._undo.append((key, self.get(key)))
        self._set(key, body)
        if self._db is None:
            return
        if body is None:
            self._db.execute(
                "DELETE FROM objects WHERE grp=? AND kind=? AND namespace=? AND name=?", tuple(key)
            )
        else:
            self._db.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", (*key, orjson.dumps(body))
            )

    def state(self, name: str, value: str) -> None:
        """Writes a fact (counter, clock). Only inside a transaction."""
        assert self._undo is not None
        if self._facts.get(name) == value:
            return
        self._facts[name] = value
        if self._db is not None:
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _set(self, key: ObjectKey, body: dict[str, Any] | None) -> None:
        table = self._objects.setdefault(key.group_kind, {})
        if body is None:
            table.pop(key, None)
        else:
            table[key] = body
