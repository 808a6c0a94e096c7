"""The answers of `explain` as text: the line that wins first, then the lines that it overrides, in
columns that are as wide as their content."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from reconciler.engine.views.report import Chain, Chains
from reconciler.origin import Origin, SecretRef
from reconciler.output.change_text import show
from reconciler.output.format import Options
from reconciler.secrets import printable

__all__ = ["chain_lines"]

_FEW = 4
_VALUE = 30


def chain_lines(section: Chains, options: Options) -> Iterator[str]:
    """The lines of all chains; an empty line between two of them."""
    several = len({chain.app for chain in section.chains}) > 1
    for number, chain in enumerate(section.chains):
        lines = list(_chain(chain, several, options))
        if number and len(lines) > 1:
            yield ""
        yield from lines


def _chain(chain: Chain, several: bool, options: Options) -> Iterator[str]:
    style = options.style
    where = f"   {style.dim(str(chain.app))}" if several and chain.app else ""
    value = "(deleted)" if chain.gone else show(chain.value)
    yield f"{style.bold(printable(chain.path))} = {value}{where}"
    if chain.origin is not None:
        yield from _links(chain.origin, not chain.note, options)
    if chain.locked is not None:
        yield f"  locked   {chain.locked!s}"
    if chain.note:
        yield f"  {printable(chain.note)}"
    for number, reason in enumerate(chain.reasons):
        word = "decided: " if number == 0 else "because  "
        head, *rest = textwrap.wrap(printable(reason), options.width - 11) or [""]
        yield f"  {word}{head}"
        yield from (f"           {line}" for line in rest)
    yield from _uses(chain, options)


def _links(origin: Origin, wins: bool, options: Options) -> Iterator[str]:
    """One row per line of the chain; the lines that it refers through follow their row."""
    rows: list[tuple[str, str, str]] = []
    dim: list[bool] = []
    for number, link in enumerate(origin.chain()):
        winner = number == 0
        rows.append(
            (_value(link), str(link.site), link.op + ("   wins" if winner and wins else ""))
        )
        dim.append(not winner)
        for through in link.through:
            rows.append(("", f"through {through.site}", through.layer))
            dim.append(not winner)
    values = max(len(row[0]) for row in rows)
    sites = max(len(row[1]) for row in rows)
    for (value, site, note), is_dim in zip(rows, dim, strict=True):
        line = f"  {value:<{values}}  {site:<{sites}}  {note}".rstrip()
        if len(line) > options.width:  # a long path: the note follows it without a column
            line = f"  {value:<{values}}  {site}  {note}".rstrip()
        yield options.style.dim(line) if is_dim else line


def _value(link: Origin) -> str:
    if isinstance(link.value, SecretRef):
        return "!secret"
    if link.op == "built-in":
        return "(default)"
    if not link.is_scalar:
        return "(map or list)"
    if link.op == "delete":
        return "(deleted)"
    text = show(link.value)
    return text if len(text) <= _VALUE else text[: _VALUE - 1] + "…"


def _uses(chain: Chain, options: Options) -> Iterator[str]:
    """The fields that the value reaches: in columns, or below their objects where these are too
    wide."""
    shown = chain.used_by if options.show_all else chain.used_by[:_FEW]
    width = max((len(target) for target, _ in shown), default=0)
    fits = all(11 + width + 2 + len(field) <= options.width for _, field in shown)
    previous = ""
    for number, (target, field) in enumerate(shown):
        word = "used by" if number == 0 else ""
        if fits:
            yield f"  {word:<7}  {target:<{width}}  {field}"
        else:
            if target != previous:
                yield f"  {word:<7}  {target}"
            previous = target
            yield f"  {'':<7}    {field}"
    if len(shown) < len(chain.used_by):
        yield f"           and {len(chain.used_by) - len(shown)} more (--all-uses)"
