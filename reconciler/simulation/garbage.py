"""Deletes what depends on a deleted object: dependents by owner references, and the content of
namespaces.

In a real cluster controllers do this shortly after the request; here it is part of the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.simulation.store import Store

__all__ = ["Garbage"]

_NAMESPACE = GroupKind("", "Namespace")


class Garbage:
    """Deletes dependents, inside the server's transaction. `mark(key, body)` deletes one object by
    the rules of a DELETE, `rewrite(key, body)` stores a changed one."""

    def __init__(
        self,
        store: Store,
        mark: Callable[[ObjectKey, dict[str, Any]], None],
        rewrite: Callable[[ObjectKey, dict[str, Any]], None],
    ) -> None:
        self._store = store
        self._mark = mark
        self._rewrite = rewrite

    def orphan(self, uid: str) -> None:
        """Removes the owner reference from every object that names this owner."""
        for key, body, owners in self._dependents(uid):
            self._disown(key, body, [o for o in owners if o.get("uid") != uid])

    def collect(self, uid: str) -> None:
        """Deletes the objects that only the deleted owner owned; removes the reference from the
        others."""
        for key, body, owners in self._dependents(uid):
            others = [o for o in owners if o.get("uid") != uid and self._exists(key, o)]
            if others:
                self._disown(key, body, others)
            elif "deletionTimestamp" not in body["metadata"]:
                self._mark(key, body)

    def empty(self, namespace: str) -> bool:
        """Deletes the content of a namespace; returns whether it is now empty."""
        for key, _ in list(self._content(namespace)):
            body = self._store.get(key)
            if body is not None and "deletionTimestamp" not in body["metadata"]:
                self._mark(key, body)
        return not self._content(namespace)

    def _content(self, namespace: str) -> list[tuple[ObjectKey, dict[str, Any]]]:
        return [(k, b) for k, b in self._store.everything() if k.namespace == namespace]

    def _dependents(self, uid: str) -> list[tuple[ObjectKey, dict[str, Any], list[dict[str, Any]]]]:
        found = []
        for key, body in self._store.everything():
            owners = body["metadata"].get("ownerReferences") or []
            if any(owner.get("uid") == uid for owner in owners):
                found.append((key, body, owners))
        return found

    def _exists(self, dependent: ObjectKey, owner: dict[str, Any]) -> bool:
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        for namespace in (dependent.namespace, ""):
            key = ObjectKey(group, str(owner.get("kind")), namespace, str(owner.get("name")))
            seen = self._store.get(key)
            if seen is not None and seen["metadata"]["uid"] == owner.get("uid"):
                return True
        return False

    def _disown(self, key: ObjectKey, body: dict[str, Any], owners: list[dict[str, Any]]) -> None:
        metadata = {k: v for k, v in body["metadata"].items() if k != "ownerReferences"}
        if owners:
            metadata["ownerReferences"] = owners
        self._rewrite(key, {**body, "metadata": metadata})
