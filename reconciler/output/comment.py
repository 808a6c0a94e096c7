"""The comment on a proposal, and the summary of a CI step. The verdict comes first, then blocking
findings, what changes of models, deletes and replacements, the next trainings, warnings, and the
other parts. Details of apps are folded. The same report gives the same bytes.

The text keeps to a budget. Parts are cut in a fixed order: details first, deletes and blocking
findings last; the verdict is never cut. The text names every part that was cut. No fence
and no fold is cut in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import reconciler
from reconciler.engine.views.merge_result import MergeResult
from reconciler.engine.views.promotion import Promotion
from reconciler.engine.views.report import Chains, Changes, Findings, Report, Timeline
from reconciler.errors import ExitCode
from reconciler.layers.emit import emit
from reconciler.origin import Site
from reconciler.output import comparison, issues, model_markdown, model_rows
from reconciler.output.format import Options
from reconciler.output.issues import Issue, Level
from reconciler.output.markdown import cell, code, fence, html_code, link, prose
from reconciler.output.tables import Table, tables

__all__ = ["render"]

_T = TypeVar("_T")

_LONGEST = 600
_VERDICTS = {
    ExitCode.DONE: ("✅", ""),
    ExitCode.DIFFERENCES: ("✅", ""),
    ExitCode.ERROR: ("❌", "the configuration has errors"),
    ExitCode.DENIED: ("❌", "policy denies"),
    ExitCode.REFUSED: ("⛔", "a guard refuses"),
    ExitCode.INCOMPLETE: ("⚠️", "incomplete"),
    ExitCode.LOCKED: ("⏳", "another run holds the lease"),
}


@dataclass(frozen=True, slots=True)
class _Limits:
    """The most entries of each part that are shown; `text` is the most characters of a message."""

    fields: int
    details: int
    rows: int
    warnings: int
    blocking: int
    deletes: int
    text: int = _LONGEST


_ALL = 1_000_000
_LEVELS = (
    _Limits(_ALL, _ALL, _ALL, _ALL, _ALL, _ALL),
    _Limits(60, _ALL, 200, 100, _ALL, _ALL),
    _Limits(20, _ALL, 100, 50, _ALL, _ALL),
    _Limits(8, 100, 100, 30, _ALL, _ALL),
    _Limits(6, 25, 100, 20, _ALL, _ALL),
    _Limits(4, 8, 50, 10, _ALL, _ALL),
    _Limits(0, 0, 50, 5, _ALL, _ALL, 300),
    _Limits(0, 0, 20, 3, 100, 200, 300),
    _Limits(0, 0, 10, 0, 30, 60, 200),
    _Limits(0, 0, 0, 0, 8, 15, 120),
    _Limits(0, 0, 0, 0, 0, 0, 120),
)


def render(report: Report, options: Options, budget: int) -> str:
    """Markdown of at most `budget` bytes of UTF-8, so of at most as many characters.

    `options.budget` overrides `budget`. The strictest limits are used even where the text stays
    longer than the budget."""
    budget = options.budget or budget
    text = ""
    for limits in _LEVELS:
        text = _Comment(report, options, limits).text()
        if len(text.encode("utf-8", "replace")) <= budget:
            break
    return text


class _Comment:
    """One rendering under given limits; `cut` lists the parts that the limits left out."""

    def __init__(self, report: Report, options: Options, limits: _Limits) -> None:
        self.report = report
        self.options = options
        self.limits = limits
        self.cut: list[str] = []
        self.issues = issues.issues(report, options.changed)
        self.changes = [s for s in report.sections if isinstance(s, Changes)]

    def text(self) -> str:
        blocks = [_marker(self.options.marker or self.report.command), self._verdict()]
        for part in (
            self._blocking,
            self._held,
            self._models,
            self._leaving,
            self._trainings,
            self._warnings,
            self._overview,
            self._details,
            self._reach,
            self._others,
        ):
            blocks += part()
        if self.cut:
            blocks.append(
                f"_Cut to fit: {', '.join(self.cut)}. All of it is in the run's own output "
                "and its artefacts._"
            )
        blocks += self._again()
        return "\n\n".join(block for block in blocks if block) + "\n"

    # -- the head ----------------------------------------------------------------------------------

    def _verdict(self) -> str:
        sign, why = _VERDICTS.get(self.report.exit_code, ("❌", ""))
        counts = [
            text for section in self.changes for text in [comparison.counted(section)] if text
        ]
        summary = "; ".join([*([why] if why else []), *counts])
        if not summary:
            summary = " ".join(self.report.closing).rstrip(".")
        head = f"### {sign} reconciler {prose(self.report.command)}: {prose(summary or 'done')}"
        lines = [head]
        levels = [issue.level for issue in self.issues]
        blocking, warnings = levels.count(Level.ERROR), levels.count(Level.WARNING)
        numbers = [f"{blocking} blocking"] if blocking else []
        numbers += [f"{warnings} warning{'' if warnings == 1 else 's'}"] if warnings else []
        about = [code(self.report.revision)] if self.report.revision else []
        for section in self.changes:
            if section.base:
                about.append(f"against {code(section.base)}")
            elif section.plan.cluster:
                about.append(f"on {code(section.plan.cluster)}")
            elif section.plan.offline:
                about.append("no cluster was asked")
        lines.append(" · ".join([*about, *numbers]))
        return "\n\n".join(line for line in lines if line)

    # -- deletes, blocking findings and warnings ---------------------------------------------------

    def _leaving(self) -> Iterator[str]:
        rows = [row for section in self.changes for row in comparison.leaving(section)]
        if not rows:
            return
        shown = self._few(rows, self.limits.deletes, "deletes")
        lines = [f"**Deleted or replaced** ({len(rows)})", ""]
        for app, change in shown:
            why = comparison.reasons(change, self.options.link_base, self._prose)
            lines.append(f"- {change.action.value} {code(str(change.key))} of {code(app)}{why}")
        yield "\n".join(lines if shown else lines[:1])

    def _held(self) -> Iterator[str]:
        rows = [row for section in self.changes for row in comparison.holds(section)]
        if not rows:
            return
        shown = self._few(rows, self.limits.deletes, "held apps")
        lines = [f"**Held** ({len(rows)})", ""]
        for app, hold, origin in shown:
            place = link(comparison.site_of(origin), self.options.link_base)
            lines.append(
                f"- {code(app)} {self._prose(str(hold))}{f' · {place}' if place else ''}"
                f"\n  ➜ {self._prose(hold.way_out)}"
            )
        yield "\n".join(lines if shown else lines[:1])

    def _blocking(self) -> Iterator[str]:
        rows = [issue for issue in self.issues if issue.level is Level.ERROR]
        yield from self._list_issues("Blocking", rows, self.limits.blocking, "blocking findings")

    def _warnings(self) -> Iterator[str]:
        rows = [issue for issue in self.issues if issue.level is not Level.ERROR]
        yield from self._list_issues("Warnings", rows, self.limits.warnings, "warnings")

    def _list_issues(self, title: str, rows: list[Issue], most: int, what: str) -> Iterator[str]:
        if not rows:
            return
        shown = self._few(_group_alike(rows), most, what)
        lines = [f"**{title}** ({len(rows)})", "", *(self._issue(alike) for alike in shown)]
        yield "\n".join(lines if shown else lines[:1])

    def _issue(self, found: list[Issue]) -> str:
        """One entry for all issues that one rule finds on one config line, with their objects."""
        issue = found[0]
        about = f" {_join_names([i.subject for i in found if i.subject])}" if issue.subject else ""
        out = f"- **{code(issue.rule)}**{about}: {self._prose(issue.message)}"
        place = self._link(issue.site)
        targets = [name for i in found for name in i.target.split(", ") if name]
        out += f" · {place}" if place else ""
        out += f" · {_join_names(targets)}" if targets else ""
        if issue.is_policy and issue.policy_site is not None:
            out += f" · rule {self._link(issue.policy_site)}"
        if issue.help:
            out += f"\n  ➜ {self._prose(issue.help)}"
        return out

    # -- models ------------------------------------------------------------------------------------

    def _models(self) -> Iterator[str]:
        changes = [change for section in self.changes for change in section.models]
        rows = model_markdown.model_lines(changes, self.options.link_base, self._prose)
        yield from self._rows("Models", ("apps", "change", "from"), rows, "changes of models")

    def _trainings(self) -> Iterator[str]:
        planned = [s for s in self.changes if not s.applied]
        times = model_rows.training_times(c for section in planned for c in section.models)
        rows = model_markdown.training_lines(times, self._prose)
        yield from self._rows("Next trainings", ("schedule", "next", "UTC"), rows, "trainings")

    def _rows(
        self, title: str, columns: tuple[str, ...], rows: list[list[str]], what: str
    ) -> Iterator[str]:
        shown = self._few(rows, self.limits.rows, what)
        if rows and not shown:
            yield f"**{title}** ({len(rows)})"
        elif shown:
            head = [_row(list(columns)), _row(["---"] * len(columns))]
            yield "\n".join([f"**{title}**", "", *head, *map(_row, shown)])

    # -- apps --------------------------------------------------------------------------------------

    def _overview(self) -> Iterator[str]:
        for section in self.changes:
            rows = comparison.overview(section)
            if not rows:
                continue
            shown = self._few(rows, self.limits.rows, "rows of apps")
            head = ["app", *comparison.COLUMNS]
            lines = [_row(head), _row(["---", *["---:"] * len(comparison.COLUMNS)])]
            lines += [_row([cell(app), *(str(n or "") for n in numbers)]) for app, numbers in shown]
            quiet = sum(1 for app in section.plan.apps if not comparison.is_shown(app))
            if shown:
                yield "\n".join(lines)
            if quiet:
                yield f"{quiet} more app{'' if quiet == 1 else 's'} without a change."

    def _details(self) -> Iterator[str]:
        for section in self.changes:
            apps = [app for app in section.plan.apps if comparison.is_shown(app)]
            shown = apps[: self.limits.details]
            if len(shown) < len(apps):
                self.cut.append(f"the details of {len(apps) - len(shown)} apps")
            cut = 0
            for app in shown:
                lines, left = comparison.detail(app, self.options, self.limits.fields, self._prose)
                cut += left
                title = f"{html_code(str(app.unit))}: {comparison.words(app)}"
                body = "\n".join(lines).strip("\n")
                yield f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"
            if cut:
                self.cut.append(f"{cut} fields")

    def _reach(self) -> Iterator[str]:
        rows = [row for section in self.changes for row in comparison.reach(section)]
        if not rows:
            return
        shown = self._few(rows, min(self.limits.rows, 20), "shared lines")
        if not shown:
            return
        lines = ["**Lines that reach several objects**", ""]
        for site, objects, apps in shown:
            names = ", ".join(code(app) for app in apps[:4])
            more = f" and {len(apps) - 4} more" if len(apps) > 4 else ""
            lines.append(f"- {self._link(site)} reaches {objects} objects in {names}{more}")
        yield "\n".join(lines)

    # -- the rest ----------------------------------------------------------------------------------

    def _others(self) -> Iterator[str]:
        for section in self.report.sections:
            match section:
                case Findings() | Changes():
                    continue
                case Chains():
                    lines = []
                    for chain in section.chains[: self.limits.rows]:
                        site = chain.origin.site if chain.origin is not None else None
                        lines.append(
                            f"- {code(chain.path)} {code(str(chain.app or ''))} {self._link(site)}"
                        )
                    yield "\n".join(lines)
                case Timeline():
                    events = section.events[: self.limits.rows]
                    text = "\n".join(
                        f"{at:%Y-%m-%d %H:%M:%S}  {who}  {what}" for at, who, what in events
                    )
                    if text:
                        yield fence(text)
                case Promotion():
                    was = f"{code(section.before)} to " if section.before else ""
                    where = f"{code(section.model)} in {code(section.environment)}"
                    yield f"{where}: {was}{code(section.after)}"
                    yield from self._fenced(section.diff)
                case MergeResult():
                    if section.tree is not None:
                        yield from self._fenced(emit(section.tree))
                case _:
                    for table in tables(section):
                        yield from self._table(table)
        if self.changes and self.report.closing:
            yield self._prose(" ".join(self.report.closing))

    def _fenced(self, text: str) -> Iterator[str]:
        shown = self._few(text.splitlines(), self.limits.rows, "lines")
        if shown:
            yield fence("\n".join(shown))

    def _table(self, table: Table) -> Iterator[str]:
        shown = self._few(list(table.rows), self.limits.rows, "rows")
        if table.title:
            yield f"**{prose(table.title)}**"
        if shown:
            head = [_row([prose(c) for c in table.columns]), _row(["---"] * len(table.columns))]
            yield "\n".join([*head, *(_row([cell(c) for c in row]) for row in shown)])

    def _again(self) -> Iterator[str]:
        if self.options.again:
            yield f"To see the same on your machine: {code(self.options.again)}"

    # -- helpers -----------------------------------------------------------------------------------

    def _few(self, rows: list[_T], most: int, what: str) -> list[_T]:
        if len(rows) <= most:
            return rows
        self.cut.append(f"{len(rows) - most} {what}")
        return rows[:most]

    def _prose(self, text: str) -> str:
        if len(text) > self.limits.text:
            text = text[: self.limits.text - 1] + "…"
        return prose(text)

    def _link(self, site: Site | None) -> str:
        return link(site, self.options.link_base)


def _marker(name: str) -> str:
    """The HTML comment by which a later run finds the comment to update.

    The name loses every character that could end the HTML comment early."""
    plain = re.sub(r"[^A-Za-z0-9 ._/=@-]", "", name)
    plain = re.sub(r"-{2,}", "-", plain).strip("- ")
    return f"<!-- {reconciler.DISTRIBUTION}: {plain} -->"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _group_alike(rows: list[Issue]) -> list[list[Issue]]:
    """The rows in their order; policy findings with the same rule, line and help form one group."""
    out: dict[object, list[Issue]] = {}
    for issue in rows:
        alone = issue.site is None or not issue.is_policy
        key = issue if alone else (issue.level, issue.rule, issue.site, issue.help)
        out.setdefault(key, []).append(issue)
    return list(out.values())


def _join_names(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(code(name) for name in names[:3]) + more
