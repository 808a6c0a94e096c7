"""The summary of a CI step (GITHUB_STEP_SUMMARY): the comment with a larger budget."""

from __future__ import annotations

from reconciler.engine.views.report import Report
from reconciler.output import comment
from reconciler.output.format import Format, Options

__all__ = ["FORMAT"]

#: GitHub takes 1 MiB per step, of which other programs of the step may have used a part.
_BUDGET = 1_000_000


def _render(report: Report, options: Options) -> str:
    return comment.render(report, options, _BUDGET)


FORMAT = Format("summary", _render)
