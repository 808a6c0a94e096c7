"""Apply and reconcile: a reviewed plan carried out, unit by unit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.apply.effect import Effect
from reconciler.apply.execute import Executor, Permit, always_permit
from reconciler.apply.result import ApplyResult, ApplyStatus
from reconciler.engine.review import Review, ReviewPart, exit_code_of
from reconciler.engine.targets import Targets, targets_of
from reconciler.errors import ExitCode, most_severe
from reconciler.plan.change import AppPlan, Plan
from reconciler.ports import SEQUENTIAL, Clock, ClusterWriter, Reporter, Workers
from reconciler.unit import UnitId

__all__ = ["ApplySettings", "RunResult", "apply", "reconcile"]


#: How often a run reads again and decides again because somebody else was faster.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a reviewed plan. `results` has an entry for every unit that was begun; the exit
    code counts what was found before the first write, too."""

    command: str
    reviewed: Review
    results: tuple[ApplyResult, ...]
    exit_code: ExitCode


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """`timeout` bounds each wave's wait, in seconds; `before` sees every effect ahead of time;
    `permit` says of a unit why it may not be written any more ("" when it may). `again` reviews
    anew, for apps that lost a compare-and-swap; `epoch` tells a group's lease transitions."""

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
    """The whole selection or nothing: an error, a denial or a refusal anywhere stops all."""
    code = exit_code_of(reviewed)
    if code is not ExitCode.DONE:
        return _result("apply", reviewed, (), code)
    run = _Run(cluster, clock, reporter, settings or ApplySettings())
    return _result("apply", reviewed, run.carried_out(reviewed, lambda _: True), code)


def reconcile(
    reviewed: Review,
    cluster: ClusterWriter | Targets[ClusterWriter],
    clock: Clock,
    reporter: Reporter,
    settings: ApplySettings | None = None,
) -> RunResult:
    """Blocks per app and goes on with the others. A denied foundation takes its group with it;
    deletes that a guard refused are already held in the plan. What lost a compare-and-swap is
    read, decided and tried again."""
    settings = settings or ApplySettings()
    run = _Run(cluster, clock, reporter, settings)
    results = {r.unit: r for r in run.carried_out(reviewed, _allowed(reviewed))}
    for _ in range(_TRIES - 1):
        lost = {unit for unit, result in results.items() if result.status is ApplyStatus.LOST}
        if not lost or settings.again is None:
            break
        fresh = settings.again()
        allowed = _allowed(fresh)

        def mine(app: AppPlan, lost: set[UnitId] = lost, allowed: Allowed = allowed) -> bool:
            return app.unit in lost and allowed(app)

        tried = run.carried_out(fresh, mine)
        results |= {r.unit: r for r in tried}
        if not tried:
            break
    return _result("reconcile", reviewed, tuple(results.values()), exit_code_of(reviewed))


Allowed: TypeAlias = Callable[[AppPlan], bool]


def _allowed(reviewed: Review) -> Allowed:
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
    """Plans carried out, several units at once where the workers allow it."""

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

    def carried_out(self, reviewed: Review, allowed: Allowed) -> tuple[ApplyResult, ...]:
        """Part by part; within one, foundations before apps, and those that go after them."""
        plan = reviewed.plan
        assert plan is not None
        results: list[ApplyResult] = []
        for part in reviewed.parts:
            results += self._part(part, plan, self._executor(part.place), allowed)
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

    def _part(
        self, part: ReviewPart, plan: Plan, executor: Executor, allowed: Allowed
    ) -> list[ApplyResult]:
        revision = plan.commit or plan.label
        results: list[ApplyResult] = []
        broken: set[str] = set()
        mine = [a for a in plan.apps if a.place == part.place and allowed(a)]
        first = not (part.snapshot.inventories or part.snapshot.damaged)
        for stage in _stages(mine, first_alone=first):

            def carry_out(app: AppPlan) -> ApplyResult:
                group = f"{app.environment}/{app.group}"
                if group in broken:
                    return _left(app, "its group's foundation is not in place")
                if app.unit.is_foundation and app.empties:
                    staying = _staying(part, group, results)
                    if staying:
                        return _left(app, f"goes when these are gone: {', '.join(staying)}")
                return executor.run(self._epoch(app), revision)

            for app, result in zip(stage, self.settings.workers.map(carry_out, stage), strict=True):
                results.append(result)
                if app.unit.is_foundation and result.status in _NOT_IN_PLACE:
                    broken.add(f"{app.environment}/{app.group}")
        return results

    def _epoch(self, app: AppPlan) -> AppPlan:
        if self.settings.epoch is None:
            return app
        return replace(app, epoch=self.settings.epoch(app.unit))


_NOT_IN_PLACE = (ApplyStatus.FAILED, ApplyStatus.LOST, ApplyStatus.STOPPED)


def _stages(apps: list[AppPlan], *, first_alone: bool) -> Iterator[list[AppPlan]]:
    """Runs of units that do not wait for one another, in the plan's order. In a cluster that was
    never written to, the first unit goes alone: it makes the program's own namespace."""
    if first_alone and apps:
        yield apps[:1]
        apps = apps[1:]
    for _, stage in itertools.groupby(apps, key=_stage):
        yield list(stage)


def _stage(app: AppPlan) -> int:
    if not app.unit.is_foundation:
        return 1
    return 2 if app.empties else 0


def _left(app: AppPlan, why: str) -> ApplyResult:
    return ApplyResult(app.unit, ApplyStatus.INCOMPLETE, problems=[(None, why)])


def _staying(part: ReviewPart, group: str, results: list[ApplyResult]) -> list[str]:
    """The apps of a group that have objects still: a namespace takes all of them with it, running
    jobs included."""
    gone = {r.unit for r in results if r.status in (ApplyStatus.DONE, ApplyStatus.NOTHING)}
    here = {*part.snapshot.inventories, *part.snapshot.damaged}
    return sorted(
        str(unit)
        for unit in here
        if unit.group_id == group and not unit.is_foundation and unit not in gone
    )


def _result(
    command: str, reviewed: Review, results: tuple[ApplyResult, ...], code: ExitCode
) -> RunResult:
    codes = [code]
    if any(r.status not in (ApplyStatus.DONE, ApplyStatus.NOTHING) for r in results):
        codes.append(ExitCode.INCOMPLETE)
    return RunResult(command, reviewed, results, most_severe(codes))
