"""Stricter exit codes for `--fail-on`: warnings, and a config without applications or policies.
Without this a CI step that checks nothing would succeed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, error
from reconciler.engine.views.report import Findings, Report
from reconciler.errors import ExitCode, most_severe

__all__ = ["held_to"]


def held_to(report: Report, choices: Iterable[str]) -> Report:
    """The report with the exit code that the choices ask for, where that is more severe.

    `warn`: 1 for any diagnostic, 3 for any policy finding in the report, whatever its level.
    `empty`: 1 where there is no application or no policy, with a diagnostic that says so."""
    codes = [report.exit_code]
    if "warn" in choices:
        for section in report.sections:
            if isinstance(section, Findings):
                codes += [ExitCode.ERROR] if section.diagnostics else []
                codes += [ExitCode.DENIED] if section.policy else []
    found = tuple(_empty(report)) if "empty" in choices else ()
    if found:
        codes.append(ExitCode.ERROR)
        report = replace(report, sections=(Findings(found), *report.sections))
        report = _joined(report)
    return replace(report, exit_code=most_severe(codes))


def _empty(report: Report) -> Iterable[Diagnostic]:
    if report.data.get("apps") == 0 and not report.data.get("blocked"):
        yield error(
            "E_NO_APPS",
            "there is no application",
            help="an empty file environments/<environment>/<group>/<model>.yaml makes an app",
        )
    if report.data.get("policies") == 0:
        yield error(
            "E_NO_POLICIES",
            "there is no policy",
            help="put ValidatingAdmissionPolicy files with bindings into policies/",
        )


def _joined(report: Report) -> Report:
    """The report with one section of findings, since formats print one list."""
    findings = [s for s in report.sections if isinstance(s, Findings)]
    rest = tuple(s for s in report.sections if not isinstance(s, Findings))
    diagnostics = tuple(d for s in findings for d in s.diagnostics if d.code != "W_NO_APPS")
    policy = tuple(f for s in findings for f in s.policy)
    return replace(report, sections=(Findings(diagnostics, policy), *rest))
