"""The policy stage: judges the drafts by the policies of the same tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler import policy
from reconciler.apps.app import App, Unit
from reconciler.backends import draw
from reconciler.diagnostics import Diagnostic, error
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.memo import Memo
from reconciler.plan.snapshot import Snapshot
from reconciler.policy.evaluate import PolicySet, Subject, judge_objects, may_judge
from reconciler.policy.finding import Finding
from reconciler.ports import Tree
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["check_reach", "denied_units", "is_policy_file", "judge_units", "load_policies"]

_FOLDER = "policies/"


def load_policies(tree: Tree) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """The policies of a tree, and the mistakes in their files. A mistake blocks every unit."""
    paths = [path for path in tree.blobs() if is_policy_file(path)]
    return policy.load(dict(tree.read(paths)))


def is_policy_file(path: str) -> bool:
    """Whether a file holds policies: every YAML file of policies/ does, except the tests. So what
    is not evaluated, an exemption too, is refused instead of passed over."""
    return (
        path.startswith(_FOLDER)
        and path.endswith((".yaml", ".yml"))
        and not path.startswith(_FOLDER + "tests/")
    )


def check_reach(policies: PolicySet, known: Iterable[UnitId]) -> Iterator[Diagnostic]:
    """An error for each environment and group that a binding names and that does not exist."""
    units = tuple(known)
    places = {
        "environments": {unit.environment for unit in units},
        "groups": {f"{unit.environment}/{unit.group}" for unit in units},
    }
    for binding in (b for _, bindings in policies.bound for b in bindings):
        for key, names in (("environments", binding.environments), ("groups", binding.groups)):
            for name in sorted((names or frozenset()) - places[key]):
                yield error(
                    "E_POLICY_BINDING",
                    f"the binding {binding.name!r} names the {key[:-1]} {name!r}, which does not "
                    "exist",
                    binding.site,
                    help=did_you_mean(name, places[key])
                    or f"there are: {', '.join(sorted(places[key]))}",
                )


def judge_units(
    policies: PolicySet, units: Iterable[UnitDrafts], snapshot: Snapshot, memo: Memo
) -> tuple[Finding, ...]:
    """Every policy's finding on the drafts."""
    return tuple(judge_objects(policies, _subjects(policies, units, snapshot, memo)))


def _subjects(
    policies: PolicySet, units: Iterable[UnitDrafts], snapshot: Snapshot, memo: Memo
) -> Iterator[Subject]:
    for item in units:
        for draft in item.drafts:
            if not may_judge(policies, draft):
                continue
            live = snapshot.lookup(draft.key)
            yield Subject(
                app=item.unit.id,
                app_type=_type_of(item.unit),
                environment=item.unit.environment,
                group=item.unit.group,
                manifest=memo.seal(draft),
                operation="UPDATE" if live.is_present else "CREATE",
                old=live.body if live.is_present else None,
                namespace_labels=draw.labels_of(item.unit),
            )


def _type_of(unit: Unit) -> str:
    return unit.spec.model.type.value if isinstance(unit, App) else ""


def denied_units(found: Iterable[Finding]) -> frozenset[UnitId]:
    """The units that a finding blocks."""
    return frozenset(f.app for f in found if f.blocks)
