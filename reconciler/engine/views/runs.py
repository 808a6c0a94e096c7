"""Makes the reports of `apply` and `reconcile` from the results of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.apply.result import ApplyResult, ApplyStatus
from reconciler.engine.apply_plan import RunResult
from reconciler.engine.review import Review, exit_code_of
from reconciler.engine.views.holds import describe_held
from reconciler.engine.views.model_changes import changes_of
from reconciler.engine.views.report import Changes, Findings, Report
from reconciler.engine.views.words import count, listed
from reconciler.errors import ExitCode
from reconciler.objects.outcome import Verb
from reconciler.plan.change import Action, Refusal

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
    """The last line: what was written, then everything that keeps the run from being done, each
    refusal with the option that approves it. `All healthy` only where nothing of that is so."""
    apps = reviewed.plan.apps if reviewed.plan is not None else ()
    troubles = [*_troubles(reviewed, results), *_refusals(reviewed)]
    if not results and code is not ExitCode.DONE:
        return " ".join(["Nothing was written.", *troubles])
    text = f"applied {reviewed.fleet.label}: {_counts(results)}."
    if troubles:
        return " ".join([text, *troubles])
    waits = any(app.waits and not app.makes_route for app in apps)
    # The run looks at health only where it wrote something.
    is_healthy = any(r.status is ApplyStatus.DONE for r in results) and not waits
    return f"{text} All healthy." if is_healthy else text


def _counts(results: tuple[ApplyResult, ...]) -> str:
    remade = sum(1 for r in results for change, _ in r.done if change.action is Action.REPLACE)
    counts = {
        "created": sum(r.count(Verb.CREATED) for r in results) - remade,
        "updated": sum(r.count(Verb.UPDATED) for r in results),
        "deleted and made anew": remade,
        "deleted": sum(r.count(Verb.DELETED) for r in results),
        "unchanged": sum(r.unchanged for r in results),
    }
    parts = [f"{n} {word}" for word, n in counts.items() if n]
    drifted = sum(1 for r in results for change, _ in r.done if change.drifts)
    if drifted:
        parts.append(f"drift of {count(drifted, 'object')} corrected")
    if not any(r.done for r in results):
        parts.insert(0, "nothing to do")
    return ", ".join(parts)


def _troubles(reviewed: Review, results: tuple[ApplyResult, ...]) -> Iterator[str]:
    """One sentence for each way in which units are not as Git wants them."""
    apps = reviewed.plan.apps if reviewed.plan is not None else ()
    unfinished = [r for r in results if r.status not in (ApplyStatus.DONE, ApplyStatus.NOTHING)]
    if unfinished:
        names = listed([r.unit for r in unfinished])
        yield f"{count(len(unfinished), 'app')} incomplete: {names}."
    blocked = sorted({*reviewed.fleet.blocked, *reviewed.denied, *reviewed.damaged})
    if blocked:
        yield f"Blocked: {listed(blocked)}."
    if unjudged := [app.unit for app in apps if app.is_unjudged]:
        yield f"Not judged: {listed(unjudged)}."
    done = {r.unit for r in results if r.status is ApplyStatus.DONE}
    waiting = [a for a in apps if a.is_held or a.hold_after(done=a.unit in done) is not None]
    if waiting:
        yield f"Held: {listed([describe_held(app) for app in waiting], _MOST)}."


def _refusals(reviewed: Review) -> Iterator[str]:
    """What guards refused, each with its way out. Where there are more than are shown, the options
    that approve them all follow, to be copied."""
    plan = reviewed.plan
    if plan is None:
        return
    if deferred := [_describe_refusal(r) for r in plan.refusals if r.defers]:
        yield f"Waits: {listed(deferred, _MOST)}."
    refusals = [refusal for refusal in plan.refusals if not refusal.defers]
    if not refusals:
        return
    more = f"; and {len(refusals) - _MOST} more" if len(refusals) > _MOST else ""
    yield f"Refused: {'; '.join(map(_describe_refusal, refusals[:_MOST]))}{more}."
    ways = {word: None for refusal in refusals for word in _OPTION.findall(refusal.way_out)}
    if more and ways:
        yield f"If all of it is meant: {' '.join(ways)}"


def _describe_refusal(refusal: Refusal) -> str:
    return f"{refusal.text} ({refusal.way_out})" if refusal.way_out else refusal.text


#: An option with its value, as the way out of a refusal names it.
_OPTION = re.compile(r"--(?:approve-[a-z]+|allow-rewind) \S+")
_MOST = 3
