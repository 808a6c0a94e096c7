"""One pass: takes leases, reviews, applies, and returns the result of every unit. `--once` makes
one pass, the loop makes many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from math import inf

from reconciler.apply.result import ApplyResult, ApplyStatus
from reconciler.apps.app import Selection
from reconciler.diagnostics import Diagnostic
from reconciler.engine import apply_plan, review
from reconciler.engine.apply_plan import RunResult
from reconciler.engine.memo import Memo
from reconciler.engine.review import Review
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import Targets
from reconciler.errors import ExitCode, most_severe
from reconciler.objects.outcome import Verb
from reconciler.operate.drift import has_only_drifted, without_git, without_objects
from reconciler.operate.holds import find_wait
from reconciler.operate.leases import Leases
from reconciler.plan.change import NO_APPROVALS, AppPlan, Approvals, Plan
from reconciler.plan.drift import drifted_objects
from reconciler.plan.statuses import GroupStatus
from reconciler.ports import Clock, ClusterWriter, Reporter, Tree
from reconciler.unit import UnitId

__all__ = ["Pass", "PassSettings", "UnitResult", "UnitState", "groups_of", "run_pass"]


class UnitState(StrEnum):
    """The result of one unit in one pass. The values are also labels of metrics."""

    SUCCESS = "success"
    NOOP = "noop"
    INCOMPLETE = "incomplete"  # applied, but an object is not healthy or not gone yet
    FAILED = "failed"
    STOPPED = "stopped"  # a signal, the deadline or the lease ended the run
    BLOCKED = "blocked"  # a mistake in its config
    DENIED = "denied"
    REFUSED = "refused"  # a guard needs a person's approval
    DEFERRED = "deferred"  # changes wait until a change window opens
    HELD = "held"  # a rollout, or an object of the plan, waits for a person
    UNKNOWN = "unknown"  # the cluster could not be read
    DRIFTED = "drifted"  # differs from what was applied, and is only reported
    BACKING_OFF = "backing_off"
    SKIPPED_LOCKED = "skipped_locked"


@dataclass(frozen=True, slots=True)
class UnitResult:
    """One unit's result. `text` says why, for people. `corrected` counts the objects whose drift
    was corrected, per kind."""

    unit: UnitId
    state: UnitState
    text: str = ""
    objects: int = 0
    drifted: int = 0
    corrected: Mapping[str, int] = field(default_factory=dict)
    fought: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Object → the managers from which its fields were taken back."""
    done: tuple[tuple[str, str], ...] = ()
    """(object, verb) of every write."""
    gone: bool = False
    """The unit is no longer in Git, and nothing is left of it."""
    held_since: datetime | None = None
    """Since when the traffic of a held unit is held; None where nothing recorded it."""

    @property
    def wrote(self) -> bool:
        return bool(self.done)


@dataclass(frozen=True, slots=True)
class Pass:
    """The result of one pass. `run` is None when every group was locked. `plan` is the whole plan,
    also of units that the pass left out. `locked`: group → why, for groups whose lease another
    run holds. `statuses` are the recorded results per group from before this pass."""

    run: RunResult | None
    exit_code: ExitCode
    plan: Plan | None = None
    outcomes: tuple[UnitResult, ...] = ()
    locked: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, GroupStatus] = field(default_factory=dict)
    commit: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class PassSettings:
    """`ended` returns why nothing more may begin, or "". `resting` returns why a unit is left out
    of this pass, or "". `wait`: see `Leases.acquire`. Without `corrects`, drift is only shown.
    `stale`: Git did not answer and the tree is the last commit seen, so nothing is deleted and no
    weight moves forward. With `full` the server is asked about every object."""

    selection: Selection = field(default_factory=Selection)
    approvals: Approvals = NO_APPROVALS
    apply: apply_plan.ApplySettings = field(default_factory=apply_plan.ApplySettings)
    corrects: bool = True
    stale: bool = False
    full: bool = False
    memo: Memo | None = None
    wait: float | None = None
    fail_if_locked: bool = False
    ended: Callable[[], str] = lambda: ""
    left: Callable[[], float] = lambda: inf
    """The seconds until the deadline of the pass."""
    resting: Callable[[UnitId], str] = lambda _unit: ""
    stands_on: Callable[[], str] = str
    """See `RunOptions.stands_on`."""
    reading: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered around code that only reads, and that a signal may interrupt at any point."""


def groups_of(tree: Tree, selection: Selection) -> frozenset[str]:
    """The selected groups of a tree, found by the folders' names: no file is parsed."""
    found = set()
    for path in tree.blobs():
        parts = path.split("/")
        if len(parts) == 4 and parts[0] == "environments" and path.endswith(".yaml"):
            environment, group = parts[1], parts[2]
            if environment == "types":
                continue
            if selection.takes_group(environment, group):
                found.add(f"{environment}/{group}")
    return frozenset(found)


def run_pass(
    tree: Tree,
    cluster: ClusterWriter | Targets[ClusterWriter],
    clock: Clock,
    reporter: Reporter,
    settings: PassSettings,
    leases: Leases | None = None,
) -> Pass:
    """Makes one pass over a tree. Raises SourceError, ClusterUnreadable and LeaseUnavailable before
    any write. The caller releases the leases."""
    locked: dict[str, str] = {}
    groups = groups_of(tree, settings.selection)
    if leases is not None and groups:
        locked |= leases.acquire(
            groups, wait=settings.wait, ended=settings.ended, left=settings.left
        )
        if locked.keys() >= groups:
            return _all_locked(tree, locked, settings)

    def look() -> Review:
        return _review(tree, cluster, clock, settings)

    with settings.reading():
        reviewed = look()
    assert reviewed.plan is not None
    if leases is not None:
        leases.progress()
        # Groups that are gone from Git and have inventories.
        rest = {app.unit.group_id for app in reviewed.plan.apps} - groups
        if rest:
            locked |= leases.acquire(rest, wait=0.0, ended=settings.ended)
    left_out = dict(_find_left_out(reviewed.plan, locked, settings))

    def epoch(unit: UnitId) -> int:
        return (leases.epoch(unit.group_id) if leases is not None else None) or 0

    run = apply_plan.reconcile(
        _narrow(reviewed.without(left_out.keys()), settings),
        cluster,
        clock,
        reporter,
        replace(
            settings.apply,
            permit=_permit(settings, leases),
            again=lambda: _narrow(look(), settings),
            epoch=epoch,
        ),
    )
    results = {r.unit: r for r in run.results}
    outcomes = tuple(_unit_results(reviewed, results, left_out))
    plan = reviewed.plan
    waits = any(o.state in (UnitState.HELD, UnitState.INCOMPLETE) for o in outcomes)
    codes = [run.exit_code, *([ExitCode.INCOMPLETE] if waits else [])]
    code = _exit_code(most_severe(codes), locked, settings)
    return Pass(run, code, plan, outcomes, locked, reviewed.statuses, plan.commit, plan.label)


def _review(
    tree: Tree,
    cluster: ClusterWriter | Targets[ClusterWriter],
    clock: Clock,
    settings: PassSettings,
) -> Review:
    options = RunOptions(
        approvals=settings.approvals,
        full=settings.full,
        memo=settings.memo,
        workers=settings.apply.workers,
        stands_on=settings.stands_on,
    )
    return review.review(tree, settings.selection, clock.now(), reader=cluster, options=options)


def _exit_code(code: ExitCode, locked: Mapping[str, str], settings: PassSettings) -> ExitCode:
    blocked = bool(locked) and settings.fail_if_locked
    return most_severe([code, *([ExitCode.LOCKED] if blocked else [])])


def _permit(settings: PassSettings, leases: Leases | None) -> Callable[[UnitId], str]:
    base_permit = settings.apply.permit

    def permit(unit: UnitId) -> str:
        why = base_permit(unit) or settings.ended()
        return why or (leases.permit(unit) if leases is not None else "")

    return permit


# -- units that are left out -----------------------------------------------------------------------


def _find_left_out(
    plan: Plan, locked: Mapping[str, str], settings: PassSettings
) -> Iterator[tuple[UnitId, tuple[UnitState, str]]]:
    for app in plan.apps:
        group = app.unit.group_id
        resting = settings.resting(app.unit)
        if group in locked:
            yield app.unit, (UnitState.SKIPPED_LOCKED, locked[group])
        elif resting:
            yield app.unit, (UnitState.BACKING_OFF, resting)
        elif not settings.corrects and has_only_drifted(app):
            yield app.unit, (UnitState.DRIFTED, "differs from what was applied; only reported")


def _narrow(reviewed: Review, settings: PassSettings) -> Review:
    """The review without the changes that this pass must not make: those that correct drift, when
    drift is only reported, and those that need Git, when Git does not answer."""
    plan = reviewed.plan
    if plan is None:
        return reviewed
    apps = plan.apps
    if not settings.corrects:
        apps = tuple(without_objects(app, drifted_objects(app)) for app in apps)
    if settings.stale:
        apps = tuple(without_git(app) for app in apps)
    return replace(reviewed, plan=replace(plan, apps=apps))


def _all_locked(tree: Tree, locked: Mapping[str, str], settings: PassSettings) -> Pass:
    outcomes = tuple(
        UnitResult(UnitId.foundation(*group.split("/")), UnitState.SKIPPED_LOCKED, why)
        for group, why in sorted(locked.items())
    )
    code = _exit_code(ExitCode.DONE, locked, settings)
    return Pass(None, code, None, outcomes, locked, {}, tree.commit, tree.label)


# -- results of units ------------------------------------------------------------------------------

_STATES = {
    ApplyStatus.DONE: UnitState.SUCCESS,
    ApplyStatus.NOTHING: UnitState.NOOP,
    ApplyStatus.INCOMPLETE: UnitState.INCOMPLETE,
    ApplyStatus.FAILED: UnitState.FAILED,
    ApplyStatus.LOST: UnitState.FAILED,
    ApplyStatus.STOPPED: UnitState.STOPPED,
}


def _unit_results(
    reviewed: Review,
    results: Mapping[UnitId, ApplyResult],
    left_out: Mapping[UnitId, tuple[UnitState, str]],
) -> Iterator[UnitResult]:
    assert reviewed.plan is not None
    planned = set()
    for app in reviewed.plan.apps:
        planned.add(app.unit)
        yield _unit_result(app, reviewed, results.get(app.unit), left_out.get(app.unit))
    for unit, codes in sorted(reviewed.fleet.blocked.items()):
        if unit not in planned:
            yield UnitResult(
                unit, UnitState.BLOCKED, _first_error(unit, codes, reviewed.diagnostics)
            )
    for unit, why in sorted(reviewed.damaged.items()):
        if unit not in planned and unit not in reviewed.fleet.blocked:
            yield UnitResult(unit, UnitState.REFUSED, why)


def _first_error(unit: UnitId, codes: Iterable[str], diagnostics: Iterable[Diagnostic]) -> str:
    for item in diagnostics:
        if item.is_error and (unit in item.apps or item.code in codes):
            place = f"{item.site}: " if item.site is not None else ""
            return f"{place}{item.code}: {item.message}"
    return ", ".join(codes)


def _unit_result(
    app: AppPlan,
    reviewed: Review,
    result: ApplyResult | None,
    left_out: tuple[UnitState, str] | None,
) -> UnitResult:
    objects = len(app.members)
    restored = drifted_objects(app)
    drifted = len(restored)
    if left_out is not None:
        return UnitResult(app.unit, left_out[0], left_out[1], objects, drifted)
    if app.unit in reviewed.denied:
        return UnitResult(app.unit, UnitState.DENIED, "a policy denies it", objects)
    if app.is_unjudged:
        return UnitResult(app.unit, UnitState.UNKNOWN, _reasons(app), objects)
    if result is None or any(refusal.is_whole for refusal in app.refusals):
        why = app.refusals[0].text if app.refusals else "its group is denied"
        return UnitResult(app.unit, UnitState.REFUSED, why, objects)
    text = "; ".join(f"{key}: {why}" if key else why for key, why in result.problems)
    state = _STATES[result.status]
    if state in (UnitState.SUCCESS, UnitState.NOOP) and (app.refusals or app.is_held):
        refused = [refusal for refusal in app.refusals if not refusal.defers]
        state = UnitState.HELD if app.is_held and not refused else UnitState.DEFERRED
        state = UnitState.REFUSED if refused else state
        refused = refused or ([] if state is UnitState.HELD else list(app.refusals))
        text = refused[0].text if refused else _reasons(app)
    # A new route that the plan let wait for its backends was made when the run succeeded.
    wait = None if state is UnitState.SUCCESS and app.makes_route else find_wait(app)
    if wait is not None and state in _WAITS_AFTER:
        state = UnitState.HELD if wait.hold is not None else UnitState.INCOMPLETE
        text = "; ".join(filter(None, (wait.text, text)))
    corrected: dict[str, int] = {}
    for change, verb in result.done:
        if change.key in restored and verb is not Verb.UNCHANGED:
            corrected[change.key.kind] = corrected.get(change.key.kind, 0) + 1
    taken_back = {
        c.key.full(): c.takes_over for c, _ in result.done if c.key in restored and c.takes_over
    }
    done = tuple(result.list_done())
    gone = app.removed and state in (UnitState.SUCCESS, UnitState.NOOP)
    hold = wait.hold if wait is not None and state is UnitState.HELD else None
    return UnitResult(
        app.unit, state, text, objects, drifted, corrected, taken_back, done, gone,
        held_since=hold.since if hold is not None else None,
    )  # fmt: skip


#: Results that do not matter beside the fact that traffic waits.
_WAITS_AFTER = (UnitState.SUCCESS, UnitState.NOOP, UnitState.INCOMPLETE)


def _reasons(app: AppPlan) -> str:
    for change in app.changes():
        if not change.goes and change.reasons:
            return f"{change.key}: {change.reasons[-1].text}"
    return "held back"
