"""An object as a run found it in a cluster: present, absent, or unread. An unread object may exist,
so nothing may be decided as if it were absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.objects.key import ObjectKey, key_of
from reconciler.objects.ownership import owners_digest

__all__ = ["Observed", "Presence", "absent_object", "live_object", "unread_object"]


class Presence(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Observed:
    """One object as it was read. `owners` is a digest of its managedFields. `body` is None after a
    list that returns only metadata. `why` says why an unread object could not be read."""

    key: ObjectKey
    presence: Presence
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    owners: str = ""
    body: Mapping[str, Any] | None = None
    why: str = ""

    @property
    def is_present(self) -> bool:
        return self.presence is Presence.PRESENT

    @property
    def is_terminating(self) -> bool:
        meta = (self.body or {}).get("metadata") or {}
        return bool(meta.get("deletionTimestamp"))


def absent_object(key: ObjectKey) -> Observed:
    return Observed(key, Presence.ABSENT)


def unread_object(key: ObjectKey, why: str) -> Observed:
    return Observed(key, Presence.UNREAD, why=why)


def live_object(body: Mapping[str, Any]) -> Observed:
    """A present object, from a full body as GET returns it. The items of a LIST lack apiVersion and
    kind: set them first. Raises KeyError when apiVersion, kind or name is missing."""
    meta = body["metadata"]
    return Observed(
        key_of(body),
        Presence.PRESENT,
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        generation=int(meta.get("generation") or 0),
        owners=owners_digest(meta.get("managedFields") or ()),
        body=body,
    )
