"""Finds what a plan changes of models.

With a base revision, its typed apps are compared. With a cluster, the side before is the desired
config with the plan's differences undone: a live field that an unchanged value of the config makes
has that value, and a field that differs names the line that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.apps.app import App, Selection
from reconciler.backends import draw
from reconciler.engine import decide
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.review import Review, ReviewPart
from reconciler.engine.views import live_before
from reconciler.engine.views.models import (
    ModelAction,
    ModelChange,
    Profile,
    QosChange,
    SettingChange,
    VersionMove,
)
from reconciler.engine.views.qos_changes import list_qos_changes
from reconciler.engine.views.report import Changes
from reconciler.layers import chains
from reconciler.lifecycle import schedule
from reconciler.lifecycle.decision import Fires
from reconciler.objects.quantity import amount
from reconciler.origin import Origin, SecretRef, Site, Value
from reconciler.plan.change import Action, AppPlan, FieldChange
from reconciler.spec.constraint import seconds
from reconciler.spec.serving import Serving
from reconciler.spec.workload import Resources

__all__ = ["changes_of", "find_model_changes"]

#: The blocks whose values describe a model, and the block that says where an app has them.
_SERVING = ("serving", "versions")
_TRAINING = ("training", "dataset", "versions")
#: Shown as the version and the traffic, or of no effect on objects.
_LEFT_OUT = ("serving.version", "serving.traffic", "serving.rollout", "serving.runIn")


def changes_of(
    reviewed: Review, *, applied: tuple[Any, ...] = (), show_all: bool = False
) -> Changes:
    """The plan of a review as a section of a report."""
    assert reviewed.plan is not None
    ranks = {
        unit.environment: unit.environment_spec.rank.value for unit in reviewed.fleet.foundations
    }
    return Changes(
        reviewed.plan,
        applied,
        show_all,
        reviewed.snapshot.base,
        find_model_changes(reviewed),
        ranks,
        list_uncompared(reviewed),
    )


def list_uncompared(reviewed: Review) -> tuple[str, ...]:
    """The selected apps, and the paths, of which the plan says nothing or not all: one side has
    mistakes or could not be read. Each once, sorted."""
    names = {str(u) for u in reviewed.fleet.blocked if not u.is_foundation}
    names |= {str(unit) for unit in reviewed.damaged}
    names |= (
        {str(app.unit) for app in reviewed.plan.apps if app.is_unjudged} if reviewed.plan else set()
    )
    names |= set(reviewed.fleet.hiding(Selection()))
    return (*sorted(names), *(n for n in reviewed.unseen if n not in names))


def find_model_changes(reviewed: Review) -> tuple[ModelChange, ...]:
    """The changes of the plan's apps, in the order of the plan. An app without a change of an
    object, of its traffic or of its config is left out. Cost: linear in the changed apps."""
    assert reviewed.plan is not None
    of_unit = {item.unit.id: (part, item) for part in reviewed.parts for item in part.units}
    out = []
    for app in reviewed.plan.apps:
        if app.unit.is_foundation or not (app.waves or app.swap is not None):
            continue
        found = of_unit.get(app.unit)
        if found is None or not isinstance(found[1].unit, App):
            if app.removed:
                out.append(ModelChange(app.unit, ModelAction.REMOVED))
            continue
        change = _change(reviewed, app, *found)
        if change is not None:
            out.append(change)
    return tuple(out)


def _change(
    reviewed: Review, plan: AppPlan, part: ReviewPart, item: UnitDrafts
) -> ModelChange | None:
    app = item.unit
    assert isinstance(app, App)
    base = _app_before(reviewed, app)
    is_new = base is None and plan.recorded is None and _only_creates(plan)
    version = _version_move(app, plan, part, base)
    after = dict(_settings(app))
    qos = list_qos_changes(item, plan, part.snapshot, base)
    if is_new:
        sites = frozenset(site for leaf in after.values() for site in leaf.origin.sites())
        return ModelChange(
            app.id, ModelAction.NEW, version, (), _profile(app), plan.schedules, qos, sites
        )
    before = dict(_settings(base)) if base is not None else None
    if before is not None:
        settings = tuple(_compare(before, after))
    else:
        settings = (*_undo(after, plan, part), *_gone_candidates(app, plan, part))
    trains = any(row.path.split(".")[0] in _TRAINING[:2] for row in settings)
    if not settings and version is None and not qos:
        return None
    return ModelChange(
        app.id,
        ModelAction.CHANGED,
        version,
        settings,
        trainings=plan.schedules if trains else (),
        former=tuple(_former(reviewed, plan, part, base)) if trains else (),
        qos=qos,
        sites=_sites((*settings, *qos), version),
    )


def _app_before(reviewed: Review, app: App) -> App | None:
    """The app of the base revision, also under its old name."""
    found = reviewed.before.get(app.id)
    if found is None and app.spec.moved is not None:
        old = app.spec.moved.from_.value
        found = next((a for unit, a in reviewed.before.items() if str(unit) == old), None)
    return found


def _only_creates(plan: AppPlan) -> bool:
    return bool(plan.waves) and all(c.action is Action.CREATE for c in plan.changes())


# -- versions --------------------------------------------------------------------------------------


def _version_move(
    app: App, plan: AppPlan, part: ReviewPart, base: App | None
) -> VersionMove | None:
    """The move of the traffic; None where the traffic stays as it is."""
    serving = app.spec.serving
    if serving is None or not app.serves:
        return None
    after = _target(serving)
    if plan.decision is None or part.snapshot.offline:
        now = after
        before = _target(base.spec.serving) if base is not None and base.serves else {}
    else:
        now = {s.version.value: s.weight.value for s in plan.decision.outcome.shares}
        members = decide.list_recorded(app, part.snapshot)
        facts = draw.read_facts(app, after, part.snapshot.lookup, members)
        if facts.route_unread:
            return None
        before = {v: n for v, n in (facts.weights or {}).items() if n}
        if not facts.routed:
            running = [v for v, service in facts.services.items() if service in facts.running]
            before = {running[0]: 100} if len(running) == 1 else {}
    served = {version: weight for version, weight in now.items() if weight}
    if before == after == served or not (before or after):
        return None
    steps, pauses = _steps(serving) if before and serving.version is not None else ((), 0.0)
    pointer = serving.version
    origin = pointer.origin if pointer is not None else next(iter(serving.traffic.values())).origin
    return VersionMove(before, served, after, steps, pauses, origin)


def _target(serving: Serving | None) -> dict[str, int]:
    if serving is None:
        return {}
    if serving.version is not None:
        return {serving.version.value: 100}
    return {version: weight.value for version, weight in serving.traffic.items() if weight.value}


def _steps(serving: Serving) -> tuple[tuple[int, ...], float]:
    """The weights of the rollout, the last one 100, and the sum of its pauses in seconds."""
    if serving.rollout is None:
        return (), 0.0
    weights = [s.weight.value for s in serving.rollout.steps if s.weight is not None]
    pauses = sum(seconds(s.pause.value) for s in serving.rollout.steps if s.pause is not None)
    return tuple(weights if weights[-1:] == [100] else [*weights, 100]), pauses


# -- settings --------------------------------------------------------------------------------------


def _settings(app: App) -> Iterator[tuple[str, Value[Any]]]:
    """(path, value) of the leaves that describe the model where the app is."""
    blocks = {
        *(_SERVING if app.serves else ()),
        *(_TRAINING if app.trains else ()),
    }
    for name in (*_TRAINING, *_SERVING[:1]):
        node = app.find(name) if name in blocks else None
        if node is None:
            continue
        for path, leaf in chains.list_leaves(node, name):
            if not path.startswith(_LEFT_OUT):
                yield path, leaf


def _show(datum: Any) -> str:
    if isinstance(datum, SecretRef):
        return f"!secret {datum.ref}"
    if isinstance(datum, bool):
        return str(datum).lower()
    return "null" if datum is None else str(datum)


def _compare(
    before: Mapping[str, Value[Any]], after: Mapping[str, Value[Any]]
) -> Iterator[SettingChange]:
    for path in dict.fromkeys((*after, *before)):
        old, new = before.get(path), after.get(path)
        shown = [_show(leaf.value) if leaf is not None else None for leaf in (old, new)]
        if shown[0] != shown[1]:
            yield SettingChange(path, shown[0], shown[1], new.origin if new is not None else None)


def _gone_candidates(app: App, plan: AppPlan, part: ReviewPart) -> Iterator[SettingChange]:
    """The candidates that only the live objects have; nothing when these objects stay."""
    if not part.snapshot.offline and any(c.goes for c in plan.changes()):
        for name in live_before.list_gone_candidates(app, part.snapshot):
            yield SettingChange(f"training.candidates[name={name}].name", name, None)


def _former(reviewed: Review, plan: AppPlan, part: ReviewPart, base: App | None) -> Iterator[Fires]:
    """The schedules before, of those whose times change."""
    if reviewed.now is None:
        return
    if base is not None:
        known: Iterable[Fires] = schedule.foresee(base, reviewed.now)
    elif not part.snapshot.offline:
        known = live_before.list_schedules(plan, part.snapshot, reviewed.now)
    else:
        return
    planned = {fires.schedule: fires for fires in plan.schedules}
    for fires in known:
        new = planned.get(fires.schedule)
        if new is not None and (new.times[:1], new.zone) != (fires.times[:1], fires.zone):
            yield fires


def _undo(
    after: Mapping[str, Value[Any]], plan: AppPlan, part: ReviewPart
) -> Iterator[SettingChange]:
    """The values whose live fields differ, in the order of the config."""
    fields: dict[Site, list[FieldChange]] = {}
    for row in live_before.list_fields(plan, part.snapshot):
        if row.origin is not None and not row.removed:
            fields.setdefault(row.origin.site, []).append(row)
    for path, leaf in after.items():
        text = _show(leaf.value)
        rows = fields.get(leaf.origin.site, ())
        equal = next((row for row in rows if _show(row.after) == text), None)
        if equal is not None:
            before = None if equal.added else _show(equal.before)
            yield SettingChange(path, before, text, leaf.origin)
        elif any(text and text in _show(row.after) for row in rows):
            yield SettingChange(path, None, text, leaf.origin, is_known=False)


def _sites(
    rows: tuple[SettingChange | QosChange, ...], version: VersionMove | None
) -> frozenset[Site]:
    origins = [row.origin for row in rows if row.origin is not None]
    if version is not None and version.origin is not None:
        origins.append(version.origin)
    return frozenset(site for origin in origins for site in origin.sites())


# -- new apps --------------------------------------------------------------------------------------


def _profile(app: App) -> Profile:
    serving = app.spec.serving if app.serves else None
    training = app.spec.training if app.trains else None
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}

    def add(name: str, *found: Value[Any] | None, many: bool = False) -> None:
        leaves = [leaf for leaf in found if leaf is not None]
        if leaves:
            values[name] = tuple(leaf.value for leaf in leaves) if many else leaves[0].value
            origins[name] = leaves[0].origin

    if serving is not None:
        add("backend", serving.backend)
        add("server", serving.image)
        add("replicas", serving.replicas)
        add("gpus", _gpus(app, serving.resources))
        add("hostnames", *serving.hostnames, many=True)
    if training is not None:
        add("framework", training.framework)
        add("trainer", training.image)
        add("workers", training.workers)
        add("worker_gpus", _gpus(app, training.resources))
        add("candidates", *(c.name for c in training.candidates), many=True)
        add("schedules", *(s.cron for s in training.schedules), many=True)
        values.pop("schedules", None)
    return Profile(**values, origins=origins)


def _gpus(app: App, resources: Resources | None) -> Value[int] | None:
    """The GPUs of a container, also where a GPU of a pool is asked for by its name."""
    if resources is None or resources.gpu is not None:
        return resources.gpu if resources is not None else None
    named = {**resources.requests, **resources.limits}
    pools = app.spec.group.pools.values()
    gpus = {pool.gpu_resource.value for pool in pools if pool.gpu_resource is not None}
    found = next((size for name, size in named.items() if name in gpus), None)
    return found.map(lambda size: int(amount(size))) if found is not None else None
