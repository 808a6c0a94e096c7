"""Judges a proposal by the policies of its base, so that no branch approves itself.

What the base's policies deny stays denied where the branch deletes, loosens or re-scopes a policy;
what the branch's policies deny is denied too. A finding that the base has on its own objects is no
work of the branch and does not block: else no branch could correct a policy that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.apps.app import Selection
from reconciler.diagnostics import Diagnostic, warning
from reconciler.engine import draw, load, object_policy
from reconciler.engine.memo import Memo
from reconciler.plan.snapshot import Snapshot
from reconciler.policy.evaluate import PolicySet
from reconciler.policy.finding import Finding, Level
from reconciler.ports import Tree
from reconciler.unit import UnitId

__all__ = ["BaseVerdict", "judge_by_base"]

_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class BaseVerdict:
    """What the base's policies find on the branch's objects and its own policies do not, or find
    less bad; over all apps. `diagnostics` says which policy files differ, and what follows."""

    findings: tuple[Finding, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    def joined(self, found: Iterable[Finding], units: frozenset[UnitId]) -> tuple[Finding, ...]:
        """The findings of the branch's policies with those of the base's on the given units; of
        two on one mistake the stricter."""
        stricter = {_mistake(f): f for f in self.findings if f.app in units}
        kept = [f for f in found if _mistake(f) not in stricter]
        merged = (*kept, *(stricter.values()))
        return tuple(sorted(merged, key=lambda f: (f.app, f.key, f.policy, f.rule, f.message)))


def judge_by_base(policies: PolicySet, tree: Tree, base: Tree, now: datetime) -> BaseVerdict:
    """Judges every app of `tree` by the policies of `base`. Where no policy file differs, this
    reads no more than the files' ids."""
    files = tuple(_changed_files(tree, base))
    if not files:
        return BaseVerdict()
    old, faults = object_policy.load_policies(base)
    if any(d.is_error for d in faults):
        note = warning(
            "W_POLICY_BASE",
            f"the policies of {base.label} have errors, so they judge nothing here",
            help="correct the policies in a pull request of their own, and merge it first",
        )
        return BaseVerdict(diagnostics=(note,))
    new_found, old_found = _findings(policies, tree, now), _findings(old, tree, now)
    known = {_mistake(f): f for f in new_found}
    lost = [f for f in old_found if _is_stricter(f, known.get(_mistake(f)))]
    # With the value: a field that is wrong on the base already may not get worse.
    before = {(_mistake(f), f.found) for f in _findings(old, base, now)} if lost else set()
    was_known = {_mistake(f) for f in old_found}
    fresh = [f for f in new_found if _mistake(f) not in was_known]
    findings = tuple(_of_base(f, base, (_mistake(f), f.found) in before) for f in lost)
    return BaseVerdict(findings, (_difference(files, base, fresh, lost),))


def _changed_files(tree: Tree, base: Tree) -> Iterator[str]:
    new, old = tree.blobs(), base.blobs()
    for path in sorted(new.keys() | old.keys()):
        if not object_policy.is_policy_file(path):
            continue
        if path not in new:
            yield f"{path} is gone"
        elif path not in old:
            yield f"{path} is new"
        elif new[path].blob_id != old[path].blob_id:
            yield f"{path} differs"


def _findings(policies: PolicySet, tree: Tree, now: datetime) -> tuple[Finding, ...]:
    fleet = load.load_fleet(tree, Selection())
    units = draw.draw_units(fleet, Snapshot.none(), now)
    return object_policy.judge_units(policies, tuple(units), Snapshot.none(), Memo())


def _mistake(finding: Finding) -> tuple[object, ...]:
    return (finding.app, finding.key, finding.policy, finding.path, finding.verdict)


def _is_stricter(finding: Finding, other: Finding | None) -> bool:
    if other is None:
        return True
    return (finding.blocks, finding.level.rank) > (other.blocks, other.level.rank)


def _of_base(finding: Finding, base: Tree, was_there: bool) -> Finding:
    if was_there and finding.blocks:
        text = f"{finding.message} (found on {base.label} too; its policies differ here)"
        return replace(finding, message=text, level=Level.WARN)
    text = f"{finding.message} (by the policies of {base.label}, which judge this branch)"
    way_out = "or merge the change of the policy first, in a pull request of its own"
    remediation = f"{finding.remediation}; {way_out}" if finding.remediation else way_out[3:]
    return replace(finding, message=text, remediation=remediation)


def _difference(
    files: tuple[str, ...], base: Tree, fresh: list[Finding], lost: list[Finding]
) -> Diagnostic:
    parts = [*files[:_MOST_NAMES]]
    if len(files) > _MOST_NAMES:
        parts.append(f"{len(files) - _MOST_NAMES} more differ")
    effects = [
        f"{_count(fresh)} newly under the policies of this branch" if fresh else "",
        f"{_count(lost)} no longer, or less strictly" if lost else "",
    ]
    effect = "; ".join(e for e in effects if e) or "no finding comes or goes on any app"
    return warning(
        "W_POLICY_CHANGED",
        f"the policies are not those of {base.label}: {', '.join(parts)}; {effect}",
        help=f"until this is merged, what the policies of {base.label} deny stays denied",
    ).reaching(*sorted({f.app for f in (*fresh, *lost)}))


def _count(found: list[Finding]) -> str:
    apps = len({f.app for f in found})
    noun = "finding" if len(found) == 1 else "findings"
    return f"{len(found)} {noun} on {apps} {'app' if apps == 1 else 'apps'}"
