"""Decides which requests a policy matches, as an API server does.

Source: k8s.io/apiserver, plugin/policy/matching and plugin/webhook/predicates/rules. Without a
cluster, the plural of a kind comes from `reconciler.kinds`, else from the kind's name. With
`matchPolicy: Equivalent`, the default, every version of a resource matches, because the versions
that a cluster serves are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler import kinds
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.policy.rules import Match, Requirement, ResourceRule, Selector

__all__ = ["Request", "is_for", "may_be_for", "plural_of", "selects"]

_NAMESPACE = GroupKind("", "Namespace")
#: Policies never match objects of this group, or a wrong policy could forbid its own repair.
_EXEMPT = "admissionregistration.k8s.io"
_VOWELS = "aeiou"


@dataclass(frozen=True, slots=True)
class Request:
    """The facts of a request that matching uses. `old_labels` is None for a create;
    `namespace_labels` are the labels of the object's namespace."""

    key: ObjectKey
    version: str
    resource: str
    operation: str
    labels: Mapping[str, str]
    old_labels: Mapping[str, str] | None
    namespace_labels: Mapping[str, str]

    @property
    def is_namespace(self) -> bool:
        return self.key.group_kind == _NAMESPACE

    @property
    def is_namespaced(self) -> bool:
        return bool(self.key.namespace) and not self.is_namespace


def plural_of(kind: GroupKind) -> str:
    """The plural of a kind: from `reconciler.kinds`, else the English plural in lower case
    (`policies`, `gateways`, `ingresses`)."""
    plural = kinds.find(kind).plural
    if plural:
        return plural
    name = kind.kind.lower()
    if name == "endpoints":
        return name
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in _VOWELS:
        return f"{name[:-1]}ies"
    return f"{name}s"


def is_for(match: Match, request: Request) -> bool:
    """Whether a policy or binding matches a request. An excluding rule wins."""
    if request.key.group == _EXEMPT:
        return False
    if not _namespace_selected(match.namespaces, request):
        return False
    if not _object_selected(match.objects, request):
        return False
    if any(_rule_takes(rule, request, match.equivalent) for rule in match.excluded):
        return False
    if match.rules is None:
        return True
    return any(_rule_takes(rule, request, match.equivalent) for rule in match.rules)


def may_be_for(match: Match, kind: GroupKind) -> bool:
    """Whether an object of a kind could match, whatever its labels and namespace."""
    if kind.group == _EXEMPT:
        return False
    resource = plural_of(kind)
    return match.rules is None or any(
        _listed(rule.groups, kind.group) and _resource_listed(rule.resources, resource)
        for rule in match.rules
    )


def _namespace_selected(selector: Selector, request: Request) -> bool:
    if request.is_namespace:
        return selects(selector, request.labels)
    # A namespace selector never excludes a cluster-scoped object.
    return not request.is_namespaced or selects(selector, request.namespace_labels)


def _object_selected(selector: Selector, request: Request) -> bool:
    old = request.old_labels
    return selects(selector, request.labels) or (old is not None and selects(selector, old))


def _rule_takes(rule: ResourceRule, request: Request, equivalent: bool) -> bool:
    return (
        _listed(rule.groups, request.key.group)
        and (equivalent or _listed(rule.versions, request.version))
        and _listed(rule.operations, request.operation)
        and _resource_listed(rule.resources, request.resource)
        and (not rule.names or request.key.name in rule.names)
        and _in_scope(rule.scope, request)
    )


def _listed(given: tuple[str, ...], wanted: str) -> bool:
    return "*" in given or wanted in given


def _resource_listed(given: tuple[str, ...], wanted: str) -> bool:
    """Whether a rule's resources hold the resource itself: `pods`, `*`, `*/*` and `pods/*` do;
    `pods/status` does not."""
    for entry in given:
        resource, _, below = entry.partition("/")
        if resource in ("*", wanted) and below in ("", "*"):
            return True
    return False


def _in_scope(scope: str, request: Request) -> bool:
    if scope == "Namespaced":
        return request.is_namespaced
    return scope != "Cluster" or not request.is_namespaced


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects an object with these labels."""
    return all(labels.get(k) == v for k, v in selector.labels) and all(
        _satisfied(r, labels) for r in selector.requirements
    )


def _satisfied(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    match requirement.operator:
        case "In":
            return labels.get(requirement.key) in requirement.values
        case "NotIn":
            return labels.get(requirement.key) not in requirement.values
        case "Exists":
            return requirement.key in labels
        case _:
            return requirement.key not in labels
