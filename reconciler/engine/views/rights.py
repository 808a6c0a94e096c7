"""The rights that `rbac` shows, and who gets them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import reconciler

__all__ = ["ACCOUNT", "Grant", "Identity", "Purpose", "Rights", "Role", "Rule"]

#: How the API server spells a service account: this, the namespace, a colon, the name.
ACCOUNT = "system:serviceaccount:"


class Purpose(StrEnum):
    RECONCILE = "reconcile"  # plan, apply, the loop
    PLAN = "plan"  # a plan by dry-runs, and nothing that lasts
    READ_ONLY = "read-only"  # plan --read-only, status, versions


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of RBAC and why it is there; `names` empty means all of them."""

    why: str
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """What one identity may do in a namespace, or with "" in the whole cluster. `subject` is who
    objects are written as where that is not the run itself, "" for the run; `suffix` keeps two
    roles of one namespace apart."""

    namespace: str
    rules: tuple[Rule, ...]
    subject: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """All that is to be applied for one purpose. `namespaces` are those that groups make; `notes`
    say what a person should know beside it."""

    purpose: Purpose
    namespaces: tuple[str, ...]
    roles: tuple[Role, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who gets the rights: a service account that is made with them, or a user that the API server
    knows by other means. `name` is the account's and the roles'."""

    name: str
    namespace: str = reconciler.TOOL_NAMESPACE
    user: str = ""

    @property
    def username(self) -> str:
        """As the API server sees the identity in a request."""
        return self.user or f"{ACCOUNT}{self.namespace}:{self.name}"


@dataclass(frozen=True, slots=True)
class Rights:
    """Rights for one identity. A role with a `subject` is bound to that, every other role to the
    identity. `notes` are those of the grant and of how it was made."""

    grant: Grant
    identity: Identity
    notes: tuple[str, ...] = ()

    def name_of(self, role: Role) -> str:
        """The name of a role and of its binding."""
        return f"{self.identity.name}{role.suffix}"

    def subject_of(self, role: Role) -> str:
        """The username that a role is bound to."""
        return role.subject or self.identity.username
