"""The least rights that a run needs, from the kinds that the config draws and the clusters record.

Every right is needed by a request of a run:

- list: one LIST per kind across namespaces (`stages`)
- get: an object that a listing does not show, or that the run waits for
- patch and create: an apply (RBAC asks for both where the object is new, also for a dry-run)
- delete: an object that may be removed from Git
- update: an object that is suspended by PUT

No rule has a wildcard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import reconciler
from reconciler import kinds
from reconciler.apply.lease import lease_key
from reconciler.apps.app import App, Fleet, Foundation, Unit
from reconciler.backends import draw
from reconciler.engine.views.rights import ACCOUNT, Grant, Purpose, Role, Rule
from reconciler.errors import ReconcilerError
from reconciler.lifecycle import rollout
from reconciler.lifecycle.decision import Share
from reconciler.objects.draft import Draft, seal
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.kind import PruneClass
from reconciler.origin import Value, derive
from reconciler.plan import marks
from reconciler.ports import Discovery

__all__ = ["PluralUnknown", "grant_rights"]

TOOL = reconciler.TOOL_NAMESPACE
_NAMESPACE = GroupKind("", "Namespace")
_DEFINITION = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
_CONFIG_MAP = GroupKind("", "ConfigMap")
_LEASE = GroupKind("coordination.k8s.io", "Lease")


class PluralUnknown(ReconcilerError):
    """The plural of a kind is not known; RBAC names kinds by their plurals."""

    code = "E_RIGHTS_PLURAL"


@dataclass(slots=True)
class _Wanted:
    """The rights that are needed. `verbs` maps (namespace, writer) to the verbs per kind; writer ""
    is the run itself. `names` are those of cluster-scoped objects."""

    verbs: dict[tuple[str, str], dict[GroupKind, set[str]]] = field(default_factory=dict)
    names: dict[GroupKind, set[str]] = field(default_factory=dict)
    listed: set[GroupKind] = field(default_factory=set)
    plurals: dict[GroupKind, str] = field(default_factory=dict)
    new_namespaces: set[str] = field(default_factory=set)
    absent_namespaces: set[str] = field(default_factory=set)

    def add(self, key: ObjectKey, writer: str, verbs: Iterable[str]) -> None:
        kind = key.group_kind
        self.verbs.setdefault((key.namespace, writer), {}).setdefault(kind, set()).update(verbs)
        self.listed.add(kind)
        if not key.namespace:
            self.names.setdefault(kind, set()).add(key.name)


def grant_rights(
    fleet: Fleet,
    purpose: Purpose,
    recorded: Iterable[tuple[str, ObjectKey]] = (),
    served: Discovery | None = None,
) -> Grant:
    """The rights for a fleet without errors. `recorded` are (writer, key) of the objects that
    inventories list; `served` has the plurals of the kinds that a cluster serves. Raises
    PluralUnknown."""
    wanted = _Wanted()
    notes: list[str] = []
    for unit in fleet.units():
        writer = unit.apply_as
        # A backend may read kinds that it does not draw: what its controller makes.
        wanted.listed |= draw.kinds_read(unit)
        for draft in _possible_drafts(unit):
            _add_object(wanted, draft.key, writer, purpose, replaced=marks.may_replace(draft))
            _learn_plural(wanted, draft)
            child = kinds.find(draft.key.group_kind).child
            if child is not None:
                # A run reads the object through which a controller does the work of this one.
                metadata = {"name": draft.key.name, "namespace": draft.key.namespace}
                wanted.add(child({"metadata": metadata}), "", {"get"})
        if isinstance(unit, Foundation) and unit.spec.create_namespace.value:
            wanted.new_namespaces.add(unit.namespace)
            if unit.spec.state.value == "absent":
                wanted.absent_namespaces.add(unit.namespace)
    recorded = tuple(recorded)
    for writer, key in recorded:
        _add_object(wanted, key, writer, purpose)
    if served is not None:
        wanted.plurals |= {kind: found.plural for kind, found in served.kinds.items()}
    writers = sorted({*(u.apply_as for u in fleet.units()), *(w for w, _ in recorded)} - {""})
    if writers and purpose is Purpose.PLAN:
        notes.append(
            f"{', '.join(writers)}: only a writing run may act for them, because admission cannot "
            "tell their dry-runs from writes; plan those groups with --read-only"
        )
    secrets = GroupKind("", "Secret")
    if secrets in wanted.listed:
        notes.append("the config draws Secrets: whoever may list Secrets may read all of them")
    clusters = sorted({unit.cluster for unit in fleet.units() if unit.cluster})
    if len(clusters) > 1:
        notes.append(
            f"this is for {', '.join(clusters)} together: name the groups of one cluster with "
            "--environment or --group"
        )
    roles = [_cluster_wide(wanted, purpose, writers), _tool_role(fleet, purpose)]
    roles += _in_namespaces(wanted, purpose)
    return Grant(
        purpose,
        tuple(sorted(wanted.new_namespaces)),
        tuple(role for role in roles if role.rules),
        tuple(notes),
    )


# -- verbs per object -----------------------------------------------------------------


def _possible_drafts(unit: Unit) -> Iterator[Draft]:
    """Every object that a unit may have: also those of each step of a rollout, and those of a group
    with `state: absent`."""
    if isinstance(unit, Foundation):
        present: Value[Literal["present", "absent"]]
        present = Value("present", unit.spec.state.origin)
        unit = replace(unit, spec=replace(unit.spec, state=present))
    yield from draw.draw_fixed(unit)
    if isinstance(unit, App) and unit.serves and unit.spec.serving is not None:
        target = rollout.target(unit.id, unit.spec.serving).outcome
        idle = tuple(
            Share(Value(name, record.version.origin), derive(0, record.version))
            for name, record in unit.records.items()
        )
        for weights in (target, replace(target, shares=target.shares + idle)):
            yield from draw.draw_moving(unit, weights, draw.lookup_nothing)


def _add_object(
    wanted: _Wanted, key: ObjectKey, writer: str, purpose: Purpose, *, replaced: bool = False
) -> None:
    kind = key.group_kind
    wanted.add(key, "", {"get"})
    if purpose is Purpose.READ_ONLY or (purpose is Purpose.PLAN and writer):
        return
    verbs = {"patch", "create"}
    if kind == _NAMESPACE and purpose is Purpose.RECONCILE:
        # The namespace is created together with the roles in it, not by the run.
        verbs = {"patch"}
    facts = kinds.find(kind)
    prunable = facts.prune in (PruneClass.FREE, PruneClass.SCHEDULE)
    if (prunable and purpose is Purpose.RECONCILE) or replaced:
        verbs.add("delete")
    if facts.prune is PruneClass.SCHEDULE and purpose is Purpose.RECONCILE:
        verbs.add("update")
    wanted.add(key, writer, verbs)


def _learn_plural(wanted: _Wanted, draft: Draft) -> None:
    """Takes the plural of a kind from its CustomResourceDefinition in Git."""
    if draft.key.group_kind != _DEFINITION:
        return
    spec = seal(draft).body.get("spec") or {}
    names = spec.get("names") or {}
    kind = GroupKind(str(spec.get("group", "")), str(names.get("kind")))
    wanted.plurals[kind] = str(names.get("plural", ""))


def _plural(wanted: _Wanted, kind: GroupKind) -> str:
    found = wanted.plurals.get(kind) or kinds.find(kind).plural
    if not found:
        raise PluralUnknown(
            f"the plural of {kind} is not known offline, and RBAC needs it",
            hint="name a cluster that serves it (--kubeconfig FILE), or keep its "
            "CustomResourceDefinition in Git",
        )
    return found


# -- roles -----------------------------------------------------------------------------------------

_ORDER = ("get", "list", "patch", "create", "update", "delete", "impersonate")


def _sort_verbs(verbs: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(verbs, key=_ORDER.index))


def _cluster_wide(wanted: _Wanted, purpose: Purpose, writers: Iterable[str]) -> Role:
    rules = [
        Rule("the cluster's identity is this namespace's uid", "", ("namespaces",), ("get",),
             ("kube-system",)),
    ]  # fmt: skip
    by_group: dict[str, list[str]] = {}
    for kind in sorted(wanted.listed):
        by_group.setdefault(kind.group, []).append(_plural(wanted, kind))
    why = "one LIST per kind over all namespaces, by label: all that a run without changes sends"
    rules += [Rule(why, group, tuple(found), ("list",)) for group, found in by_group.items()]
    rules += _cluster_scoped(wanted, purpose)
    if purpose is Purpose.RECONCILE:
        users = tuple(w for w in writers if not w.startswith(ACCOUNT))
        if users:
            why = "groups whose `applyAs` names a user"
            rules.append(Rule(why, "", ("users",), ("impersonate",), users))
    return Role("", tuple(rules))


def _cluster_scoped(wanted: _Wanted, purpose: Purpose) -> Iterator[Rule]:
    for kind, verbs in sorted(wanted.verbs.get(("", ""), {}).items()):
        if kind == _NAMESPACE and purpose is Purpose.PLAN:
            # A proposal may add a group, whose namespace has a name that is not known yet.
            why = "dry-runs; a proposal may bring a namespace that is not there yet"
            yield Rule(why, kind.group, (_plural(wanted, kind),), ("patch", "create"))
            yield _named_rule(wanted, kind, verbs - {"patch", "create"}, purpose)
        else:
            yield _named_rule(wanted, kind, verbs, purpose)
    if wanted.absent_namespaces and purpose is Purpose.RECONCILE:
        why = "groups with `state: absent`; the run still needs --approve-prune"
        yield Rule(why, "", ("namespaces",), ("delete",), tuple(sorted(wanted.absent_namespaces)))


def _named_rule(wanted: _Wanted, kind: GroupKind, verbs: set[str], purpose: Purpose) -> Rule:
    """A rule for cluster-scoped objects, by their names."""
    ordered = _sort_verbs(verbs)
    names = tuple(sorted(wanted.names[kind]))
    return Rule(_reason((kind,), ordered, purpose), kind.group, (_plural(wanted, kind),), ordered,
                names)  # fmt: skip


def _tool_role(fleet: Fleet, purpose: Purpose) -> Role:
    plural = kinds.find(_CONFIG_MAP).plural
    if purpose is not Purpose.RECONCILE:
        why = "inventories, rollout states and the status of the last runs"
        return Role(TOOL, (Rule(why, "", (plural,), ("list",)),))
    groups = sorted({unit.group_id for unit in fleet.units()})
    leases = tuple(lease_key(group).name for group in groups)
    lease = kinds.find(_LEASE).plural
    return Role(
        TOOL,
        (
            Rule(
                "inventories, rollout states and status; the parts of a large inventory are named "
                "by their content, so no names here: keep this namespace to the program",
                "",
                (plural,),
                ("get", "list", "create", "update", "delete"),
            ),
            Rule("its holder may write to the group; renewed by PUT", _LEASE.group, (lease,),
                 ("get", "update"), leases),
            Rule("creating cannot be limited to a name", _LEASE.group, (lease,), ("create",)),
            Rule("one event per transition", "events.k8s.io", ("events",), ("create",)),
        ),
    )  # fmt: skip


def _in_namespaces(wanted: _Wanted, purpose: Purpose) -> Iterator[Role]:
    writers = sorted({writer for _, writer in wanted.verbs if writer})
    for (namespace, writer), verbs_of in sorted(wanted.verbs.items()):
        suffix = f"-writer-{writers.index(writer) + 1}" if writer else ""
        if namespace:
            yield Role(namespace, tuple(_rules_by_verbs(wanted, verbs_of, purpose)), writer, suffix)
        elif writer:
            rules = (
                _named_rule(wanted, kind, verbs, purpose)
                for kind, verbs in sorted(verbs_of.items())
            )
            yield Role("", tuple(rules), writer, suffix)
    if purpose is Purpose.RECONCILE:
        yield from _accounts(wanted)


def _accounts(wanted: _Wanted) -> Iterator[Role]:
    """One role per namespace with service accounts that groups are written as: RBAC grants
    `impersonate` on a service account in its namespace."""
    found: dict[str, set[str]] = {}
    for _, writer in wanted.verbs:
        if writer.startswith(ACCOUNT):
            namespace, _, name = writer.removeprefix(ACCOUNT).partition(":")
            found.setdefault(namespace, set()).add(name)
    for namespace, names in sorted(found.items()):
        why = "groups whose `applyAs` names a service account"
        rule = Rule(why, "", ("serviceaccounts",), ("impersonate",), tuple(sorted(names)))
        yield Role(namespace, (rule,), suffix="-impersonate")


def _rules_by_verbs(
    wanted: _Wanted, verbs_of: Mapping[GroupKind, set[str]], purpose: Purpose
) -> Iterator[Rule]:
    """One rule per API group and set of verbs."""
    together: dict[tuple[str, tuple[str, ...]], list[GroupKind]] = {}
    for kind in sorted(verbs_of):
        together.setdefault((kind.group, _sort_verbs(verbs_of[kind])), []).append(kind)
    for (group, verbs), found in together.items():
        resources = tuple(_plural(wanted, kind) for kind in found)
        yield Rule(_reason(found, verbs, purpose), group, resources, verbs)


def _reason(granted: Iterable[GroupKind], verbs: tuple[str, ...], purpose: Purpose) -> str:
    names = ", ".join(kind.kind for kind in granted)
    if "patch" not in verbs:
        return f"{names}: read one by one where a LIST does not show them"
    if purpose is Purpose.PLAN:
        return f"{names}: asked about by dry-run, which needs the verbs of a write"
    parts = ["applied"]
    if "update" in verbs:
        parts.append("suspended before they go")
    parts.append("deleted when no longer in Git" if "delete" in verbs else "never deleted")
    return f"{names}: {', '.join(parts)}"
