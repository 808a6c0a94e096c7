"""The three results of a request: done, refused, unknown.

The classes of refusal are the error table of the cluster's API as it was measured; adapters map
status codes to them in one place. "Unknown" is a result of its own: a write that timed out may
have happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

__all__ = ["CLUSTER_SCOPED", "Done", "Outcome", "RefusalCause", "Refused", "Unknown", "Verb"]

#: In the refusal of an object with a namespace whose kind has none.
CLUSTER_SCOPED = "is cluster-scoped: no namespace"


class Verb(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    ACCEPTED = "accepted"  # a DELETE that finalizers hold back: not gone yet


class RefusalCause(StrEnum):
    """What a refused request means for the caller."""

    FIELD_CONFLICT = "field-conflict"  # another manager owns the field: decide
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
    """It happened. `body` is the object as the server has it now (None after a delete)."""

    verb: Verb
    body: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not happen, and why. `fields` are the paths that the causes name; `managers` the
    conflicting field managers, aligned with `fields`."""

    refusal: RefusalCause
    code: int
    message: str
    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have happened: time-out, reset, 5xx."""

    message: str


Outcome: TypeAlias = Done | Refused | Unknown
