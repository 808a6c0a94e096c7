"""The three outcomes of a request to the cluster: done, refused, unknown.

Each adapter maps status codes to a RefusalCause in one place. The causes were measured on real API
servers. "Unknown" is an outcome of its own, because a write that timed out may have happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

__all__ = ["CLUSTER_SCOPED", "Done", "Outcome", "RefusalCause", "Refused", "Unknown", "Verb"]

#: Part of the message that refuses an object with a namespace when its kind is cluster-scoped.
CLUSTER_SCOPED = "is cluster-scoped: no namespace"


class Verb(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    ACCEPTED = "accepted"  # a DELETE that waits for finalizers: the object still exists


class RefusalCause(StrEnum):
    """Why a request was refused, and so what the caller can do."""

    FIELD_CONFLICT = "field-conflict"  # another manager owns the field: decide who keeps it
    STALE = "stale"  # resourceVersion or uid precondition failed: read again, decide again
    ALREADY_EXISTS = "already-exists"
    ABSENT = "absent"  # 404 on an object of a served kind
    NOT_SERVED = "not-served"  # the kind is not served: a dependency is missing
    NAMESPACE_MISSING = "namespace-missing"
    TERMINATING = "namespace-terminating"
    INVALID = "invalid"  # permanent until the manifest changes
    IMMUTABLE = "immutable"  # invalid, and the cause says "field is immutable"
    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorized"
    EXPIRED = "expired"  # list or watch too old: list again
    TOO_MANY = "too-many-requests"


@dataclass(frozen=True, slots=True)
class Done:
    """The request was carried out. `body` is the object as the server now has it; None after a
    delete."""

    verb: Verb
    body: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was not carried out. `code` is the HTTP status. `fields` are the paths that the
    server names, and `managers` the conflicting field manager of each. `retry_after` is in
    seconds."""

    refusal: RefusalCause
    code: int
    message: str
    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may or may not have been carried out: a time-out, a reset, or a 5xx answer."""

    message: str


Outcome: TypeAlias = Done | Refused | Unknown
