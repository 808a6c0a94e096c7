"""Makes the reports of `apply` and `reconcile` from the results of a run."""

from __future__ import annotations

from reconciler.apply.result import ApplyResult, ApplyStatus
from reconciler.engine.apply_plan import RunResult
from reconciler.engine.review import Review, exit_code_of
from reconciler.engine.views.model_changes import changes_of
from reconciler.engine.views.report import Changes, Findings, Report
from reconciler.engine.views.words import count, listed
from reconciler.errors import ExitCode
from reconciler.objects.outcome import Verb
from reconciler.plan.change import Action

__all__ = ["run_report"]


def run_report(run: RunResult) -> Report:
    """The plan with the result of each unit.

    The plan is left out where mistakes or denials blocked all of it: then only these matter."""
    reviewed = run.reviewed
    code = exit_code_of(reviewed)
    return Report(
        run.command,
        (
            Findings(reviewed.diagnostics, reviewed.findings),
            *_changes(reviewed, run.results, code),
        ),
        (_summary(reviewed, run.results, code),),
        run.exit_code,
        {
            "blocked": {str(unit): codes for unit, codes in reviewed.fleet.blocked.items()},
            "denied": [str(unit) for unit in sorted(reviewed.denied)],
        },
        reviewed.fleet.label,
    )


def _changes(
    reviewed: Review, results: tuple[ApplyResult, ...], code: ExitCode
) -> tuple[Changes, ...]:
    """The plan with its results; empty where mistakes or denials blocked all of it."""
    assert reviewed.plan is not None
    if not results and code in (ExitCode.ERROR, ExitCode.DENIED) and not reviewed.plan.refusals:
        return ()
    return (changes_of(reviewed, applied=results),)


def _summary(reviewed: Review, results: tuple[ApplyResult, ...], code: ExitCode) -> str:
    if not results and code is not ExitCode.DONE:
        return "Nothing was written."
    remade = sum(1 for r in results for change, _ in r.done if change.action is Action.REPLACE)
    counts = {
        "created": sum(r.count(Verb.CREATED) for r in results) - remade,
        "updated": sum(r.count(Verb.UPDATED) for r in results),
        "deleted and made anew": remade,
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
    unfinished = [r for r in results if r.status not in (ApplyStatus.DONE, ApplyStatus.NOTHING)]
    if unfinished:
        names = listed([r.unit for r in unfinished])
        return f"{text}. {count(len(unfinished), 'app')} incomplete: {names}."
    blocked = sorted({*reviewed.fleet.blocked, *reviewed.denied, *reviewed.damaged})
    if blocked:
        return f"{text}. Blocked: {listed(blocked)}."
    if unjudged:
        return f"{text}. Not judged: {listed(unjudged)}."
    if held:
        return f"{text}. Held: {listed(held)}."
    # The run looks at health only where it wrote something.
    return (
        f"{text}. All healthy."
        if any(r.status is ApplyStatus.DONE for r in results)
        else f"{text}."
    )
