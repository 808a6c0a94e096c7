"""A plan as text: refusals first, then per app its changes with reasons and config lines, then the
lines that reach many objects and the next times of schedules."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from reconciler.engine.views.report import Changes
from reconciler.lifecycle.decision import Reason, ReasonKind, RolloutVerdict
from reconciler.origin import Origin
from reconciler.output import detail, fields
from reconciler.output.fields import Row
from reconciler.output.format import Options
from reconciler.output.text import Style
from reconciler.plan.change import Action, AppPlan, Change, FieldChange, Standing
from reconciler.plan.inventory import SCHEMA_VERSION
from reconciler.secrets import printable

__all__ = ["render", "show"]

_SIGN = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "!",
    Action.DELETE: "-",
    Action.KEEP: "=",
}
_FEW = 3
_WIDTH = 100


def render(section: Changes, options: Options) -> Iterator[str]:
    """The blocks of text, in order."""
    plan = section.plan
    if plan.offline:
        base = f"against {section.base} " if section.base else ""
        place = f"{base}(no cluster was asked)"
    else:
        objects = f"{plan.objects_read} object{'' if plan.objects_read == 1 else 's'}"
        place = f"{options.style.arrow} {plan.cluster} (read {objects} in {plan.requests} requests)"
    yield f"{plan.label} {place}"
    if plan.refusals:
        seen = dict.fromkeys((r.text, r.way_out) for r in plan.refusals)
        yield "\n".join(
            options.style.red("refused: ") + f"{text}\n         {way_out}" for text, way_out in seen
        )
    reach = _reach(section) if not section.show_all else {}
    for app in plan.apps:
        lines = list(_app(app, section, options, reach))
        if lines:
            yield "\n".join([options.style.bold(str(app.unit)), *lines])
    quiet = [str(app.unit) for app in plan.apps if not list(app.changes()) and app.swap is None]
    if quiet and len(quiet) < len(plan.apps):
        names = ", ".join(quiet[:4]) + (f" and {len(quiet) - 4} more" if len(quiet) > 4 else "")
        yield f"no change: {names}"
    shared = list(_shared(reach, options))
    if shared:
        yield "\n".join(shared)
    times = [line for app in plan.apps for line in _schedules(app)]
    if times and not section.applied:
        yield "\n".join(times)
    problems = [line for result in section.applied for line in _problems(result, options)]
    if problems:
        yield "\n".join(problems)


def _app(
    app: AppPlan, section: Changes, options: Options, reach: dict[str, list[str]]
) -> Iterator[str]:
    yield from _notes(app)
    number = 0
    for wave in app.waves:
        going = any(c.goes for c in wave)
        number += 1 if going else 0
        for change in wave:
            yield from _change(change, number if going else 0, options, reach)
    yield from _decision(app, options)
    if section.show_all and not app.waves:
        yield "  no change"


def _notes(app: AppPlan) -> Iterator[str]:
    if app.suspended:
        yield "  suspended: none of its objects is written"
    old = app.recorded.schema if app.recorded is not None else SCHEMA_VERSION
    if app.migrates and old != SCHEMA_VERSION:
        yield f"  its recorded state is migrated from schema {old} to {SCHEMA_VERSION}"
    if app.apply_as and app.writes and not app.suspended:
        yield f"  written as {app.apply_as}"


def _change(
    change: Change, wave: int, options: Options, reach: dict[str, list[str]]
) -> Iterator[str]:
    style = options.style
    sign = {Standing.GO: _SIGN[change.action], Standing.HELD: "x", Standing.UNJUDGED: "?"}
    paints = {
        "+": style.green,
        "~": style.yellow,
        "-": style.red,
        "x": style.red,
        "?": style.red,
    }
    paint = paints.get(sign[change.standing], str)
    adopt = "  adopt" if change.takes_over and change.action is Action.UPDATE else ""
    head = f"  {sign[change.standing]} {change.key}{adopt}"
    label = f"wave {wave}" if wave and change.goes else change.standing.value
    yield paint(head) + f"{label:>{max(2, 92 - len(head))}}"
    for reason in change.reasons:
        if reason.kind is not ReasonKind.REFUSAL:  # shown once, at the top
            yield from _reason(reason, style)
    if change.takes_over and change.action is Action.UPDATE:
        yield f"      takes the fields of {', '.join(change.takes_over)}"
    headed = ""
    for row in fields.rows(change, style.arrow):
        is_shared = row.origin is not None and len(reach.get(str(row.origin.site), ())) > _FEW
        lines = list(_shared_field(row, options) if is_shared else _field(row, options))
        if row.owner and len(lines[0]) > _WIDTH:
            # One line names the embedded object for all of its fields that follow.
            if row.owner != headed:
                yield f"      {row.owner}"
            headed = row.owner
            lines[0] = f"        {lines[0].strip().removeprefix(row.owner).lstrip()}"
        else:
            headed = ""
        yield from lines


def _reason(reason: Reason, style: Style) -> Iterator[str]:
    """A reason and its config line; the config line stands below where both do not fit one line."""
    text = f"      {printable(reason.text)}"
    place = _chain(reason.origin) if reason.origin is not None else ""
    if len(text) + len(place) + 3 <= _WIDTH:
        yield text + (f"   {style.dim(place)}" if place else "")
    else:
        yield text
        yield from _wrapped(place, style)


def _wrapped(place: str, style: Style) -> Iterator[str]:
    """Config lines below the row that they caused, wrapped to the width."""
    indent = " " * 10
    for line in textwrap.wrap(place, _WIDTH - len(indent), break_on_hyphens=False) or [""]:
        yield indent + style.dim(line)
        indent = " " * 12


def _field(row: Row, options: Options) -> Iterator[str]:
    field = row.field
    if row.text:
        head, *rest = textwrap.wrap(printable(row.text), _WIDTH - 12) or [""]
        if len(row.path) + len(head) + 9 <= _WIDTH and not rest:
            yield f"      {row.path}   {head}"
        else:
            yield f"      {row.path}"
            yield from (f"          {line}" for line in (head, *rest))
    elif isinstance(field.before, dict | list) and isinstance(field.after, dict | list):
        yield f"      {row.name}"
        for line in detail.lines(field.before, field.after):
            yield f"          {printable(line)}"
    else:
        yield f"      {row.name}   {_values(field, options)}"
    if row.origin is not None:
        yield from _wrapped(_place(row.origin), options.style)


def _shared_field(row: Row, options: Options) -> Iterator[str]:
    text = row.text or _values(row.field, options)
    yield f"      {row.name}   {printable(text)}   (shared line)"


def _values(field: FieldChange, options: Options) -> str:
    if field.added:
        return f"+ {show(field.after)}"
    if field.removed:
        return f"- {show(field.before)}"
    return f"{show(field.before)} {options.style.arrow} {show(field.after)}"


def _place(origin: Origin) -> str:
    """`file:line:col (over …)` of the chain, and the lines that the value refers through."""
    text = _chain(origin)
    if origin.through:
        rest = len(origin.through) - 1
        text += f" through {origin.through[0].site}" + (f" and {rest} more" if rest else "")
    return text


def _chain(origin: Origin) -> str:
    """The line that won, and at most three lines that it overrides."""
    links = list(origin.chain())
    if len(links) == 1:
        return str(links[0].site)
    return f"{links[0].site} (over {', '.join(str(link.site) for link in links[1:4])})"


def show(datum: Any) -> str:
    """One value as text of at most 60 characters."""
    if isinstance(datum, str):
        text = datum if datum and "\n" not in datum else json.dumps(datum, ensure_ascii=False)
    else:
        text = json.dumps(datum, ensure_ascii=False, sort_keys=True, default=str)
    text = printable(text)
    return text if len(text) <= 60 else text[:57] + "…"


def _decision(app: AppPlan, options: Options) -> Iterator[str]:
    decision = app.decision
    quiet = (RolloutVerdict.STEADY, RolloutVerdict.IDLE, RolloutVerdict.TARGET)
    if decision is None or (decision.verdict in quiet and app.swap is None):
        return
    shares = ", ".join(f"{s.version.value} {s.weight.value} %" for s in decision.outcome.shares)
    yield f"  rollout {decision.verdict}: {shares}"
    for reason in decision.reasons:
        yield from _reason(reason, options.style)
    if decision.due is not None:
        yield f"    next: not before {decision.due:%Y-%m-%d %H:%M} UTC"


def _schedules(app: AppPlan) -> Iterator[str]:
    for fires in app.schedules:
        if not fires.times:
            yield f"schedule {fires.schedule}  suspended"
            continue
        first = fires.times[0]
        local = _local(first, fires.zone)
        yield f"schedule {fires.schedule}  next {local} {fires.zone} ({first:%Y-%m-%d %H:%M} UTC)"


def _local(moment: Any, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _reach(section: Changes) -> dict[str, list[str]]:
    """Config line → the objects that it changes, each as `app object`."""
    out: dict[str, dict[str, None]] = {}
    for app in section.plan.apps:
        for change in app.changes():
            for field in change.fields:
                if field.origin is not None:
                    reached = out.setdefault(str(field.origin.site), {})
                    reached[f"{app.unit} {change.key}"] = None
    return {site: list(reached) for site, reached in out.items()}


def _shared(reach: dict[str, list[str]], options: Options) -> Iterator[str]:
    for site, targets in sorted(reach.items()):
        if len(targets) <= _FEW:
            continue
        objects = sorted(set(targets))
        apps = {target.split(" ")[0] for target in objects}
        yield (
            f"{options.style.bold(site)} reaches {len(objects)} objects in {len(apps)} "
            f"app{'' if len(apps) == 1 else 's'}"
        )
        for target in objects[:_FEW]:
            yield f"    {target}"
        if len(objects) > _FEW:
            yield f"    and {len(objects) - _FEW} more (--all)"


def _problems(result: Any, options: Options) -> Iterator[str]:
    for key, why in result.problems:
        target = f" {key}" if key is not None else ""
        yield f"{options.style.red('not done')}  {result.unit}{target}: {printable(why)}"
