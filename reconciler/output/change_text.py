"""The objects of one unit of a plan as lines of text. Without `--all`, what the lines about the
model have said already is folded: an object keeps its line, and the fields that no such line
explains keep theirs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from reconciler.engine.views.words import count
from reconciler.lifecycle.decision import Reason, ReasonKind
from reconciler.origin import Origin, Site
from reconciler.output import detail, fields
from reconciler.output.fields import Row
from reconciler.output.format import Options
from reconciler.plan.change import Action, AppPlan, Change, FieldChange, Standing
from reconciler.secrets import printable

__all__ = ["Folding", "change_lines", "lead", "place", "reason_lines", "show", "wrapped"]

_SIGN = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "!",
    Action.DELETE: "-",
    Action.KEEP: "=",
}
#: The start of the reason of a change that the server judges only once this run has made what the
#: change needs.
UNVERIFIED = "not verified yet: "


@dataclass(frozen=True, slots=True)
class Folding:
    """What is folded. `told` are the config lines that the lines about the model name. `shared` are
    the lines that reach many objects, which the end of the plan lists. `everything` folds
    nothing; `is_new` folds the objects of a unit that is new into one line."""

    told: frozenset[Site] = frozenset()
    shared: frozenset[Site] = frozenset()
    everything: bool = False
    is_new: bool = False


def change_lines(app: AppPlan, folding: Folding, options: Options) -> Iterator[str]:
    """The lines of the unit's changes, in the order in which they are made."""
    if folding.everything:
        for change, wave in _numbered(app):
            yield from _change(change, wave, folding, options)
        return
    for (plain, wave, why), group in groupby(_numbered(app), lambda pair: _alike(pair, folding)):
        changes = [change for change, _ in group]
        if plain and len(changes) > 1:
            yield from _creates(changes, wave, why, options)
        else:
            for change in changes:
                yield from _change(change, wave, folding, options)


def _numbered(app: AppPlan) -> Iterator[tuple[Change, int]]:
    """Each change with the number of its wave among those that write; 0 for one that is held."""
    number = 0
    for wave in app.waves:
        going = any(change.goes for change in wave)
        number += 1 if going else 0
        for change in wave:
            yield change, number if going else 0


def _alike(pair: tuple[Change, int], folding: Folding) -> tuple[bool, int, str]:
    """Equal for creations that one line may show; never equal for other changes."""
    change, wave = pair
    plain = (
        change.action is Action.CREATE
        and change.goes
        and not change.takes_over
        and not change.fields
        and all(r.text == "new in Git" or _is_unverified(r) for r in change.reasons)
    )
    if not plain:
        return False, wave, change.key.full()
    if folding.is_new and folding.told:
        return True, 0, ""
    reason = next((r for r in change.reasons if not _is_unverified(r)), None)
    why = place(reason.origin) if reason is not None else ""
    if folding.is_new:  # a foundation, which has no lines about a model: the file is enough
        return True, 0, why.split(":")[0]
    return True, wave, why


def _creates(changes: list[Change], wave: int, why: str, options: Options) -> Iterator[str]:
    names = ", ".join(str(change.key) for change in changes)
    lines = textwrap.wrap(names, options.width - 16, break_on_hyphens=False)
    label = f"wave {wave}" if wave else ""
    for number, line in enumerate(lines):
        sign = "  + " if number == 0 else "    "
        yield _head(f"{sign}{line}", label if number == 0 else "", options, options.style.green)
    if why:
        yield from _placed("      new in Git", why, options)


def _head(text: str, label: str, options: Options, paint: Any = str) -> str:
    """A line with a label at the right edge."""
    space = max(2, options.width - len(text) - len(label))
    return str(paint(text)) + (" " * space + label if label else "")


def _change(change: Change, wave: int, folding: Folding, options: Options) -> Iterator[str]:
    style = options.style
    sign = {Standing.GO: _SIGN[change.action], Standing.HELD: "x", Standing.UNJUDGED: "?"}
    paints = {
        "+": style.green,
        "~": style.yellow,
        "!": style.red,
        "-": style.red,
        "x": style.red,
        "?": style.red,
    }
    rows = list(fields.rows(change, style.arrow))
    # What is not made as Git says, or takes something from others, is shown whole.
    whole = folding.everything or not change.goes or bool(change.takes_over)
    shown = [row for row in rows if whole or not _is_told(row, folding)]
    adopt = "  adopt" if change.takes_over and change.action is Action.UPDATE else ""
    told = len(rows) - len(shown)
    note = f"{count(told, 'field')} as said above" if told else ""
    head = f"  {sign[change.standing]} {change.key}{adopt}"
    label = f"wave {wave}" if wave and change.goes else change.standing.value
    fits = len(head) + len(note) + len(label) + 5 <= options.width
    inline = f"{head}   {note}" if note and fits else head
    yield _head(inline, label, options, paints.get(sign[change.standing], str))
    if note and not fits:
        yield f"      {note}"
    for reason in change.reasons:
        folded = not folding.everything and _is_unverified(reason)
        if reason.kind is not ReasonKind.REFUSAL and not folded:  # refusals stand at the top
            yield from reason_lines(reason, options)
    if change.takes_over and change.action is Action.UPDATE:
        yield f"      takes the fields of {', '.join(change.takes_over)}"
    yield from _rows(shown, folding, options)


def _is_unverified(reason: Reason) -> bool:
    return reason.text.startswith(UNVERIFIED)


def _is_told(row: Row, folding: Folding) -> bool:
    """Whether a line about the model names a config line that the field is made of."""
    return row.origin is not None and not folding.told.isdisjoint(row.origin.sites())


def _rows(rows: list[Row], folding: Folding, options: Options) -> Iterator[str]:
    """The fields. One line names an embedded object for all of its fields that follow, where its
    name and a field do not fit one line."""
    headed = ""
    for row in rows:
        is_shared = row.origin is not None and lead(row.origin, folding.told) in folding.shared
        shared = is_shared and not folding.everything
        values = row.text or _values(row.field, options)
        values = f"{printable(values)}   (shared line)" if shared else printable(values)
        if row.owner and len(row.name) + len(values) + 9 > options.width:
            if row.owner != headed:
                yield f"      {row.owner}"
            headed = row.owner
            yield from _field(row, f"        {row.path}", values, options)
        else:
            headed = ""
            yield from _field(row, f"      {row.name}", values, options)
        if row.origin is not None and not shared:
            yield from wrapped(place(row.origin, folding.told), options)


def reason_lines(reason: Reason, options: Options) -> Iterator[str]:
    """A reason and its config line; the config line stands below where both do not fit one line."""
    where = place(reason.origin) if reason.origin is not None else ""
    yield from _placed(f"      {printable(reason.text)}", where, options)


def _placed(text: str, where: str, options: Options) -> Iterator[str]:
    if len(text) + len(where) + 3 <= options.width:
        yield text + (f"   {options.style.dim(where)}" if where else "")
        return
    head, *rest = textwrap.wrap(text.strip(), options.width - 6, break_on_hyphens=False) or [""]
    yield f"      {head}"
    yield from (f"      {line}" for line in rest)
    if where:
        yield from wrapped(where, options)


def wrapped(where: str, options: Options) -> Iterator[str]:
    """Config lines below the row that they caused, wrapped to the width."""
    indent = " " * 10
    for line in textwrap.wrap(where, options.width - len(indent), break_on_hyphens=False) or [""]:
        yield indent + options.style.dim(line)
        indent = " " * 12


def _field(row: Row, name: str, values: str, options: Options) -> Iterator[str]:
    """The name and the values of a field; the values stand below a name that leaves no room."""
    field = row.field
    if (
        not row.text
        and isinstance(field.before, dict | list)
        and isinstance(field.after, dict | list)
    ):
        yield name
        for line in detail.lines(field.before, field.after):
            yield f"          {printable(line)}"
    elif len(name) + len(values) + 3 <= options.width:
        yield f"{name}   {values}"
    else:
        yield name
        for line in textwrap.wrap(values, options.width - 12, break_on_hyphens=False) or [""]:
            yield f"          {line}"


def _values(field: FieldChange, options: Options) -> str:
    if field.added:
        return f"+ {show(field.after)}"
    if field.removed:
        return f"- {show(field.before)}"
    return f"{show(field.before)} {options.style.arrow} {show(field.after)}"


def lead(origin: Origin, told: frozenset[Site]) -> Site:
    """The line that changed, of the lines that a value is made of; without one its own line."""
    return next((site for site in origin.sites() if site in told), origin.site)


def place(
    origin: Origin | None, told: frozenset[Site] = frozenset(), *, through: bool = True
) -> str:
    """`file:line:col (over …)`: the line that won and at most three lines that it overrides.

    Of a value that is made of several lines, the line in `told` leads, since it is the one that
    changed. Without such a line the value's own line leads, and with `through` a single line that
    it refers to follows."""
    if origin is None:
        return ""
    first = lead(origin, told)
    if first != origin.site:
        return str(first)
    links = list(origin.chain())
    text = str(links[0].site)
    if len(links) > 1:
        text += f" (over {', '.join(str(link.site) for link in links[1:4])})"
    if through and len(origin.through) == 1:
        text += f" through {origin.through[0].site}"
    return text


def show(datum: Any) -> str:
    """One value as text of at most 60 characters."""
    if isinstance(datum, str):
        text = datum if datum and "\n" not in datum else json.dumps(datum, ensure_ascii=False)
    else:
        text = json.dumps(datum, ensure_ascii=False, sort_keys=True, default=str)
    text = printable(text)
    return text if len(text) <= 60 else text[:57] + "…"
