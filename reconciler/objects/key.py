"""The identity of an object: group, kind, namespace and name, without the version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "GroupKind",
    "ObjectKey",
    "format_keys",
    "is_dns_label",
    "is_object_name",
    "key_of",
    "split_version",
]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class GroupKind(NamedTuple):
    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class ObjectKey(NamedTuple):
    """Identifies an object. Prints as `Kind/name`. `namespace` is "" for a cluster-scoped kind."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    def full(self) -> str:
        """The unambiguous spelling: `Kind.group namespace/name`."""
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.group_kind} {place}{self.name}"


def format_keys(keys: Iterable[ObjectKey], most: int = 3) -> str:
    """The first `most` objects as text, and how many more there are: `Job/a, Job/b and 4 more`."""
    names = [str(key) for key in sorted(keys)]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def split_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` to ("apps", "v1"), `v1` to ("", "v1")."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


def key_of(body: Mapping[str, Any]) -> ObjectKey:
    """The key of a plain manifest. Raises KeyError when apiVersion, kind or name is missing."""
    meta = body["metadata"]
    group, _ = split_version(body["apiVersion"])
    return ObjectKey(group, body["kind"], meta.get("namespace") or "", meta["name"])


def is_dns_label(text: str) -> bool:
    """RFC 1123 label, at most 63 characters."""
    return _LABEL.fullmatch(text) is not None


def is_object_name(text: str) -> bool:
    """RFC 1123 subdomain, at most 253 characters: the widest name that any kind takes."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None
