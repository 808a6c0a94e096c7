"""The report of a pass: the whole plan, the results, and the units that were left out, with why."""

from __future__ import annotations

from dataclasses import replace

from reconciler.engine.views.report import Changes, Report
from reconciler.engine.views.runs import run_report
from reconciler.operate.passes import Pass, UnitState

__all__ = ["pass_report"]


def pass_report(done: Pass) -> Report:
    """The report of one pass."""
    report = run_report(done.run) if done.run is not None else Report("reconcile")
    lines = [f"skipped_locked: {group}: {why}" for group, why in sorted(done.locked.items())]
    resting = [o for o in done.outcomes if o.state is UnitState.BACKING_OFF]
    lines += [f"backing off: {o.unit}: {o.text}" for o in resting]
    drifted = [str(o.unit) for o in done.outcomes if o.state is UnitState.DRIFTED]
    if drifted:
        lines.append(f"drifted, and only reported: {', '.join(drifted)}")
    sections = tuple(
        replace(section, plan=done.plan)
        if isinstance(section, Changes) and done.plan is not None
        else section
        for section in report.sections
    )
    return replace(
        report,
        sections=sections,
        closing=(*report.closing, *lines),
        exit_code=done.exit_code,
        data={
            **report.data,
            "skippedLocked": dict(sorted(done.locked.items())),
            "results": {str(o.unit): o.state.value for o in done.outcomes},
        },
        revision=done.label,
    )
