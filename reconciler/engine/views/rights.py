"""The rights that `rbac` shows, and the identity that gets them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import reconciler

__all__ = ["ACCOUNT", "Grant", "Identity", "Purpose", "Rights", "Role", "Rule"]

#: The username of a service account is this prefix, the namespace, a colon and the name.
ACCOUNT = "system:serviceaccount:"


class Purpose(StrEnum):
    """The commands that the rights are for."""

    RECONCILE = "reconcile"  # plan, apply, reconcile
    PLAN = "plan"  # a plan by dry-runs; no writes
    READ_ONLY = "read-only"  # plan --read-only, status, versions


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of RBAC with its reason. Empty `names` mean all objects of the resources."""

    why: str
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """The rules for one identity in a namespace; `namespace` "" means the whole cluster.

    `subject` is the username that the objects are written as (`applyAs`), "" for the identity of
    the run. `suffix` makes the names of two roles in one namespace differ."""

    namespace: str
    rules: tuple[Rule, ...]
    subject: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """The roles for one purpose. `namespaces` are those that groups create. `notes` are remarks for
    the person who applies the roles."""

    purpose: Purpose
    namespaces: tuple[str, ...]
    roles: tuple[Role, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity that gets the rights: a service account that `rbac` makes too, or a user that
    the API server knows already. `name` is the name of the account and of its roles."""

    name: str
    namespace: str = reconciler.TOOL_NAMESPACE
    user: str = ""

    @property
    def username(self) -> str:
        """The username of the identity in a request to the API server."""
        return self.user or f"{ACCOUNT}{self.namespace}:{self.name}"


@dataclass(frozen=True, slots=True)
class Rights:
    """Rights for one identity. A role with a `subject` is bound to that subject, every other role
    to the identity. `notes` are the remarks of the grant and those of the command."""

    grant: Grant
    identity: Identity
    notes: tuple[str, ...] = ()

    def name_of(self, role: Role) -> str:
        """The name of a role and of its binding."""
        return f"{self.identity.name}{role.suffix}"

    def subject_of(self, role: Role) -> str:
        """The username that a role is bound to."""
        return role.subject or self.identity.username
