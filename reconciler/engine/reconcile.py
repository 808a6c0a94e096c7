"""Apply and reconcile: a reviewed plan carried out, unit by unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.apply.effect import Effect
from reconciler.apply.execute import Executor, Permit, always
from reconciler.apply.protocol import Result, Status
from reconciler.engine import history
from reconciler.engine.report import Changes, Findings, Report
from reconciler.engine.review import Reviewed, count, verdict
from reconciler.errors import ExitCode, most_severe
from reconciler.objects.outcome import Verb
from reconciler.plan.change import AppPlan
from reconciler.ports import Clock, ClusterWriter, Reporter

__all__ = ["Settings", "apply", "reconcile"]


@dataclass(frozen=True, slots=True)
class Settings:
    """`timeout` bounds each wave's wait, in seconds; `before` sees every effect ahead of time;
    `permit` says of a unit why it may not be written any more ("" when it may)."""

    timeout: float = 600.0
    before: Callable[[Effect], None] | None = None
    permit: Permit = always


def apply(
    reviewed: Reviewed,
    cluster: ClusterWriter,
    clock: Clock,
    reporter: Reporter,
    settings: Settings | None = None,
) -> Report:
    """The whole selection or nothing: an error, a denial or a refusal anywhere stops all."""
    code = verdict(reviewed)
    if code is not ExitCode.DONE:
        return _report("apply", reviewed, (), code)
    assert reviewed.plan is not None
    results = _carry_out(reviewed, reviewed.plan.apps, cluster, clock, reporter, settings)
    return _report("apply", reviewed, results, code)


def reconcile(
    reviewed: Reviewed,
    cluster: ClusterWriter,
    clock: Clock,
    reporter: Reporter,
    settings: Settings | None = None,
) -> Report:
    """Blocks per app and goes on with the others. A denied foundation takes its group with it;
    deletes that a guard refused are already held in the plan."""
    assert reviewed.plan is not None
    denied = reviewed.denied
    groups = {unit.rpartition("/")[0] for unit in denied if unit.endswith("/_group")}
    going = tuple(
        app
        for app in reviewed.plan.apps
        if app.unit not in denied
        and app.unit.rpartition("/")[0] not in groups
        and not app.is_unjudged
        and not any(refusal.code == history.REWOUND for refusal in app.refusals)
    )
    results = _carry_out(reviewed, going, cluster, clock, reporter, settings)
    return _report("reconcile", reviewed, results, verdict(reviewed))


def _carry_out(
    reviewed: Reviewed,
    apps: tuple[AppPlan, ...],
    cluster: ClusterWriter,
    clock: Clock,
    reporter: Reporter,
    settings: Settings | None,
) -> tuple[Result, ...]:
    settings = settings or Settings()
    executor = Executor(
        cluster,
        clock,
        reporter,
        timeout=settings.timeout,
        before=settings.before,
        permit=settings.permit,
    )
    plan = reviewed.plan
    assert plan is not None
    revision = plan.commit or plan.label
    results: list[Result] = []
    broken: set[str] = set()
    for app in apps:
        group = f"{app.environment}/{app.group}"
        if group in broken:
            results.append(_left(app, "its group's foundation is not in place"))
            continue
        if app.unit.endswith("/_group") and app.empties:
            staying = _staying(reviewed, group, results)
            if staying:
                results.append(_left(app, f"goes when these are gone: {', '.join(staying)}"))
                continue
        result = executor.run(app, revision)
        results.append(result)
        if app.unit.endswith("/_group") and result.status in (
            Status.FAILED,
            Status.LOST,
            Status.STOPPED,
        ):
            broken.add(group)
    return tuple(results)


def _left(app: AppPlan, why: str) -> Result:
    return Result(app.unit, Status.INCOMPLETE, problems=[(None, why)])


def _staying(reviewed: Reviewed, group: str, results: list[Result]) -> list[str]:
    """The apps of a group that have objects still: a namespace takes all of them with it, running
    jobs included."""
    gone = {r.unit for r in results if r.status in (Status.DONE, Status.NOTHING)}
    here = {*reviewed.snapshot.inventories, *reviewed.snapshot.damaged}
    return sorted(
        unit
        for unit in here
        if unit.rpartition("/")[0] == group and not unit.endswith("/_group") and unit not in gone
    )


def _report(
    command: str, reviewed: Reviewed, results: tuple[Result, ...], code: ExitCode
) -> Report:
    codes = [code]
    if any(r.status not in (Status.DONE, Status.NOTHING) for r in results):
        codes.append(ExitCode.INCOMPLETE)
    assert reviewed.plan is not None
    return Report(
        command,
        (Findings(reviewed.diagnostics, reviewed.findings), *_changes(reviewed, results, code)),
        (_summary(reviewed, results, code),),
        most_severe(codes),
        {"blocked": dict(reviewed.fleet.blocked), "denied": sorted(reviewed.denied)},
        reviewed.fleet.label,
    )


def _changes(
    reviewed: Reviewed, results: tuple[Result, ...], code: ExitCode
) -> tuple[Changes, ...]:
    """The plan and what came of it; left out where mistakes or denials kept all of it back, for
    then they are what matters."""
    assert reviewed.plan is not None
    if not results and code in (ExitCode.ERROR, ExitCode.DENIED) and not reviewed.plan.refusals:
        return ()
    return (Changes(reviewed.plan, applied=results),)


def _summary(reviewed: Reviewed, results: tuple[Result, ...], code: ExitCode) -> str:
    if not results and code is not ExitCode.DONE:
        return "Nothing was written."
    counts = {
        "created": sum(r.count(Verb.CREATED) for r in results),
        "updated": sum(r.count(Verb.UPDATED) for r in results),
        "deleted": sum(r.count(Verb.DELETED) for r in results),
        "unchanged": sum(r.unchanged for r in results),
    }
    parts = [f"{n} {word}" for word, n in counts.items() if n]
    if not any(r.done for r in results):
        parts.insert(0, "nothing to do")
    text = f"applied {reviewed.fleet.label}: {', '.join(parts)}"
    apps = reviewed.plan.apps if reviewed.plan is not None else ()
    held = [app.unit for app in apps if app.is_held]
    unjudged = [app.unit for app in apps if app.is_unjudged]
    bad = [r for r in results if r.status not in (Status.DONE, Status.NOTHING)]
    if bad:
        return f"{text}. {count(len(bad), 'app')} incomplete: {', '.join(r.unit for r in bad)}."
    left = sorted({*reviewed.fleet.blocked, *reviewed.denied, *reviewed.snapshot.damaged})
    if left:
        return f"{text}. Blocked: {', '.join(left)}."
    if unjudged:
        return f"{text}. Not judged: {', '.join(unjudged)}."
    if held:
        return f"{text}. Held: {', '.join(held)}."
    # Health was looked at only where something was done.
    return f"{text}. All healthy." if any(r.status is Status.DONE for r in results) else f"{text}."
