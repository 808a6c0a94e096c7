"""The summary of a CI step (GITHUB_STEP_SUMMARY): the comment with more room."""

from __future__ import annotations

from reconciler.engine.views.report import Report
from reconciler.output import comment
from reconciler.output.format import Format, Options

__all__ = ["FORMAT"]

#: GitHub takes 1 MiB a step, of which others may have used some.
_BUDGET = 1_000_000


def _render(report: Report, options: Options) -> str:
    return comment.render(report, options, _BUDGET)


FORMAT = Format("summary", _render)
