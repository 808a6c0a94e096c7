"""A plan as text: refusals first, then per app what changes of its model and its objects, then the
lines that reach many objects and the next trainings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.engine.views.models import ModelAction, ModelChange
from reconciler.engine.views.report import Changes
from reconciler.engine.views.words import count, listed
from reconciler.lifecycle.decision import RolloutVerdict
from reconciler.origin import Site
from reconciler.output import change_text, model_rows
from reconciler.output.change_text import UNVERIFIED, Folding, lead, place
from reconciler.output.format import Options
from reconciler.plan.change import Action, AppPlan, Plan
from reconciler.plan.inventory import SCHEMA_VERSION
from reconciler.secrets import printable
from reconciler.unit import UnitId

__all__ = ["in_rank_order", "render"]

_FEW = 3
#: The width of the labels of a model's rows.
_LABEL = 11


def render(section: Changes, options: Options) -> Iterator[str]:
    """The blocks of text, in order."""
    plan = section.plan
    yield "\n".join(_wrap(_head(section, options), options))
    if plan.refusals:
        seen = dict.fromkeys((r.text, r.way_out, r.defers) for r in plan.refusals)
        yield "\n".join(line for refusal in seen for line in _refusal(*refusal, options))
    reach = _reach(section) if not section.show_all else {}
    models = {change.app: change for change in section.models}
    for app in in_rank_order(section):
        lines = list(_app(app, models.get(app.unit), section, options, reach))
        if lines:
            new = "   new" if _is_new(app, models.get(app.unit)) else ""
            yield "\n".join([options.style.bold(str(app.unit)) + new, *lines])
    if not section.show_all and not section.applied:
        unverified = list(_unverified(plan))
        if unverified:
            yield "\n".join(line for text in unverified for line in _wrap(text, options))
    quiet = [str(app.unit) for app in plan.apps if not list(app.changes()) and app.swap is None]
    if quiet and len(quiet) < len(plan.apps):
        yield "\n".join(_wrap(f"no change: {listed(quiet, 4)}", options))
    shared = list(_shared(reach, options))
    if shared:
        yield "\n".join(shared)
    if not section.applied:
        times = list(_trainings(section, options))
        if times:
            yield "\n".join(times)
    problems = [line for result in section.applied for line in _problems(result, options)]
    if problems:
        yield "\n".join(problems)


def _refusal(text: str, way_out: str, defers: bool, options: Options) -> Iterator[str]:
    """A refusal and its way out. The way out is not broken: people copy it."""
    lead = "waits: " if defers else "refused: "
    indent = " " * len(lead)
    head, *rest = textwrap.wrap(text, options.width - len(indent), break_on_hyphens=False) or [""]
    yield (options.style.yellow(lead) if defers else options.style.red(lead)) + head
    yield from (f"{indent}{line}" for line in rest)
    yield f"{indent}{way_out}"


def _head(section: Changes, options: Options) -> str:
    plan = section.plan
    if plan.offline:
        base = f"against {section.base} " if section.base else ""
        where = f"{base}(no cluster was asked)"
    else:
        read = f"{count(plan.objects_read, 'object')} in {count(plan.requests, 'request')}"
        where = f"{options.style.arrow} {plan.cluster} (read {read})"
    return f"{plan.label} {where}"


def in_rank_order(section: Changes) -> list[AppPlan]:
    """The units, foundations first, by the ranks of their environments and then by name."""
    ranks: Mapping[str, int] = section.ranks

    def order(app: AppPlan) -> tuple[bool, int, UnitId]:
        return not app.unit.is_foundation, ranks.get(app.environment, 1_000_000), app.unit

    return sorted(section.plan.apps, key=order)


def _is_new(app: AppPlan, model: ModelChange | None) -> bool:
    if model is not None:
        return model.action is ModelAction.NEW
    changes = list(app.changes())
    made = bool(changes) and all(c.action is Action.CREATE and c.goes for c in changes)
    return app.unit.is_foundation and app.recorded is None and made


def _app(
    app: AppPlan,
    model: ModelChange | None,
    section: Changes,
    options: Options,
    reach: dict[Site, list[str]],
) -> Iterator[str]:
    shared = frozenset(site for site, reached in reach.items() if len(reached) > _FEW)
    yield from _notes(app)
    if model is not None:
        yield from _model(model, shared, options)
    folding = Folding(
        model.sites if model is not None else frozenset(),
        shared,
        everything=section.show_all,
        is_new=_is_new(app, model),
    )
    yield from change_text.change_lines(app, folding, options)
    yield from _decision(app, folding, options)
    if section.show_all and not app.waves:
        yield "  no change"


def _model(model: ModelChange, shared: frozenset[Site], options: Options) -> Iterator[str]:
    """The rows of a model: each with its config line, below it where both do not fit a line."""
    style = options.style
    for row in model_rows.rows(model, style.arrow):
        head = f"  {row.label:<{_LABEL - 1}} {printable(row.text)}"
        where = place(row.origin, through=False)
        if row.origin is not None and row.origin.site in shared:
            where = f"{row.origin.site} (shared)"
        if where and len(head) + 3 + len(where) <= options.width:
            yield f"{head}   {style.dim(where)}"
            continue
        indent = " " * (_LABEL + 2)
        yield from textwrap.wrap(
            head, options.width, subsequent_indent=indent, break_on_hyphens=False
        )
        if where:
            yield from change_text.wrapped(where, options)


def _notes(app: AppPlan) -> Iterator[str]:
    if app.suspended:
        yield "  suspended: none of its objects is written"
    old = app.recorded.schema if app.recorded is not None else SCHEMA_VERSION
    if app.migrates and old != SCHEMA_VERSION:
        yield f"  its recorded state is migrated from schema {old} to {SCHEMA_VERSION}"
    if app.apply_as and app.writes and not app.suspended:
        yield f"  written as {app.apply_as}"


def _decision(app: AppPlan, folding: Folding, options: Options) -> Iterator[str]:
    """The decision and its reasons; of a new app, whose version stands above, what it waits for."""
    decision = app.decision
    quiet = (RolloutVerdict.STEADY, RolloutVerdict.IDLE, RolloutVerdict.TARGET)
    if decision is None:
        return
    if decision.verdict in quiet and app.swap is None and decision.hold is None:
        return
    if folding.is_new and not folding.everything and decision.verdict is RolloutVerdict.STEADY:
        if len(decision.reasons) > 1:
            yield from change_text.reason_lines(decision.reasons[0], options)
        return
    shares = ", ".join(f"{s.version.value} {s.weight.value} %" for s in decision.outcome.shares)
    yield f"  rollout {decision.verdict}: {shares}"
    for reason in decision.reasons:
        yield from change_text.reason_lines(reason, options)
    if decision.due is not None:
        yield f"    next: not before {decision.due:%Y-%m-%d %H:%M} UTC"


def _unverified(plan: Plan) -> Iterator[str]:
    """One line per group for the objects that the server judges only in the middle of the run."""
    found: dict[tuple[str, str], int] = {}
    for app in plan.apps:
        for change in app.changes():
            for reason in change.reasons:
                if reason.text.startswith(UNVERIFIED):
                    key = (app.unit.group_id, reason.text.removeprefix(UNVERIFIED))
                    found[key] = found.get(key, 0) + 1
    for (group, why), number in found.items():
        yield f"not verified yet: {count(number, 'object')} of {group}: {why}"


def _wrap(text: str, options: Options) -> list[str]:
    return textwrap.wrap(text, options.width, subsequent_indent="    ", break_on_hyphens=False)


def _trainings(section: Changes, options: Options) -> Iterator[str]:
    """A table of the next times of the schedules whose training changes, sorted by time."""
    times = model_rows.training_times(section.models)
    if not times:
        return
    width = max(len(time.schedule) for time in times)
    yield options.style.bold("next trainings")
    for time in times:
        head = f"  {time.schedule:<{width}}  "
        now = model_rows.local(time.at, time.zone) if time.at is not None else "suspended"
        former = model_rows.former_time(time)
        if former:
            arrow = options.style.arrow
            if len(f"{head}{former} {arrow} {now}") <= options.width:
                now = f"{former} {arrow} {now}"
            else:
                yield f"{head}{former}"
                head, now = " " * len(head), f"{arrow} {now}"
        zoned = time.at is not None and time.zone != "UTC"
        utc = f"   ({time.at:%m-%d %H:%M} UTC)" if zoned else ""
        line = head + now
        yield line + (utc if len(line + utc) <= options.width else "")


def _reach(section: Changes) -> dict[Site, list[str]]:
    """Config line → the objects that it changes, each as `app object`. Of a field that is made of
    several lines, the line that changed counts."""
    told = {change.app: change.sites for change in section.models}
    out: dict[Site, dict[str, None]] = {}
    for app in section.plan.apps:
        for change in app.changes():
            for field in change.fields:
                if field.origin is not None:
                    site = lead(field.origin, told.get(app.unit, frozenset()))
                    out.setdefault(site, {})[f"{app.unit} {change.key}"] = None
    return {site: list(reached) for site, reached in out.items()}


def _shared(reach: dict[Site, list[str]], options: Options) -> Iterator[str]:
    for site, targets in sorted(reach.items()):
        if len(targets) <= _FEW:
            continue
        objects = sorted(set(targets))
        apps = {target.split(" ")[0] for target in objects}
        text = f"{site} reaches {len(objects)} objects in {count(len(apps), 'app')}"
        head, *rest = _wrap(text, options)
        yield head.replace(str(site), options.style.bold(str(site)), 1)
        yield from rest
        for target in objects[:_FEW]:
            yield f"    {target}"
        yield f"    and {len(objects) - _FEW} more (--all)"


def _problems(result: Any, options: Options) -> Iterator[str]:
    """The problems of a unit: one line for all objects with the same problem."""
    alike: dict[str, list[str]] = {}
    for key, why in result.problems:
        alike.setdefault(printable(why), []).append(str(key) if key is not None else "")
    for why, keys in alike.items():
        names = listed([key for key in keys if key], _FEW)
        text = f"{result.unit}{f' {names}' if names else ''}: {why}"
        head, *rest = textwrap.wrap(text, options.width - 10, break_on_hyphens=False) or [""]
        yield f"{options.style.red('not done')}  {head}"
        yield from (f"          {line}" for line in rest)
