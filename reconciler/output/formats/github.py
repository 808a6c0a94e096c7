"""Workflow commands for GitHub Actions: annotations on config lines, then the report as text.
Commands are switched off for that text, since it comes from a repository that may be hostile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from reconciler.engine.views.report import Report
from reconciler.output import format as formats
from reconciler.output.format import Format, Options
from reconciler.output.issues import Issue, Level, issues
from reconciler.secrets import printable

__all__ = ["FORMAT"]

#: GitHub shows ten annotations of each level per step and drops the others silently.
_MOST = 10
_LONGEST = 4000


def _render(report: Report, options: Options) -> str:
    lines = list(_annotations(issues(report, options.changed)))
    text = formats.format_named("text").render(report, options)
    if text:
        # The token is a hash of the text, so the text cannot contain the token.
        token = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        lines += [f"::stop-commands::{token}", text.rstrip("\n"), f"::{token}::"]
    return "\n".join(lines) + "\n" if lines else ""


def _annotations(found: tuple[Issue, ...]) -> Iterator[str]:
    for level in Level:
        of_level = [issue for issue in found if issue.level is level]
        shown = of_level if len(of_level) <= _MOST else of_level[: _MOST - 1]
        for issue in shown:
            yield _command(level.value, issue)
        if len(of_level) > len(shown):
            yield f"::{level}::{len(of_level) - len(shown)} more in the summary"


def _command(kind: str, issue: Issue) -> str:
    properties = []
    if issue.site is not None:
        site = issue.site
        properties += [f"file={_property(site.file)}", f"line={site.line}", f"col={site.column}"]
    properties.append(f"title={_property(issue.rule)}")
    message = issue.text
    if issue.target:
        message += f"\n{issue.target}"
    if issue.help:
        message += f"\nhelp: {issue.help}"
    return f"::{kind} {','.join(properties)}::{_data(message)}"


def _data(text: str) -> str:
    text = printable(text)
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMAT = Format("github", _render)
