"""Check, render and plan: what reads everything and writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciler.apps.app import Fleet, Selection
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.engine import against, history, policing, predict, stages, upgrade
from reconciler.engine.how import How
from reconciler.engine.memo import Memo
from reconciler.engine.report import Changes, Findings, Report
from reconciler.engine.stages import Drawn
from reconciler.engine.targets import Targets, parts, targets_of, unmapped
from reconciler.errors import ExitCode, most_severe
from reconciler.plan.change import Plan
from reconciler.plan.inventory import InventoryInvalid
from reconciler.plan.snapshot import Snapshot
from reconciler.policy.evaluate import PolicySet
from reconciler.policy.finding import Finding
from reconciler.ports import ClusterReader, Tree
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["Part", "Reviewed", "check", "plan", "render", "review"]


@dataclass(frozen=True, slots=True)
class Part:
    """What one client answers for: a fleet's units there, what was seen, and their plan."""

    fleet: Fleet
    units: tuple[Drawn, ...]
    snapshot: Snapshot
    plan: Plan | None = None
    place: int = 0
    """The client's index among the targets."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Everything known before the first write: a part for each client that was asked, and one
    where none was."""

    fleet: Fleet
    diagnostics: tuple[Diagnostic, ...]
    findings: tuple[Finding, ...]
    parts: tuple[Part, ...]
    plan: Plan | None = None
    """The parts' plans as one."""
    policies: int = 0
    """How many policies are bound somewhere."""

    @property
    def units(self) -> tuple[Drawn, ...]:
        return tuple(item for part in self.parts for item in part.units)

    @property
    def snapshot(self) -> Snapshot:
        """What was seen by the only client, or the first."""
        return self.parts[0].snapshot if self.parts else Snapshot.none()

    @property
    def damaged(self) -> dict[UnitId, str]:
        """Unit → why its recorded state cannot be trusted."""
        return {unit: why for part in self.parts for unit, why in part.snapshot.damaged.items()}

    def without(self, units: Collection[UnitId]) -> Reviewed:
        """The same with some units left out of the plans."""
        kept = [
            replace(part, plan=_cut(part.plan, units) if part.plan is not None else None)
            for part in self.parts
        ]
        whole = _cut(self.plan, units) if self.plan is not None else None
        return replace(self, parts=tuple(kept), plan=whole)

    @property
    def has_errors(self) -> bool:
        return any(d.is_error for d in self.diagnostics)

    @property
    def denied(self) -> frozenset[UnitId]:
        return policing.denied(self.findings)


def review(
    tree: Tree,
    selection: Selection,
    now: datetime,
    *,
    reader: ClusterReader | Targets[ClusterReader] | None = None,
    base: Tree | None = None,
    how: How | None = None,
    **options: Any,
) -> Reviewed:
    """The stages up to the plan (or, without `plans`, up to object policy). `options` are those of
    `How`."""
    how = replace(how or How(), **options)
    memo = how.memo or Memo()
    how = replace(how, memo=memo)
    fleet = memo.of_commit(tree, selection, "fleet", lambda: stages.loaded(tree, selection))
    memo.follow(fleet)
    policies, faults = memo.of_commit(
        tree, selection, "policies", lambda: policing.policies_of(tree)
    )
    diagnostics = (*fleet.diagnostics, *faults)
    bad_policies = any(d.is_error for d in faults)
    if bad_policies:
        # A policy that cannot be read judges nobody: nothing goes on.
        codes = tuple(sorted({d.code for d in faults if d.is_error}))
        blocked = {**dict.fromkeys((u.id for u in fleet.units()), codes), **fleet.blocked}
        fleet = replace(fleet, apps=(), foundations=(), blocked=blocked)
    chosen = None if bad_policies else selection
    found: list[Finding] = []
    if reader is None and base is not None:
        proposed, more, found = _against(base, tree, fleet, policies, selection, now, chosen)
        diagnostics += more
        done = [proposed]
    else:
        targets = targets_of(reader) if reader is not None else None
        if targets is not None:
            fleet, lost = _mapped(fleet, targets)
            diagnostics += lost
        done = []
        for place, part, snapshot in _sides(fleet, targets, how, selection):
            units = tuple(stages.drawn(part, snapshot, now, foresees=how.foresees, memo=memo))
            found += policing.findings(policies, units, snapshot)
            plan = None
            if how.plans:
                client = targets.clients[place] if targets is not None else None
                plan = predict.planned(part, units, snapshot, client, how, selection=chosen)
                plan = upgrade.guarded(history.guarded(plan, tree, how.approved), how.approved)
            done.append(Part(part, units, snapshot, plan, place))
    whole = _together([part.plan for part in done if part.plan is not None])
    if whole is None and how.plans:
        # No cluster was at hand for any of it, and the diagnostics say so.
        whole = Plan(fleet.label, fleet.commit, "", "", ())
    if not any(p.units for p in done) and not fleet.blocked and (whole is None or not whole.apps):
        diagnostics = (*diagnostics, *_nothing(fleet, selection))
    bound = len(policies.bound)
    return Reviewed(fleet, diagnostics, tuple(found), tuple(done), whole, bound)


def _sides(
    fleet: Fleet, targets: Targets[ClusterReader] | None, how: How, selection: Selection
) -> Iterator[tuple[int, Fleet, Snapshot]]:
    """Each client's part of the fleet and what it sees; without clients all of it and nothing."""
    if targets is None:
        yield 0, fleet, Snapshot.none()
        return
    for place, part in parts(fleet, targets):
        client = targets.clients[place]
        seen = stages.read_snapshot(client, part, selection, full=how.full, memo=how.memo)
        yield place, part, seen


def _against(
    base: Tree,
    tree: Tree,
    fleet: Fleet,
    policies: PolicySet,
    selection: Selection,
    now: datetime,
    chosen: Selection | None,
) -> tuple[Part, tuple[Diagnostic, ...], list[Finding]]:
    """The proposal held against what the base draws, cluster by cluster."""
    offline = replace(Snapshot.none(), base=base.label)
    units = tuple(stages.drawn(fleet, Snapshot.none(), now))
    sides, doubts = against.sides(base, fleet, selection, now)
    found: list[Finding] = []
    for side in sides:
        mine = tuple(item for item in units if item.unit.cluster == side.cluster)
        found += policing.findings(policies, mine, side.snapshot)
    plan, guarded = against.compared(fleet, units, sides, tree, selection=chosen)
    return Part(fleet, units, offline, plan), (*doubts, *guarded), found


def _mapped(fleet: Fleet, targets: Targets[ClusterReader]) -> tuple[Fleet, tuple[Diagnostic, ...]]:
    """The fleet without the units on clusters that nobody can speak to, and a word on each."""
    lost = unmapped(fleet, targets)
    if not lost:
        return fleet, ()
    merged: dict[tuple[object, ...], Diagnostic] = {}
    for item in lost.values():
        key = (item.code, item.site, item.message)
        merged[key] = merged.get(key, item).reaching(*item.apps)
    blocked = {**fleet.blocked, **{unit: (item.code,) for unit, item in lost.items()}}
    left = replace(
        fleet,
        apps=tuple(app for app in fleet.apps if app.id not in lost),
        foundations=tuple(f for f in fleet.foundations if f.id not in lost),
        blocked=dict(sorted(blocked.items())),
    )
    return left, tuple(merged.values())


def _cut(plan: Plan, units: Collection[UnitId]) -> Plan:
    return replace(plan, apps=tuple(app for app in plan.apps if app.unit not in units))


def _together(plans: Sequence[Plan]) -> Plan | None:
    if len(plans) < 2:
        return plans[0] if plans else None
    first = plans[0]
    return replace(
        first,
        cluster=", ".join(plan.cluster for plan in plans),
        cluster_uid=", ".join(plan.cluster_uid for plan in plans),
        apps=tuple(app for plan in plans for app in plan.apps),
        objects_read=sum(plan.objects_read for plan in plans),
        requests=sum(plan.requests for plan in plans),
    )


def _nothing(fleet: Fleet, selection: Selection) -> Iterator[Diagnostic]:
    """A run about nothing is never a good run: a mistyped name in CI must not look like success."""
    if fleet.errors:
        return
    if selection.is_everything:
        yield warning(
            "W_NO_APPS",
            "there is no application",
            help="an empty file environments/<environment>/<group>/<model>.yaml makes one",
        )
        return
    said = (selection.environments, selection.groups, selection.models)
    asked = ", ".join(name for names in said for name in sorted(names))
    known = sorted(app for app in fleet.known if not app.is_foundation)
    yield error(
        "E_SELECTION",
        f"no application is selected by {asked}",
        help=did_you_mean(asked, {part for app in known for part in app})
        or f"there are: {', '.join(map(str, known[:8]))}",
    )


def check(tree: Tree, selection: Selection, now: datetime) -> Report:
    """All mistakes and findings; nothing is compared."""
    reviewed = review(tree, selection, now, plans=False, foresees=False)
    return Report(
        "check",
        (Findings(reviewed.diagnostics, reviewed.findings),),
        _closing(reviewed),
        verdict(reviewed),
        _known(reviewed),
        reviewed.fleet.label,
    )


def _known(reviewed: Reviewed) -> dict[str, object]:
    """What only programs want: how much was looked at, and what could not be."""
    return {
        "apps": len(reviewed.fleet.apps),
        "policies": reviewed.policies,
        "blocked": {str(unit): codes for unit, codes in reviewed.fleet.blocked.items()},
    }


def verdict(reviewed: Reviewed) -> ExitCode:
    """The exit code of what was found before any write."""
    codes = []
    if reviewed.has_errors:
        codes.append(ExitCode.ERROR)
    if reviewed.damaged:
        codes.append(InventoryInvalid.exit_code)
    if reviewed.denied:
        codes.append(ExitCode.DENIED)
    if reviewed.plan is not None and (
        reviewed.plan.refusals or any(app.is_held for app in reviewed.plan.apps)
    ):
        codes.append(ExitCode.REFUSED)
    if reviewed.plan is not None and reviewed.plan.is_unjudged:
        codes.append(ExitCode.INCOMPLETE)
    return most_severe(codes)


def _closing(reviewed: Reviewed) -> tuple[str, ...]:
    errors = [d for d in reviewed.diagnostics if d.is_error]
    warnings = len(reviewed.diagnostics) - len(errors)
    denies = sum(1 for f in reviewed.findings if f.blocks)
    warns = len(reviewed.findings) - denies
    fine = len(reviewed.fleet.apps)
    total = fine + sum(1 for app in reviewed.fleet.blocked if not app.is_foundation)
    if not errors and not denies:
        text = f"{count(fine, 'app')} fine"
        notes = [count(warnings, "warning")] if warnings else []
        notes += [f"{count(warns, 'finding')} below deny"] if warns else []
        return (f"{text}{'; ' + ', '.join(notes) if notes else ''}.",)
    parts = []
    if errors:
        files = len({d.site.file for d in errors if d.site is not None})
        parts.append(f"{count(len(errors), 'error')} in {count(files, 'file')}")
    if denies:
        parts.append(f"{count(denies, 'finding')} deny")
    out = f"{', '.join(parts)}. "
    out += f"{fine} of {count(total, 'app')} {'is' if total == 1 or fine == 1 else 'are'} fine. "
    return (out + "Nothing was written.",)


def listed(names: Sequence[object], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def count(number: int, what: str) -> str:
    """`1 app`, `2 apps`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def render(tree: Tree, selection: Selection, now: datetime) -> tuple[Reviewed, Report]:
    """What would be applied if Git's target were reached: manifests, each with its origins."""
    reviewed = review(tree, selection, now, plans=False, foresees=False)
    report = Report(
        "render",
        (Findings(reviewed.diagnostics, reviewed.findings),),
        (),
        verdict(reviewed),
        {},
        reviewed.fleet.label,
    )
    return reviewed, report


def plan(reviewed: Reviewed, *, show_all: bool = False, exit_code: bool = False) -> Report:
    """A reviewed run as a report."""
    assert reviewed.plan is not None
    code = verdict(reviewed)
    if exit_code and reviewed.plan.has_changes and code is ExitCode.DONE:
        code = ExitCode.DIFFERENCES
    return Report(
        "plan",
        (
            Findings(reviewed.diagnostics, reviewed.findings),
            Changes(reviewed.plan, show_all=show_all, base=reviewed.snapshot.base),
        ),
        (_summary(reviewed),),
        code,
        {**_known(reviewed), "base": reviewed.snapshot.base},
        reviewed.fleet.label,
    )


def _summary(reviewed: Reviewed) -> str:
    assert reviewed.plan is not None
    counts = {action.value: n for action, n in reviewed.plan.counts().items() if n}
    decisions = sum(1 for app in reviewed.plan.apps if app.swap is not None)
    held = sum(1 for c in reviewed.plan.changes() if not c.goes)
    words = {"create": "to create", "update": "to update", "delete": "to delete"}
    parts = [f"{counts[k]} {words[k]}" for k in words if k in counts]
    if decisions:
        parts.append(count(decisions, "decision"))
    if held:
        parts.append(f"{held} held")
    if not parts:
        return "No difference."
    text = ", ".join(parts) + "."
    if reviewed.denied:
        return text + " Policy denies: `reconciler apply` would write nothing of the denied apps."
    if reviewed.snapshot.offline:
        return text + " Offline: weights are Git's target."
    return text + " `reconciler apply` does exactly this."
