"""Finds the quality-of-service classes that a plan changes: those of the pods of an app's server
and of its training jobs, as they are drawn, against those that the cluster or the base has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import reconciler
from reconciler.apps.app import App
from reconciler.backends import draw
from reconciler.engine import decide
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.views.models import QosChange
from reconciler.lifecycle import rollout
from reconciler.objects.draft import Draft, list_embedded, value_at, walk
from reconciler.objects.key import ObjectKey
from reconciler.objects.qos import QosClass, list_pods, qos_class
from reconciler.origin import Origin, Value, plain
from reconciler.plan.change import AppPlan
from reconciler.plan.snapshot import Snapshot

__all__ = ["list_qos_changes"]

_VERSION = f"{reconciler.API_DOMAIN}/version"
_UNKNOWN = "unknown"


def list_qos_changes(
    item: UnitDrafts, plan: AppPlan, snapshot: Snapshot, base: App | None = None
) -> tuple[QosChange, ...]:
    """The changes of one app, against its app of the base revision or, without one, against the
    live objects. A workload without pods before is shown when its pods may be ended before others:
    when they are not Guaranteed. Cost: linear in the app's objects; a base is drawn once more."""
    app = item.unit
    assert isinstance(app, App)
    now = _workloads(app, item.drafts)
    then = _workloads(base, _draw(base)) if base is not None else {}
    out = []
    for workload, drafts in now.items():
        after = _classes(plain(draft.tree) for draft in _with_pods(drafts))
        if base is not None:
            before = _classes(plain(draft.tree) for draft in _with_pods(then[workload]))
        else:
            keys = {draft.key for draft in drafts}
            keys |= _recorded_servers(app, snapshot) if workload == "serving" else set()
            before = _classes(snapshot.lookup(key).body for key in sorted(keys))
        is_low = bool(before) or after not in (_UNKNOWN, QosClass.GUARANTEED.value)
        if after and after != before and is_low:
            out.append(QosChange(workload, before or None, after, _cause(drafts, plan)))
    return tuple(out)


def _draw(app: App) -> tuple[Draft, ...]:
    """What is drawn of an app without a cluster."""
    serving = app.spec.serving
    if serving is None or not app.serves:
        return draw.draw_fixed(app)
    weights = rollout.target(app.id, serving).outcome
    return (*draw.draw_fixed(app), *draw.draw_moving(app, weights, Snapshot.none().lookup))


def _workloads(app: App, drafts: Iterable[Draft]) -> dict[str, list[Draft]]:
    """Workload → the drafts that have its pods."""
    training = app.spec.training
    rule = training.orchestrator.value if training is not None else ""
    drafts = tuple(drafts)
    return {
        "serving": [d for d in drafts if draw.serving_object(app, d.key) and _has_version(d.tree)],
        "training": [d for d in drafts if d.rule == rule and any(list_embedded(d))],
    }


def _recorded_servers(app: App, snapshot: Snapshot) -> set[ObjectKey]:
    """The recorded objects that serve a version, those under names of before included."""
    keys = decide.list_recorded(app, snapshot)
    servers = (key for key in keys if draw.serving_object(app, key))
    return {key for key in servers if _has_version(snapshot.lookup(key).body)}


def _has_version(tree: Any) -> bool:
    """Whether an object has a version in its labels. A manifest of the same kind has none."""
    try:
        value_at(tree, ("metadata", "labels", _VERSION))
    except LookupError:
        return False
    return True


def _with_pods(drafts: Iterable[Draft]) -> Iterator[Draft]:
    """The drafts, and the drafts that stand in them as text."""
    for draft in drafts:
        inner = [found for _, found in list_embedded(draft)]
        yield from inner or [draft]


def _classes(bodies: Iterable[Any]) -> str:
    """The classes of the pods of some objects, lowest first; "" when there are no pods."""
    found = {qos_class(pod) for body in bodies if body is not None for pod in list_pods(body)}
    if None in found:
        return _UNKNOWN
    return ", ".join(one.value for one in QosClass if one in found)


def _cause(drafts: Iterable[Draft], plan: AppPlan) -> Origin | None:
    """The config line of a size that changes, else of the first size, else of a container."""
    drafts = list(drafts)
    keys = {draft.key for draft in drafts}
    for change in plan.changes():
        for row in change.fields if change.key in keys else ():
            if "resources" in row.own_path and row.origin is not None and not row.removed:
                return row.origin
    for part in ("resources", "containers", "model"):
        for draft in _with_pods(drafts):
            for path, leaf in walk(draft.tree):
                if part in path and isinstance(leaf, Value):
                    return leaf.origin
    return None
