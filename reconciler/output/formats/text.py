"""Text for people, at most 100 columns where the content allows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from reconciler.engine.views.report import Chain, Chains, Changes, Findings, Report, Timeline
from reconciler.origin import Origin, SecretRef
from reconciler.output import plan_text
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
                blocks.append("\n".join(_chains(section, options)))
            case Timeline():
                blocks.append("\n".join(_timeline(section)))
            case _:
                # Imported here, since `plan` and a pass of `reconcile` show no view.
                from reconciler.output import view_text

                blocks += view_text.render(section, options)
    if report.closing:
        blocks.append("\n".join(report.closing))
    text = "\n\n".join(block.rstrip("\n") for block in blocks if block.strip())
    return text + "\n" if text else ""


def _findings(section: Findings, options: Options) -> Iterator[str]:
    if section.diagnostics:
        yield render_diagnostics(section.diagnostics, options.lines, options.style)
    rows = [line for finding in section.policy for line in _finding(finding, options)]
    if rows:
        yield "\n".join(rows)


def _finding(finding: Finding, options: Options) -> Iterator[str]:
    style = options.style
    paint = style.red if finding.blocks else style.yellow
    level = f"{finding.level:<5}"
    text = f"{finding.policy}: {finding.key}: {finding.message}"
    head, *rest = textwrap.wrap(printable(text), 84) or [""]
    yield f"policy   {paint(level)} {head}"
    for line in rest:
        yield " " * 15 + line
    place = str(finding.site) if finding.site is not None else "a rule's own value"
    yield " " * 15 + style.dim(f"{place}  ({finding.app})")
    if finding.remediation:
        yield " " * 15 + f"help: {printable(finding.remediation)}"


# -- chains ----------------------------------------------------------------------------------------


def _chains(section: Chains, options: Options) -> Iterator[str]:
    several = len({chain.app for chain in section.chains}) > 1
    for chain in section.chains:
        yield from _chain(chain, several, options)


def _chain(chain: Chain, several: bool, options: Options) -> Iterator[str]:
    style = options.style
    where = f"   {style.dim(str(chain.app))}" if several and chain.app else ""
    value = "(deleted)" if chain.gone else plan_text.show(chain.value)
    yield f"{style.bold(printable(chain.path))} = {value}{where}"
    if chain.origin is not None:
        width = min(30, max(len(_value_text(link)) for link in chain.origin.chain()))
        for number, link in enumerate(chain.origin.chain()):
            wins = "  wins" if number == 0 and not chain.note else ""
            yield f"  {_value_text(link):<{width}}  {link.site!s:<46} {link.op}{wins}"
            for through in link.through:
                yield f"  {'':<{width}}  through {through.site!s:<38} {through.layer}"
    if chain.locked is not None:
        yield f"  locked   {chain.locked!s}"
    if chain.note:
        yield f"  {chain.note}"
    for reason in chain.reasons[:1]:
        yield f"  decided: {reason}"
    for reason in chain.reasons[1:]:
        yield f"  because  {printable(reason)}"
    shown = chain.used_by if options.show_all else chain.used_by[:4]
    for number, (target, field) in enumerate(shown):
        yield f"  {'used by' if number == 0 else '       '}  {target}  {field}"
    if len(shown) < len(chain.used_by):
        yield f"           and {len(chain.used_by) - len(shown)} more (--all-uses)"


def _value_text(link: Origin) -> str:
    if isinstance(link.value, SecretRef):
        return "!secret"
    if link.op == "built-in":
        return "(default)"
    if not link.is_scalar:
        return "(map or list)"
    if link.op == "delete":
        return "(deleted)"
    text = plan_text.show(link.value)
    return text if len(text) <= 30 else text[:29] + "…"


# -- time ----------------------------------------------------------------------------------------


def _timeline(section: Timeline) -> Iterator[str]:
    for moment, subject, text in section.events:
        yield f"{moment:%Y-%m-%d %H:%M:%S}  {printable(subject):<34} {printable(text)}"


FORMAT = Format("text", _render)
