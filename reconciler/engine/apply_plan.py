"""`apply` and `reconcile`: carry out a reviewed plan, unit by unit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.apply.effect import Effect
from reconciler.apply.execute import Executor, Permit, always_permit
from reconciler.apply.result import ApplyResult, ApplyStatus
from reconciler.engine.review import Review, ReviewPart, exit_code_of, may_apply
from reconciler.engine.targets import Targets, targets_of
from reconciler.errors import ExitCode, most_severe
from reconciler.plan.change import AppPlan, Plan
from reconciler.ports import SEQUENTIAL, Clock, ClusterWriter, Reporter, Workers
from reconciler.unit import UnitId

__all__ = ["ApplySettings", "RunResult", "apply", "reconcile"]


#: How often a run reads and plans the units whose compare-and-swap failed.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a reviewed plan. `results` has an entry for every unit that was begun. The exit
    code also counts errors, denials and refusals from before the first write."""

    command: str
    reviewed: Review
    results: tuple[ApplyResult, ...]
    exit_code: ExitCode


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """`timeout` bounds the wait of each wave, in seconds. `before` is called ahead of every effect.
    `permit` returns why a unit may no longer be written ("" when it may). `again` makes a new
    review, for units whose compare-and-swap failed. `epoch` returns the epoch of a unit's lease."""

    timeout: float = 600.0
    before: Callable[[Effect], None] | None = None
    permit: Permit = always_permit
    workers: Workers = SEQUENTIAL
    again: Callable[[], Review] | None = None
    epoch: Callable[[UnitId], int] | None = None


def apply(
    reviewed: Review,
    cluster: ClusterWriter | Targets[ClusterWriter],
    clock: Clock,
    reporter: Reporter,
    settings: ApplySettings | None = None,
) -> RunResult:
    """Applies exactly the plan's list, or nothing: an error, a denial or a refusal of any unit
    stops all units. Held objects are left out, as the plan shows them, and the exit code says so.
    """
    code = exit_code_of(reviewed)
    if not may_apply(reviewed):
        refused = bool(reviewed.plan is not None and reviewed.plan.refusals)
        codes = [code, *([ExitCode.REFUSED] if refused else [])]
        return _result("apply", reviewed, (), most_severe(codes))
    run = _Run(cluster, clock, reporter, settings or ApplySettings())
    return _result("apply", reviewed, run.carry_out(reviewed, lambda _: True), code)


def reconcile(
    reviewed: Review,
    cluster: ClusterWriter | Targets[ClusterWriter],
    clock: Clock,
    reporter: Reporter,
    settings: ApplySettings | None = None,
) -> RunResult:
    """Applies every unit that nothing blocks. A denied foundation blocks its whole group; deletes
    that a guard refused are already held in the plan. Units whose compare-and-swap failed are read,
    planned and applied again."""
    settings = settings or ApplySettings()
    run = _Run(cluster, clock, reporter, settings)
    results = {r.unit: r for r in run.carry_out(reviewed, _make_filter(reviewed))}
    for _ in range(_TRIES - 1):
        lost = {unit for unit, result in results.items() if result.status is ApplyStatus.LOST}
        if not lost or settings.again is None:
            break
        fresh = settings.again()
        allowed = _make_filter(fresh)

        def retried(app: AppPlan, lost: set[UnitId] = lost, allowed: Allowed = allowed) -> bool:
            return app.unit in lost and allowed(app)

        tried = run.carry_out(fresh, retried)
        results |= {r.unit: r for r in tried}
        if not tried:
            break
    return _result("reconcile", reviewed, tuple(results.values()), exit_code_of(reviewed))


Allowed: TypeAlias = Callable[[AppPlan], bool]


def _make_filter(reviewed: Review) -> Allowed:
    denied = reviewed.denied
    groups = {unit.group_id for unit in denied if unit.is_foundation}

    def allowed(app: AppPlan) -> bool:
        return (
            app.unit not in denied
            and app.unit.group_id not in groups
            and not app.is_unjudged
            and not any(refusal.is_whole for refusal in app.refusals)
        )

    return allowed


class _Run:
    """Carries out plans, several units at once when the workers allow it."""

    def __init__(
        self,
        cluster: ClusterWriter | Targets[ClusterWriter],
        clock: Clock,
        reporter: Reporter,
        settings: ApplySettings,
    ) -> None:
        self.targets = targets_of(cluster)
        self.clock = clock
        self.reporter = reporter
        self.settings = settings

    def carry_out(self, reviewed: Review, allowed: Allowed) -> tuple[ApplyResult, ...]:
        """Applies cluster by cluster; in each, foundations before apps, and foundations that are
        deleted after the apps."""
        plan = reviewed.plan
        assert plan is not None
        results: list[ApplyResult] = []
        for part in reviewed.parts:
            results += self._apply_part(part, plan, self._executor(part.place), allowed)
        return tuple(results)

    def _executor(self, place: int) -> Executor:
        return Executor(
            self.targets.clients[place],
            self.clock,
            self.reporter,
            timeout=self.settings.timeout,
            before=self.settings.before,
            permit=self.settings.permit,
        )

    def _apply_part(
        self, part: ReviewPart, plan: Plan, executor: Executor, allowed: Allowed
    ) -> list[ApplyResult]:
        revision = plan.commit or plan.label
        results: list[ApplyResult] = []
        broken: set[str] = set()
        apps = [a for a in plan.apps if a.place == part.place and allowed(a)]
        first = not (part.snapshot.inventories or part.snapshot.damaged)
        for stage in _stages(apps, first_alone=first):

            def carry_out(app: AppPlan) -> ApplyResult:
                group = f"{app.environment}/{app.group}"
                if group in broken:
                    return _skip(app, "its group's foundation is not in place")
                if app.unit.is_foundation and app.empties:
                    remaining = _find_remaining_apps(part, group, results)
                    if remaining:
                        return _skip(app, f"goes when these are gone: {', '.join(remaining)}")
                return executor.run(self._with_epoch(app), revision)

            for app, result in zip(stage, self.settings.workers.map(carry_out, stage), strict=True):
                results.append(result)
                if app.unit.is_foundation and result.status in _NOT_IN_PLACE:
                    broken.add(f"{app.environment}/{app.group}")
        return results

    def _with_epoch(self, app: AppPlan) -> AppPlan:
        if self.settings.epoch is None:
            return app
        return replace(app, epoch=self.settings.epoch(app.unit))


_NOT_IN_PLACE = (ApplyStatus.FAILED, ApplyStatus.LOST, ApplyStatus.STOPPED)


def _stages(apps: list[AppPlan], *, first_alone: bool) -> Iterator[list[AppPlan]]:
    """Groups of units that do not wait for one another, in the plan's order. In a cluster without
    any inventory the first unit is alone, because it creates the program's own namespace."""
    if first_alone and apps:
        yield apps[:1]
        apps = apps[1:]
    for _, stage in itertools.groupby(apps, key=_stage):
        yield list(stage)


def _stage(app: AppPlan) -> int:
    if not app.unit.is_foundation:
        return 1
    return 2 if app.empties else 0


def _skip(app: AppPlan, why: str) -> ApplyResult:
    return ApplyResult(app.unit, ApplyStatus.INCOMPLETE, problems=[(None, why)])


def _find_remaining_apps(part: ReviewPart, group: str, results: list[ApplyResult]) -> list[str]:
    """The apps of a group that still have objects: deleting the namespace would delete these too,
    running jobs included."""
    gone = {r.unit for r in results if r.status in (ApplyStatus.DONE, ApplyStatus.NOTHING)}
    recorded = {*part.snapshot.inventories, *part.snapshot.damaged}
    return sorted(
        str(unit)
        for unit in recorded
        if unit.group_id == group and not unit.is_foundation and unit not in gone
    )


def _result(
    command: str, reviewed: Review, results: tuple[ApplyResult, ...], code: ExitCode
) -> RunResult:
    codes = [code]
    if any(r.status not in (ApplyStatus.DONE, ApplyStatus.NOTHING) for r in results):
        codes.append(ExitCode.INCOMPLETE)
    done = {r.unit: r.status is ApplyStatus.DONE for r in results}
    apps = reviewed.plan.apps if reviewed.plan is not None else ()
    if any(a.unit in done and a.hold_after(done=done[a.unit]) is not None for a in apps):
        codes.append(ExitCode.INCOMPLETE)
    return RunResult(command, reviewed, results, most_severe(codes))
