"""The parts of a comment that show a plan: counts, deletes, the table of apps, fields per app."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.engine.views.report import Changes
from reconciler.engine.views.words import count
from reconciler.lifecycle.decision import Hold, ReasonKind, RolloutVerdict
from reconciler.origin import Origin, Site
from reconciler.output import change_text, fields
from reconciler.output import detail as inside
from reconciler.output.fields import Row
from reconciler.output.format import Options
from reconciler.output.markdown import cell, code, link
from reconciler.plan.change import Action, AppPlan, Change, Standing

__all__ = [
    "COLUMNS",
    "counted",
    "detail",
    "holds",
    "is_shown",
    "leaving",
    "overview",
    "reach",
    "reasons",
    "site_of",
    "words",
]

COLUMNS = ("create", "update", "replace", "delete", "held")
_WORDS = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.REPLACE: "to replace",
    Action.DELETE: "to delete",
}
#: A line that reaches fewer objects is not listed.
_SHARED = 3
Prose = Callable[[str], str]


def counted(section: Changes) -> str:
    """The numbers of the verdict, such as `2 to create, 1 held`; "" for a plan that was applied."""
    if section.applied:
        return ""
    counts = section.plan.counts()
    parts = [f"{counts[action]} {text}" for action, text in _WORDS.items() if counts[action]]
    held = sum(1 for c in section.plan.changes() if c.standing is Standing.HELD)
    unjudged = sum(1 for c in section.plan.changes() if c.standing is Standing.UNJUDGED)
    parts += [f"{held} held"] if held else []
    parts += [f"{unjudged} not judged"] if unjudged else []
    if section.not_compared:
        parts.append(f"{len(section.not_compared)} not compared")
    waiting = sum(1 for _ in holds(section))
    traffic = f"the traffic of {count(waiting, 'app')} held" if waiting else ""
    return ", ".join(filter(None, (*(parts or ["no difference"]), traffic)))


def is_shown(app: AppPlan) -> bool:
    return bool(app.waves) or app.swap is not None


def overview(section: Changes) -> list[tuple[str, tuple[int, ...]]]:
    """The apps that change, each with the number of objects per column of COLUMNS."""
    out = []
    for app in section.plan.apps:
        if is_shown(app):
            going = [c.action.value for c in app.changes() if c.goes]
            held = sum(1 for c in app.changes() if not c.goes)
            numbers = (*(going.count(name) for name in COLUMNS[:-1]), held)
            out.append((str(app.unit), numbers))
    return out


def words(app: AppPlan) -> str:
    """The counts of one app, such as `1 to create, 2 to update`."""
    going = [c.action for c in app.changes() if c.goes]
    parts = [f"{going.count(a)} {text}" for a, text in _WORDS.items() if a in going]
    held = sum(1 for c in app.changes() if not c.goes)
    parts += [f"{held} held"] if held else []
    return ", ".join(parts) or "a decision"


def holds(section: Changes) -> Iterator[tuple[str, Hold, Origin | None]]:
    """(app, hold, config line) of each app whose traffic waits for a person."""
    for app in section.plan.apps:
        hold = app.hold
        if hold is not None and app.decision is not None:
            first = next((r.origin for r in app.decision.reasons if r.origin is not None), None)
            yield str(app.unit), hold, first


def leaving(section: Changes) -> Iterator[tuple[str, Change]]:
    """(app, change) of each object that the plan deletes or replaces, also of those refused."""
    for app in section.plan.apps:
        for change in app.changes():
            if change.action in (Action.DELETE, Action.REPLACE):
                yield str(app.unit), change


def reasons(change: Change, base: str, prose: Prose) -> str:
    """`: why · place` for each reason. Refusals are left out: the comment lists them as issues."""
    out = []
    for reason in change.reasons:
        if reason.kind is ReasonKind.REFUSAL:
            continue
        place = link(site_of(reason.origin), base)
        out.append(prose(reason.text) + (f" · {place}" if place else ""))
    held = " (held)" if change.standing is Standing.HELD else ""
    return held + (f": {'; '.join(out)}" if out else "")


def detail(app: AppPlan, options: Options, most: int, prose: Prose) -> tuple[list[str], int]:
    """An app's changes as Markdown lines, and the number of fields beyond `most`, which are cut."""
    budget = _split(app, most)
    out: list[str] = []
    cut = 0
    for number, change in enumerate(app.changes()):
        why = reasons(change, options.link_base, prose)
        adopts = f", takes the fields of {prose(', '.join(change.takes_over))}"
        adopted = adopts if change.takes_over and change.action is Action.UPDATE else ""
        out.append(f"- {change.action.value} {code(str(change.key))}{adopted}{why}")
        rows = list(fields.rows(change))
        shown = _middle_out(rows, budget[number])
        cut += len(rows) - len(shown)
        if shown:
            out += ["", *_table(shown, rows, options), ""]
    out += _decision(app, options, prose)
    return out, cut


def _split(app: AppPlan, most: int) -> list[int]:
    """The number of rows that each change may show, in order. Their sum is at most `most`."""
    out = []
    for change in app.changes():
        share = min(len(change.fields), most)
        out.append(share)
        most -= share
    return out


def _middle_out(rows: list[Row], most: int) -> list[Row]:
    """The first and the last rows, `most` in all: the middle of a long difference matters least."""
    if len(rows) <= most:
        return rows
    head = (most + 1) // 2
    return rows[:head] + (rows[-(most - head) :] if most > head else [])


def _table(shown: list[Row], rows: list[Row], options: Options) -> Iterator[str]:
    yield "  | field | old | new | from |"
    yield "  | --- | --- | --- | --- |"
    last = None
    for row in shown:
        if last is not None and rows.index(row) - rows.index(last) > 1:
            yield f"  | … {rows.index(row) - rows.index(last) - 1} more | | | |"
        yield f"  | {cell(row.name)} | {_values(row)} | {_from(row.origin, options.link_base)} |"
        last = row


def _values(row: Row) -> str:
    field = row.field
    if row.text:
        return f" | {cell(row.text)}"
    if isinstance(field.before, dict | list) and isinstance(field.after, dict | list):
        lines = list(inside.lines(field.before, field.after))
        return f" | {'<br>'.join(cell(line) for line in lines)}"
    before = "" if field.added else cell(change_text.show(field.before))
    after = "" if field.removed else cell(change_text.show(field.after))
    return f"{before} | {after}"


def _from(origin: Origin | None, base: str) -> str:
    """The config line that won, and the number of lines that it overrides."""
    if origin is None:
        return ""
    below = sum(1 for _ in origin.chain()) - 1
    over = f" over {below}" if below else ""
    return link(site_of(origin), base, in_table=True) + over


def site_of(origin: Origin | None) -> Site | None:
    """The config line of a value; None for what no line of a file causes."""
    return origin.site if origin is not None and origin.site.line > 0 else None


def _decision(app: AppPlan, options: Options, prose: Prose) -> Iterator[str]:
    decision = app.decision
    quiet = (RolloutVerdict.STEADY, RolloutVerdict.IDLE, RolloutVerdict.TARGET)
    if decision is None:
        return
    if decision.verdict in quiet and app.swap is None and decision.hold is None:
        return
    shares = ", ".join(f"{s.version.value} {s.weight.value} %" for s in decision.outcome.shares)
    why = "; ".join(
        prose(r.text)
        + (f" · {place}" if (place := link(site_of(r.origin), options.link_base)) else "")
        for r in decision.reasons
    )
    yield f"- rollout {decision.verdict.value} {code(shares)}: {why}"


def reach(section: Changes) -> list[tuple[Site, int, list[str]]]:
    """(line, number of objects, apps) for each config line that changes at least three objects.

    The line that changes most objects comes first."""
    found: dict[Site, set[tuple[str, str]]] = {}
    for app in section.plan.apps:
        for change in app.changes():
            for field in change.fields:
                site = site_of(field.origin)
                if site is not None:
                    found.setdefault(site, set()).add((str(app.unit), change.key.full()))
    rows = [
        (site, len(objects), sorted({unit for unit, _ in objects}))
        for site, objects in found.items()
        if len(objects) >= _SHARED
    ]
    return sorted(rows, key=lambda row: (-row[1], row[0]))
