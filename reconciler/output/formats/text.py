"""Text for people, within the width of `Options` where the content allows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from reconciler.engine.views.report import Chains, Changes, Findings, Report, Timeline
from reconciler.output import plan_text
from reconciler.output.chain_text import chain_lines
from reconciler.output.format import Format, Options
from reconciler.output.text import render_diagnostics
from reconciler.policy.finding import Finding
from reconciler.secrets import printable

__all__ = ["FORMAT"]


def _render(report: Report, options: Options) -> str:
    blocks = [f"reading {options.reads}"] if options.reads else []
    for section in report.sections:
        match section:
            case Findings():
                blocks += _findings(section, options)
            case Changes():
                blocks += plan_text.render(section, options)
            case Chains():
                blocks.append("\n".join(chain_lines(section, options)))
            case Timeline():
                blocks.append("\n".join(_timeline(section)))
            case _:
                # Imported here, since `plan` and a pass of `reconcile` show no view.
                from reconciler.output import view_text

                blocks += view_text.render(section, options)
    if report.closing:
        blocks.append("\n".join(line for text in report.closing for line in _fit(text, options)))
    text = "\n\n".join(block.rstrip("\n") for block in blocks if block.strip())
    return text + "\n" if text else ""


def _fit(text: str, options: Options) -> list[str]:
    """A closing line within the width; a line that is indented, such as an example, stays whole."""
    if len(text) <= options.width or text.startswith(" "):
        return [text]
    return textwrap.wrap(text, options.width, break_on_hyphens=False)


def _findings(section: Findings, options: Options) -> Iterator[str]:
    if section.diagnostics:
        yield render_diagnostics(section.diagnostics, options.lines, options.style, options.width)
    rows = [line for finding in section.policy for line in _finding(finding, options)]
    if rows:
        yield "\n".join(rows)


def _finding(finding: Finding, options: Options) -> Iterator[str]:
    style = options.style
    paint = style.red if finding.blocks else style.yellow
    level = f"{finding.level:<5}"
    text = f"{finding.policy}: {finding.key}: {finding.message}"
    head, *rest = textwrap.wrap(printable(text), options.width - 15, break_on_hyphens=False) or [""]
    yield f"policy   {paint(level)} {head}"
    for line in rest:
        yield " " * 15 + line
    place = str(finding.site) if finding.site is not None else "a rule's own value"
    yield " " * 15 + style.dim(f"{place}  ({finding.app})")
    if finding.remediation:
        text = f"help: {printable(finding.remediation)}"
        for line in textwrap.wrap(text, options.width - 15, break_on_hyphens=False):
            yield " " * 15 + line


# -- time ----------------------------------------------------------------------------------------


def _timeline(section: Timeline) -> Iterator[str]:
    for moment, subject, text in section.events:
        yield f"{moment:%Y-%m-%d %H:%M:%S}  {printable(subject):<34} {printable(text)}"


FORMAT = Format("text", _render)
