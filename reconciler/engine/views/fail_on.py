"""What a caller wants to count as a failure beyond errors and denials: CI that looks at nothing
must not look like success."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, error
from reconciler.engine.views.report import Findings, Report
from reconciler.errors import ExitCode, most_severe

__all__ = ["held_to"]


def held_to(report: Report, choices: Iterable[str]) -> Report:
    """The report under stricter rules: the exit code is 1 for a warning of the config and for
    emptiness, 3 for a policy's. Choices are `warn` (warnings, and findings of any shown level) and
    `empty` (no application, or no policy)."""
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
            help="an empty file environments/<environment>/<group>/<model>.yaml makes one",
        )
    if report.data.get("policies") == 0:
        yield error(
            "E_NO_POLICIES",
            "there is no policy",
            help="lay ValidatingAdmissionPolicy files with bindings into policies/",
        )


def _joined(report: Report) -> Report:
    """One section of findings: formats print one list."""
    mine = [s for s in report.sections if isinstance(s, Findings)]
    rest = tuple(s for s in report.sections if not isinstance(s, Findings))
    diagnostics = tuple(d for s in mine for d in s.diagnostics if d.code != "W_NO_APPS")
    policy = tuple(f for s in mine for f in s.policy)
    return replace(report, sections=(Findings(diagnostics, policy), *rest))
