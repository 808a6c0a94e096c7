"""The review of a tree: every stage before the first write."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.apps.app import App, Fleet, Selection
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.engine import (
    base_policy,
    compare_base,
    draw,
    effect,
    load,
    missing_fields,
    object_policy,
    observe,
    overdue,
    predict,
)
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.guards import (
    conflicts,
    fights,
    history,
    prune,
    records,
    strangers,
    upgrade,
    windows,
)
from reconciler.engine.guards.guard import Guard, hold
from reconciler.engine.memo import Memo
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import Targets, find_unmapped, split_fleet, targets_of
from reconciler.errors import ExitCode, most_severe
from reconciler.plan import holds
from reconciler.plan.change import AppPlan, Approvals, Plan, PlannedCluster
from reconciler.plan.inventory import InventoryInvalid
from reconciler.plan.snapshot import Snapshot
from reconciler.plan.statuses import GroupStatus
from reconciler.policy.evaluate import PolicySet
from reconciler.policy.finding import Finding
from reconciler.ports import ClusterReader, ClusterUnreadable, Tree
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["Review", "ReviewPart", "exit_code_of", "may_apply", "review"]


#: The option that gives each kind of approval, as refusals print it in their way out.
_OPTIONS = {
    "prunes": "--approve-prune",
    "rewinds": "--allow-rewind",
    "upgrades": "--approve-upgrade",
    "conflicts": "--approve-conflict",
    "windows": "--approve-window",
}


@dataclass(frozen=True, slots=True)
class ReviewPart:
    """One client's part of a review: its part of the fleet, the drawn units and the snapshot."""

    fleet: Fleet
    units: tuple[UnitDrafts, ...]
    snapshot: Snapshot
    place: int = 0
    """The client's index among the targets."""


@dataclass(frozen=True, slots=True)
class Review:
    """The result of all stages before the first write, with one part per client, and a single part
    for a run without a cluster. `plan` is None when the command needs none."""

    fleet: Fleet
    diagnostics: tuple[Diagnostic, ...]
    findings: tuple[Finding, ...]
    parts: tuple[ReviewPart, ...]
    plan: Plan | None = None
    policies: int = 0
    """The number of policies that have a binding."""
    before: Mapping[UnitId, App] = field(default_factory=dict)
    """The apps of the base revision; empty for a run without one."""
    now: datetime | None = None
    """The time for which the plan was made."""
    told: tuple[Finding, ...] = ()
    """Findings that a diagnostic tells at the policy's expression. They deny all the same."""
    unseen: tuple[str, ...] = ()
    """What of the base revision could not be rendered: apps, and paths that cannot be read. The
    plan cannot say what changes there."""

    @property
    def units(self) -> tuple[UnitDrafts, ...]:
        return tuple(item for part in self.parts for item in part.units)

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot of the only client, or of the first."""
        return self.parts[0].snapshot if self.parts else Snapshot.none()

    @property
    def damaged(self) -> dict[UnitId, str]:
        """Unit → why its recorded state cannot be trusted."""
        return {unit: why for part in self.parts for unit, why in part.snapshot.damaged.items()}

    @property
    def statuses(self) -> dict[str, GroupStatus]:
        """The recorded results of the last runs, per group."""
        return _statuses_of(self.parts)

    def without(self, units: Collection[UnitId]) -> Review:
        """The review with these units left out of its plan."""
        if self.plan is None:
            return self
        kept = tuple(app for app in self.plan.apps if app.unit not in units)
        return replace(self, plan=replace(self.plan, apps=kept))

    @property
    def has_errors(self) -> bool:
        return any(d.is_error for d in self.diagnostics)

    @property
    def denied(self) -> frozenset[UnitId]:
        return object_policy.denied_units((*self.findings, *self.told))


def review(
    tree: Tree,
    selection: Selection,
    now: datetime,
    *,
    reader: ClusterReader | Targets[ClusterReader] | None = None,
    base: Tree | None = None,
    options: RunOptions | None = None,
) -> Review:
    """Runs the stages up to the plan; without `options.plans` up to object policy. With `base` and
    without a reader, the base revision's rendering stands in for the live objects. Raises
    SourceError and ClusterUnreadable."""
    options = options or RunOptions()
    if options.memo is None:
        options = replace(options, memo=Memo())
    memo = options.memo
    assert memo is not None
    fleet = memo.of_commit(tree, selection, "fleet", lambda: load.load_fleet(tree, selection))
    memo.follow(fleet)
    policies, faults = memo.of_commit(
        tree, selection, "policies", lambda: object_policy.load_policies(tree)
    )
    faults = (*faults, *object_policy.check_scopes(policies, fleet, selection))
    chosen: Selection | None = selection
    if any(d.is_error for d in faults):
        # Without all policies no unit can be judged: block every unit, and count none as removed.
        fleet, chosen = _all_blocked(fleet, faults), None
    run = _Run(tree, selection, chosen, now, options, policies)
    if reader is None and base is not None:
        done = run.compare(fleet, base)
    else:
        done = run.plan(fleet, targets_of(reader) if reader is not None else None)
    if base is not None and chosen is not None:
        verdict = base_policy.judge_by_base(policies, tree, base, now)
        judged = frozenset(unit.id for unit in fleet.units())
        done = replace(
            done,
            findings=verdict.joined(done.findings, judged),
            diagnostics=(*done.diagnostics, *verdict.diagnostics),
        )
    shown, told, missing = missing_fields.join(done.findings, done.units)
    done = replace(done, findings=shown, told=told)
    diagnostics = (*fleet.diagnostics, *faults, *missing, *done.diagnostics)
    if selection.is_everything:
        units = done.units
        silent = memo.of_commit(
            tree, selection, "effect", lambda: tuple(effect.find_without_effect(fleet, units))
        )
        diagnostics = (*diagnostics, *silent, *object_policy.check_side_files(tree))
    has_units = any(part.units for part in done.parts) or (done.plan is not None and done.plan.apps)
    if not has_units and not done.fleet.blocked:
        diagnostics = (*diagnostics, *_explain_empty(done.fleet, selection))
    return replace(done, diagnostics=diagnostics, policies=len(policies.bound))


def _statuses_of(parts: Iterable[ReviewPart]) -> dict[str, GroupStatus]:
    return {g: status for part in parts for g, status in part.snapshot.statuses.items()}


def _all_blocked(fleet: Fleet, faults: Iterable[Diagnostic]) -> Fleet:
    codes = tuple(sorted({d.code for d in faults if d.is_error}))
    blocked = {**dict.fromkeys((u.id for u in fleet.units()), codes), **fleet.blocked}
    return replace(fleet, apps=(), foundations=(), blocked=blocked)


@dataclass(frozen=True, slots=True)
class _Run:
    """The inputs of one review. `chosen` is the selection whose units count as removed when Git no
    longer has them; None when no unit may."""

    tree: Tree
    selection: Selection
    chosen: Selection | None
    now: datetime
    options: RunOptions
    policies: PolicySet

    @property
    def memo(self) -> Memo:
        assert self.options.memo is not None
        return self.options.memo

    def plan(self, fleet: Fleet, targets: Targets[ClusterReader] | None) -> Review:
        """The review against the clusters; without targets, against no cluster."""
        options = self.options
        unmapped: tuple[Diagnostic, ...] = ()
        if targets is not None:
            fleet, unmapped = _drop_unmapped(fleet, targets)
        done: list[ReviewPart] = []
        found: list[Finding] = []
        apps: list[AppPlan] = []
        clusters: list[PlannedCluster] = []
        sent_before: dict[int, int] = {}
        unread: list[tuple[Fleet, ClusterUnreadable]] = []
        for place, part, snapshot in self._sides(fleet, targets, sent_before, unread):
            drawn = draw.draw_units(
                part, snapshot, self.now, foresees=options.foresees, memo=options.memo
            )
            units = tuple(drawn)
            found += object_policy.judge_units(self.policies, units, snapshot, self.memo)
            done.append(ReviewPart(part, units, snapshot, place))
            unmapped = (*unmapped, *observe.warn_unmoved(part, snapshot))
            if not options.plans:
                continue
            client = targets.clients[place] if targets is not None else None
            apps += predict.plan_units(
                part, units, snapshot, client, options, selection=self.chosen
            )
            if client is not None:
                # A client lives as long as a loop: count from the start of this review.
                read, sent = len(snapshot.objects), client.requests - sent_before[place]
                uid = snapshot.cluster_uid
                clusters.append(PlannedCluster(snapshot.cluster, uid, place, read, sent))
        if unread and not done:
            raise unread[0][1]
        for part, why in unread:
            fleet, told = _drop_unread(fleet, part, why)
            unmapped = (*unmapped, told)
        plan = None
        if options.plans:
            offline = targets is None
            plan = Plan(fleet.label, fleet.commit, tuple(clusters), tuple(apps), offline)
            known = _statuses_of(done)
            plan = overdue.hold_overdue(plan, fleet.units(), known, self.now)
            plan, unused = self._apply_guards(plan, fleet, done, targets)
            unmapped += unused
        return Review(fleet, unmapped, tuple(found), tuple(done), plan, now=self.now)

    def _sides(
        self,
        fleet: Fleet,
        targets: Targets[ClusterReader] | None,
        sent_before: dict[int, int],
        unread: list[tuple[Fleet, ClusterUnreadable]],
    ) -> Iterator[tuple[int, Fleet, Snapshot]]:
        """(client's index, its part of the fleet, its snapshot); without targets, the whole fleet
        with an offline snapshot. `sent_before` gets the number of requests that each client had
        sent before, and `unread` the parts of clusters that cannot be read: the others go on."""
        if targets is None:
            yield 0, fleet, Snapshot.none()
            return
        parts = list(split_fleet(fleet, targets))
        for place, _ in parts:
            sent_before[place] = targets.clients[place].requests

        def read(side: tuple[int, Fleet]) -> Snapshot | ClusterUnreadable:
            place, part = side
            full = self.options.full
            try:
                return observe.read_snapshot(
                    targets.clients[place], part, self.selection, full=full, place=place
                )
            except ClusterUnreadable as why:
                return why

        # Side by side: a slow cluster takes no other's time.
        for (place, part), seen in zip(parts, self.options.workers.map(read, parts), strict=True):
            if isinstance(seen, ClusterUnreadable):
                unread.append((part, seen))
            else:
                yield place, part, seen

    def _apply_guards(
        self,
        plan: Plan,
        fleet: Fleet,
        done: Iterable[ReviewPart],
        targets: Targets[ClusterReader] | None,
    ) -> tuple[Plan, tuple[Diagnostic, ...]]:
        """The plan after all guards, each of which gets the plan that the one before left; and a
        warning for each approval that this plan does not need."""
        allowed = self.options.approvals
        recorded = {part.place: part.snapshot.inventories for part in done}
        absent, hollow = compare_base.absent_groups(fleet), prune.hollow_files(fleet.diagnostics)

        def reader_of(place: int) -> ClusterReader | None:
            return targets.clients[place] if targets is not None else None

        lost = history.find_lost_commits(plan, self.tree)
        hours = load.read_windows(self.tree, fleet, {app.environment for app in plan.apps})

        def guards(given: Approvals) -> tuple[Guard, ...]:
            return (
                conflicts.guard(given.conflicts),
                prune.guard(absent, given.prunes, recorded, hollow),
                history.guard(lost, self.tree.label, given.rewinds),
                upgrade.guard(given.upgrades),
                windows.guard(hours, self.now, given.windows),
            )

        unused: tuple[Diagnostic, ...] = ()
        if allowed != Approvals():
            offers = [refusal.way_out for guard in guards(Approvals()) for refusal in guard(plan)]
            unused = tuple(_warn_unused(allowed, offers))
        plan = history.restate_rewinds(plan, lost, allowed.rewinds)
        first, *others = guards(allowed)
        known = _statuses_of(done)
        edited = [e for part in done for e in records.find_edited(part.units, part.snapshot)]
        standing = (strangers.guard(reader_of, recorded), records.guard(edited))
        for guard in (first, *standing, *others, fights.guard(known, self.options.stands_on)):
            plan = hold(plan, guard(plan))
        return holds.hold_unreachable(plan), unused

    def compare(self, fleet: Fleet, base: Tree) -> Review:
        """The review against the base's rendering, cluster by cluster."""
        offline = replace(Snapshot.none(), base=base.label)
        units = tuple(draw.draw_units(fleet, Snapshot.none(), self.now))
        rendered = load.load_fleet(base, compare_base.widen(self.selection, fleet))
        sides, base_warnings = compare_base.render_sides(rendered, fleet, self.selection, self.now)
        edited = records.compare_with_base(fleet, rendered)
        found: list[Finding] = []
        for side in sides:
            of_cluster = tuple(item for item in units if item.unit.cluster == side.cluster)
            found += object_policy.judge_units(self.policies, of_cluster, side.snapshot, self.memo)
        plan, guard_warnings = compare_base.plan_against_base(
            fleet, units, sides, self.tree, selection=self.chosen
        )
        parts_of = (ReviewPart(fleet, units, offline),)
        return Review(
            fleet,
            (*base_warnings, *edited, *guard_warnings),
            tuple(found),
            parts_of,
            plan,
            before={app.id: app for app in rendered.apps},
            now=self.now,
            unseen=compare_base.list_unseen(rendered, self.selection),
        )


def _drop_unread(fleet: Fleet, part: Fleet, why: ClusterUnreadable) -> tuple[Fleet, Diagnostic]:
    """The fleet without the units of a cluster that cannot be read, and the error that says so."""
    gone = {unit.id for unit in part.units()}
    clusters = sorted({unit.cluster for unit in part.units()})
    name = f"the cluster {', '.join(clusters)} cannot be read: " if clusters else ""
    told = error(why.code, f"{name}{why.message}", help=why.hint).reaching(*sorted(gone))
    blocked = {**fleet.blocked, **dict.fromkeys(gone, (why.code,))}
    rest = replace(
        fleet,
        apps=tuple(app for app in fleet.apps if app.id not in gone),
        foundations=tuple(f for f in fleet.foundations if f.id not in gone),
        blocked=dict(sorted(blocked.items())),
    )
    return rest, told


def _drop_unmapped(
    fleet: Fleet, targets: Targets[ClusterReader]
) -> tuple[Fleet, tuple[Diagnostic, ...]]:
    """The fleet without the units whose cluster has no client, and an error for each of these."""
    unmapped = find_unmapped(fleet, targets)
    if not unmapped:
        return fleet, ()
    merged: dict[tuple[object, ...], Diagnostic] = {}
    for item in unmapped.values():
        key = (item.code, item.site, item.message)
        merged[key] = merged.get(key, item).reaching(*item.apps)
    blocked = {**fleet.blocked, **{unit: (item.code,) for unit, item in unmapped.items()}}
    rest = replace(
        fleet,
        apps=tuple(app for app in fleet.apps if app.id not in unmapped),
        foundations=tuple(f for f in fleet.foundations if f.id not in unmapped),
        blocked=dict(sorted(blocked.items())),
    )
    return rest, tuple(merged.values())


def _warn_unused(allowed: Approvals, offers: Iterable[str]) -> Iterator[Diagnostic]:
    """A warning for each approval that no refusal of this plan asks for in its way out."""
    text = "\n".join(offers)
    for name, option in _OPTIONS.items():
        for approval in sorted(getattr(allowed, name)):
            if not approval or f"{option} {approval}" not in text:
                yield warning(
                    "W_APPROVAL",
                    f"{option} {approval!r} approves nothing in this plan",
                    help="it was used already, or the plan has changed: take the value that a "
                    "refusal prints now",
                )


def _explain_empty(fleet: Fleet, selection: Selection) -> Iterator[Diagnostic]:
    """The mistake of a run that selects no app: a typing error in CI must not look like success."""
    if fleet.errors:
        return
    if selection.is_everything:
        yield warning(
            "W_NO_APPS",
            "there is no application",
            help="an empty file environments/<environment>/<group>/<model>.yaml makes an app",
        )
        return
    asked = str(selection)
    known = sorted(app for app in fleet.known if not app.is_foundation)
    words = {*(part for app in known for part in app), *map(str, known)}
    if set(asked.split(", ")) <= words:
        help_text = "each of these exists, but no application is in all of them"
    else:
        help_text = did_you_mean(asked, words)
    yield error(
        "E_SELECTION",
        f"no application is selected by {asked}",
        help=help_text or f"there are: {', '.join(map(str, known[:8]))}",
    )


def may_apply(reviewed: Review) -> bool:
    """Whether `apply` writes anything. A mistake, a denial, a refusal or an object that could not
    be judged stops the whole selection. A held object does not: the plan names it, and what waits
    for it, and the rest goes."""
    plan = reviewed.plan
    stopped = reviewed.has_errors or reviewed.damaged or reviewed.denied
    return not stopped and plan is not None and not plan.refusals and not plan.is_unjudged


def exit_code_of(reviewed: Review) -> ExitCode:
    """The exit code of a review, before any write."""
    codes = []
    if reviewed.has_errors:
        codes.append(ExitCode.ERROR)
    if reviewed.damaged:
        codes.append(InventoryInvalid.exit_code)
    if reviewed.denied:
        codes.append(ExitCode.DENIED)
    if reviewed.plan is not None and (
        any(not refusal.defers for refusal in reviewed.plan.refusals)
        or any(app.is_held for app in reviewed.plan.apps)
    ):
        codes.append(ExitCode.REFUSED)
    if reviewed.plan is not None and reviewed.plan.is_unjudged:
        codes.append(ExitCode.INCOMPLETE)
    return most_severe(codes)
