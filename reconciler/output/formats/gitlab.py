"""GitLab's code quality report: a JSON array with one entry per issue."""

from __future__ import annotations

import json
from typing import Any

from reconciler.engine.views.report import Report
from reconciler.output.format import Format, Options
from reconciler.output.issues import Issue, Level, issues
from reconciler.secrets import printable

__all__ = ["FORMAT"]

_SEVERITY = {Level.ERROR: "critical", Level.WARNING: "minor", Level.NOTICE: "info"}
_POLICY = {"critical": "blocker", "high": "critical", "medium": "major", "low": "minor"}
#: An entry must have a place: issues without one are shown at the file that orders the layers.
_WHOLE = "environments/layers.yaml"


def _render(report: Report, options: Options) -> str:
    numbers: dict[str, int] = {}
    rows = []
    for issue in issues(report, options.changed):
        row = _row(issue)
        # GitLab shows only the first of several entries with one fingerprint.
        number = numbers[row["fingerprint"]] = numbers.get(row["fingerprint"], 0) + 1
        if number > 1:
            row["fingerprint"] += f"-{number}"
        rows.append(row)
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def _row(issue: Issue) -> dict[str, Any]:
    about = f" ({issue.target})" if issue.target else ""
    way_out = f". {issue.help}" if issue.help else ""
    severity = _SEVERITY[issue.level]
    if issue.level is Level.ERROR and issue.is_policy:
        severity = _POLICY.get(issue.severity, severity)
    return {
        "description": printable(f"{issue.text}{about}{way_out}"),
        "check_name": issue.rule,
        "fingerprint": issue.fingerprint,
        "severity": severity,
        "location": {
            "path": printable(issue.site.file if issue.site is not None else _WHOLE),
            "lines": {"begin": issue.site.line if issue.site is not None else 1},
        },
    }


FORMAT = Format("gitlab", _render)
