"""The comment on a pull request or merge request."""

from __future__ import annotations

from reconciler.engine.views.report import Report
from reconciler.output import comment
from reconciler.output.format import Format, Options

__all__ = ["FORMAT"]

#: GitHub refuses a comment of more than 65,536 characters.
_BUDGET = 60_000


def _render(report: Report, options: Options) -> str:
    return comment.render(report, options, _BUDGET)


FORMAT = Format("markdown", _render)
