"""Policies as values: what a format reads and the evaluation walks over.

The words are those of ValidatingAdmissionPolicy (k8s.io/api/admissionregistration/v1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.diagnostics import Diagnostic
from reconciler.objects.draft import FieldPath
from reconciler.objects.key import GroupKind
from reconciler.origin import Site
from reconciler.policy.cel import NotEvaluable, Program
from reconciler.policy.finding import FindingSeverity, Level

__all__ = [
    "Binding",
    "Expression",
    "Match",
    "Param",
    "ParamRef",
    "Policy",
    "Read",
    "Requirement",
    "ResourceRule",
    "Selector",
    "Validation",
]


@dataclass(frozen=True, slots=True)
class Expression:
    """A CEL expression at its place; `name` is that of a variable or a match condition."""

    program: Program | NotEvaluable
    site: Site
    name: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of matchExpressions: In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector; an empty one takes everything."""

    labels: tuple[tuple[str, str], ...] = ()
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceRule:
    groups: tuple[str, ...]
    versions: tuple[str, ...]
    operations: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()
    scope: str = "*"


@dataclass(frozen=True, slots=True)
class Match:
    """matchConstraints or matchResources. `rules` None: no rule is given, all resources match."""

    rules: tuple[ResourceRule, ...] | None = None
    excluded: tuple[ResourceRule, ...] = ()
    namespaces: Selector = Selector()
    objects: Selector = Selector()
    equivalent: bool = True


@dataclass(frozen=True, slots=True)
class Validation:
    expression: Expression
    message: str = ""
    message_expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """`field` are the paths that an annotation names, tried in order before any tracing."""

    name: str
    site: Site
    match: Match
    validations: tuple[Validation, ...]
    conditions: tuple[Expression, ...] = ()
    variables: tuple[Expression, ...] = ()
    param_kind: GroupKind | None = None
    fails_closed: bool = True
    severity: FindingSeverity = FindingSeverity.MEDIUM
    remediation: str = ""
    field: tuple[FieldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class ParamRef:
    """Parameters by name or by labels. Namespace "": that of the object judged."""

    name: str = ""
    namespace: str = ""
    selector: Selector | None = None
    missing_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a policy holds and at which level. None among the reaches: everywhere."""

    name: str
    site: Site
    policy: str
    policy_at: Site
    level: Level
    match: Match | None = None
    param: ParamRef | None = None
    environments: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Param:
    """An object that policies take their numbers from."""

    kind: GroupKind
    namespace: str
    name: str
    labels: Mapping[str, str]
    body: Mapping[str, Any]
    site: Site


@dataclass(frozen=True, slots=True)
class Read:
    """What a format made of documents."""

    policies: tuple[Policy, ...] = ()
    bindings: tuple[Binding, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = field(default=())

    @staticmethod
    def joined(parts: Iterable[Read]) -> Read:
        parts = tuple(parts)
        return Read(
            tuple(p for part in parts for p in part.policies),
            tuple(b for part in parts for b in part.bindings),
            tuple(d for part in parts for d in part.diagnostics),
        )
