"""Makes the reports of `check`, `render` and `plan` from a review."""

from __future__ import annotations

from reconciler.engine.review import Review, exit_code_of, may_apply
from reconciler.engine.views.holds import describe_traffic_holds
from reconciler.engine.views.model_changes import changes_of, list_uncompared
from reconciler.engine.views.report import Findings, Report
from reconciler.engine.views.words import count, listed
from reconciler.errors import ExitCode

__all__ = ["check_report", "plan_report", "render_report"]


def check_report(reviewed: Review) -> Report:
    """The report of `check`: all mistakes and policy findings, and no plan."""
    return Report(
        "check",
        (Findings(reviewed.diagnostics, reviewed.findings),),
        _closing(reviewed),
        exit_code_of(reviewed),
        _program_data(reviewed),
        reviewed.fleet.label,
    )


def render_report(reviewed: Review) -> Report:
    """The report of `render` without the manifests: mistakes and policy findings."""
    return Report(
        "render",
        (Findings(reviewed.diagnostics, reviewed.findings),),
        (),
        exit_code_of(reviewed),
        {},
        reviewed.fleet.label,
    )


def plan_report(reviewed: Review, *, show_all: bool = False, exit_code: bool = False) -> Report:
    """The report of `plan`. With `exit_code` a plan with changes has the exit code DIFFERENCES."""
    assert reviewed.plan is not None
    code = exit_code_of(reviewed)
    differs = reviewed.plan.has_changes or any(c.deferred for c in reviewed.plan.changes())
    if exit_code and code is ExitCode.DONE:
        if differs:
            code = ExitCode.DIFFERENCES
        elif list_uncompared(reviewed):
            code = ExitCode.INCOMPLETE
    return Report(
        "plan",
        (
            Findings(reviewed.diagnostics, reviewed.findings),
            changes_of(reviewed, show_all=show_all),
        ),
        (_summary(reviewed),),
        code,
        {**_program_data(reviewed), "base": reviewed.snapshot.base},
        reviewed.fleet.label,
    )


def _program_data(reviewed: Review) -> dict[str, object]:
    """Keys for the JSON output: the number of apps and policies, and the units with mistakes."""
    return {
        "apps": len(reviewed.fleet.apps),
        "policies": reviewed.policies,
        "blocked": {str(unit): codes for unit, codes in reviewed.fleet.blocked.items()},
    }


def _closing(reviewed: Review) -> tuple[str, ...]:
    errors = [d for d in reviewed.diagnostics if d.is_error]
    warnings = len(reviewed.diagnostics) - len(errors)
    denies = sum(1 for f in reviewed.findings if f.blocks)
    warns = len(reviewed.findings) - denies
    apps = {app.id for app in reviewed.fleet.apps}
    fine = len(apps - reviewed.denied)
    total = _total(reviewed)
    if not errors and not denies:
        text = f"{count(fine, 'app')} fine"
        notes = [count(warnings, "warning")] if warnings else []
        notes += [f"{count(warns, 'finding')} below deny"] if warns else []
        return (f"{text}{'; ' + ', '.join(notes) if notes else ''}.",)
    parts = []
    if errors:
        files = len({d.site.file for d in errors if d.site is not None})
        place = f" in {count(files, 'file')}" if files else ""
        parts.append(f"{count(len(errors), 'error')}{place}")
    if denies:
        parts.append(_denials(reviewed))
    parts += [f"{count(warns, 'finding')} below deny"] if warns else []
    out = f"{', '.join(parts)}. "
    out += f"{fine} of {count(total, 'app')} {'is' if total == 1 or fine == 1 else 'are'} fine. "
    return (out + "Nothing was written.",)


def _denials(reviewed: Review) -> str:
    """How many findings deny how many apps: `3 findings deny 1 of 12 apps`."""
    denies = sum(1 for f in reviewed.findings if f.blocks)
    apps = sum(1 for unit in reviewed.denied if not unit.is_foundation)
    groups = len(reviewed.denied) - apps
    whom = [f"{apps} of {count(_total(reviewed), 'app')}"] if apps or not groups else []
    whom += [count(groups, "group")] if groups else []
    verb = "denies" if denies == 1 else "deny"
    return f"{count(denies, 'finding')} {verb} {' and '.join(whom)}"


def _total(reviewed: Review) -> int:
    blocked = sum(1 for unit in reviewed.fleet.blocked if not unit.is_foundation)
    return len(reviewed.fleet.apps) + blocked


def _summary(reviewed: Review) -> str:
    """The last line of a plan. It never says that nothing differs when something was not seen."""
    text = _counted(reviewed)
    missing = list_uncompared(reviewed)
    if missing:
        text = text.replace("No difference.", "No difference in what could be compared.")
        return f"{text} Not compared: {listed(missing, 4)}."
    if reviewed.has_errors and text == "No difference.":
        return "Nothing was compared, because of the errors above."
    return text


def _counted(reviewed: Review) -> str:
    assert reviewed.plan is not None
    held = describe_traffic_holds(reviewed.plan.apps)
    return " ".join(filter(None, (_counts(reviewed), held)))


def _counts(reviewed: Review) -> str:
    assert reviewed.plan is not None
    counts = {action.value: n for action, n in reviewed.plan.counts().items() if n}
    decisions = sum(1 for app in reviewed.plan.apps if app.swap is not None)
    held = sum(1 for c in reviewed.plan.changes() if not c.goes)
    words = {
        "create": "to create",
        "update": "to update",
        "replace": "to delete and make anew",
        "delete": "to delete",
    }
    parts = [f"{counts[k]} {words[k]}" for k in words if k in counts]
    if reviewed.plan.drifted:
        parts.append(f"drift of {count(reviewed.plan.drifted, 'object')} among these")
    if decisions:
        parts.append(count(decisions, "decision"))
    if held:
        parts.append(f"{held} held")
    if not parts:
        return "No difference."
    text = ", ".join(parts) + "."
    if reviewed.snapshot.offline and not reviewed.denied:
        return text + " Offline: weights are Git's target."
    if may_apply(reviewed):
        rest = ", and leaves what is held" if held else ""
        return f"{text} `reconciler apply` does exactly this{rest}."
    whole = "`reconciler apply` would write nothing"
    others = "`reconcile` does what is not held"
    if reviewed.denied:
        return f"{text} {_denials(reviewed)}: {whole}; `reconcile` leaves the denied apps out."
    if reviewed.has_errors or reviewed.damaged:
        return f"{text} With these mistakes {whole}; `reconcile` leaves their apps out."
    if reviewed.plan.refusals and all(refusal.defers for refusal in reviewed.plan.refusals):
        return (
            f"{text} A change window is closed: {whole}; `reconcile` does it when the window opens."
        )
    if reviewed.plan.refusals:
        return f"{text} Without the approval {whole}; {others}."
    return f"{text} Something could not be judged: {whole}; {others}."
