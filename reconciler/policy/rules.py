"""The types of policies and bindings: formats make them, and `policy.evaluate` evaluates them.

The names are those of ValidatingAdmissionPolicy (k8s.io/api/admissionregistration/v1).
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
    "ReadResult",
    "Requirement",
    "ResourceRule",
    "Selector",
    "Validation",
]


@dataclass(frozen=True, slots=True)
class Expression:
    """A CEL expression with its place. `name` is the name of a variable or a match condition."""

    program: Program | NotEvaluable
    site: Site
    name: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of matchExpressions. `operator` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector. An empty selector selects every object."""

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
    """matchConstraints or matchResources. Without rules (None) every resource matches."""

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
    """A policy. `conditions` are its matchConditions. `field` holds the paths of the annotation
    `field`: a finding points at the first that exists in the object."""

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
    """Names parameters, by name or by labels. `namespace` "" means the namespace of the object that
    is evaluated."""

    name: str = ""
    namespace: str = ""
    selector: Selector | None = None
    missing_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """Binds the policy named `policy` to a level. `environments`, `groups` and `types` limit the
    apps; None means all. `policy_at` is the place of the policy's name."""

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
    """An object that a policy reads as `params`, for example a ConfigMap with limits."""

    kind: GroupKind
    namespace: str
    name: str
    labels: Mapping[str, str]
    body: Mapping[str, Any]
    site: Site


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The policies, bindings and mistakes that a format has read."""

    policies: tuple[Policy, ...] = ()
    bindings: tuple[Binding, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = field(default=())

    @staticmethod
    def joined(parts: Iterable[ReadResult]) -> ReadResult:
        parts = tuple(parts)
        return ReadResult(
            tuple(p for part in parts for p in part.policies),
            tuple(b for part in parts for b in part.bindings),
            tuple(d for part in parts for d in part.diagnostics),
        )
