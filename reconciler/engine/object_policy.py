"""The policy stage: judges the drafts by the policies of the same tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler import policy
from reconciler.apps.app import App, Fleet, Selection, Unit
from reconciler.apps.left_out import paths_of
from reconciler.apps.repository import odd_names
from reconciler.backends import draw
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.memo import Memo
from reconciler.layers import document
from reconciler.origin import Site
from reconciler.plan.snapshot import Snapshot
from reconciler.policy.evaluate import PolicySet, Subject, judge_objects, may_judge
from reconciler.policy.finding import Finding
from reconciler.ports import Tree
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = [
    "check_scopes",
    "check_side_files",
    "denied_units",
    "is_policy_file",
    "judge_units",
    "load_policies",
]

_FOLDER = "policies/"


def load_policies(tree: Tree) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """The policies of a tree, and the mistakes in their files. A mistake blocks every unit, and so
    does an entry of the folder that cannot be used: it may be a policy."""
    names = tree.blobs()
    unusable = [item for item in tree.faults() if _concerns_policies(item)]
    odd = [
        error("E_PATH", f"{path} {why}", Site(path, 0, 0), help="rename it")
        for path, why in odd_names(names, (_FOLDER,))
    ]
    paths = [path for path in names if is_policy_file(path)]
    policies, found = policy.load(dict(tree.read(paths)))
    faults = (*unusable, *odd, *found)
    return (PolicySet() if unusable or odd else policies), faults


def _concerns_policies(item: Diagnostic) -> bool:
    return any(f"{path}/".startswith(_FOLDER) for path in paths_of(item))


def is_policy_file(path: str) -> bool:
    """Whether a file may hold policies, bindings or parameters: every YAML file of policies/, but
    those of its folders for tests and exemptions (see `check_side_files`)."""
    return (
        path.startswith(_FOLDER)
        and path.endswith((".yaml", ".yml"))
        and not path.startswith((_FOLDER + "tests/", _FOLDER + "exemptions/"))
    )


def check_scopes(policies: PolicySet, fleet: Fleet, selection: Selection) -> Iterator[Diagnostic]:
    """Errors for bindings to environments, groups or types that do not exist: the policy judges
    nothing. Types are known when everything is loaded without a mistake."""
    known: dict[str, set[str]] = {
        "environments": {unit.environment for unit in fleet.known},
        "groups": {unit.group for unit in fleet.known}
        | {f"{u.environment}/{u.group}" for u in fleet.known},
    }
    if selection.is_everything and not fleet.errors:
        known["types"] = {app.spec.model.type.value for app in fleet.apps}
    for _, bindings in policies.bound:
        for binding in bindings:
            for field, names in known.items():
                named = getattr(binding, field) or frozenset()
                for name in () if fleet.hidden else sorted(named - names):
                    yield error(
                        "E_POLICY_BINDING",
                        f"there is no {field[:-1]} {name!r}: the binding {binding.name!r} judges "
                        "less than it says",
                        binding.site,
                        help=did_you_mean(name, names, also=f"known: {', '.join(sorted(names))}"),
                    )


def check_side_files(tree: Tree) -> Iterator[Diagnostic]:
    """The mistakes in policies/tests and policies/exemptions, of which no run evaluates anything:
    files that do not parse, and policies that were put there."""
    sides = (_FOLDER + "tests/", _FOLDER + "exemptions/")
    paths = [p for p in tree.blobs() if p.startswith(sides) and p.endswith((".yaml", ".yml"))]
    for path, data in tree.read(paths) if paths else ():
        for chunk in document.split(data):
            parsed = document.parse(chunk, path, "policy")
            yield from parsed.diagnostics
            root = parsed.root
            if root is not None and root.get("apiVersion") is not None:
                yield warning(
                    "W_UNUSED_FILE",
                    "no policy, binding or parameter is read in this folder",
                    root.origin.site,
                    help="move it to policies/ itself",
                )
            elif root is not None and path.startswith(sides[0]) and root.get("cases") is None:
                yield warning(
                    "W_UNUSED_FILE",
                    "a file of policies/tests holds `cases:`, a list, and this one has none",
                    root.origin.site,
                )
            elif path.startswith(sides[1]) and root is not None:
                yield warning(
                    "W_UNUSED_FILE",
                    "no exemption is honoured: every policy judges every app that it is bound to",
                    root.origin.site,
                    help="narrow the binding instead, and delete this file",
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
