"""The issues of a report, in one shape for all formats of CI systems: mistakes, policy findings,
refusals, changes that are held or could not be judged, and writes that failed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.diagnostics import Diagnostic, Related
from reconciler.engine.views.report import Changes, Findings, Report
from reconciler.lifecycle.decision import ReasonKind
from reconciler.objects.draft import show_path
from reconciler.origin import Site
from reconciler.plan.change import Action, AppPlan, Change, Standing
from reconciler.policy.finding import Finding
from reconciler.policy.finding import Level as PolicyLevel

__all__ = ["Issue", "Level", "issues"]


class Level(StrEnum):
    """`error` blocks; `warning` does not block; `notice` needs no action."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue.

    `rule` is a code or the name of a policy, and stays the same between versions. `target` is the
    app, or several apps with commas between them. `subject` is the object, or the path in the
    config. `site` is a line of a file, or None."""

    level: Level
    rule: str
    message: str
    site: Site | None = None
    target: str = ""
    subject: str = ""
    help: str = ""
    related: tuple[Related, ...] = ()
    is_policy: bool = False
    severity: str = ""
    policy_site: Site | None = None

    @property
    def fingerprint(self) -> str:
        """32 hex digits, which stay the same when the line of the issue moves within its file."""
        file = self.site.file if self.site is not None else ""
        message = "" if self.is_policy else self.message
        whole = "\0".join((self.rule, self.target, self.subject, file, message))
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def text(self) -> str:
        """The message after its subject, in one line."""
        about = f"{self.subject}: " if self.subject else ""
        return f"{about}{self.message}"


def issues(report: Report, changed: frozenset[tuple[str, int]] = frozenset()) -> tuple[Issue, ...]:
    """All issues, each once: errors first; in a level those on `changed` lines; then by place."""
    found = dict.fromkeys(_issues_of(report))

    def order(issue: Issue) -> tuple[object, ...]:
        site = issue.site or Site("", 0, 0)
        is_old = (site.file, site.line) not in changed
        return issue.level.rank, is_old, site, issue.rule, issue.target, issue.text

    return tuple(sorted(found, key=order))


def _issues_of(report: Report) -> Iterator[Issue]:
    for section in report.sections:
        if isinstance(section, Findings):
            yield from (_diagnostic(item) for item in section.diagnostics)
            yield from (_finding(item) for item in section.policy)
        elif isinstance(section, Changes):
            for app in section.plan.apps:
                yield from _app_issues(app)
            for result in section.applied:
                for key, why in result.problems:
                    subject = str(key) if key is not None else ""
                    yield Issue(Level.ERROR, "not-done", why, None, str(result.unit), subject)


def _diagnostic(item: Diagnostic) -> Issue:
    return Issue(
        Level.ERROR if item.is_error else Level.WARNING,
        item.code,
        item.message,
        _line_of(item.site),
        ", ".join(map(str, item.apps)),
        item.path,
        item.help,
        item.related,
    )


def _finding(item: Finding) -> Issue:
    level = Level.WARNING if item.level is not PolicyLevel.AUDIT else Level.NOTICE
    field = show_path(item.path)
    return Issue(
        Level.ERROR if item.blocks else level,
        item.policy,
        item.message,
        _line_of(item.site),
        str(item.app),
        f"{item.key} {field}".strip(),
        item.remediation,
        item.related,
        True,
        str(item.severity),
        _line_of(item.policy_site),
    )


def _line_of(site: Site | None) -> Site | None:
    """The place, where it is a line of a file; None for built-in values."""
    return site if site is not None and site.line > 0 else None


def _app_issues(app: AppPlan) -> Iterator[Issue]:
    for refusal in app.refusals:
        level = Level.WARNING if refusal.defers else Level.ERROR
        yield Issue(level, refusal.code, refusal.text, None, _group(app), help=refusal.way_out)
    for change in app.changes():
        issue = _change_issue(change)
        if issue is not None:
            yield replace(issue, target=str(app.unit), subject=str(change.key))


def _group(app: AppPlan) -> str:
    return f"{app.environment}/{app.group}"


def _change_issue(change: Change) -> Issue | None:
    if change.standing is Standing.GO:
        return None
    texts = [r.text for r in change.reasons if r.kind is not ReasonKind.REFUSAL]
    if change.action is Action.DELETE and change.standing is Standing.HELD:
        return None  # The refusal is an issue already.
    site = _site_of(change)
    why = "; ".join(texts)
    if change.standing is Standing.UNJUDGED:
        return Issue(Level.ERROR, "not-judged", why, site)
    if change.action is Action.KEEP:
        return Issue(Level.NOTICE, "kept", why, site)
    return Issue(Level.ERROR, "held", why or "held", site)


def _site_of(change: Change) -> Site | None:
    origins: Iterable[object] = ()
    if change.desired is not None:
        origins = change.desired.origins
    for origin in (*(r.origin for r in change.reasons), *origins):
        if origin is not None:
            return _line_of(origin.site)  # type: ignore[attr-defined]
    return None
