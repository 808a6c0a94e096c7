"""Plans a revision against the rendering of another one: the changes of a proposal, without a
cluster.

The base revision's objects stand in for the live and recorded ones. So an object that the proposal
no longer draws shows as a delete, and a rename as a hand-over. Guards do not refuse here, because
nothing is deleted; their refusals of a real run become warnings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import reconciler
from reconciler.apps.app import Fleet, Selection
from reconciler.diagnostics import Diagnostic, warning
from reconciler.engine import draw, observe, predict
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.guards import prune
from reconciler.engine.run_options import RunOptions
from reconciler.lifecycle.decision import Reason
from reconciler.objects.draft import Manifest, seal
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed, Presence
from reconciler.plan.change import Action, AppPlan, Change, Plan, PlannedCluster
from reconciler.plan.inventory import Inventory, Member, live_digest
from reconciler.plan.snapshot import Snapshot
from reconciler.ports import Tree
from reconciler.unit import UnitId

__all__ = ["BaseSide", "absent_groups", "list_unseen", "plan_against_base", "render_sides", "widen"]

_UID = "base"


@dataclass(frozen=True, slots=True)
class BaseSide:
    """The base revision's objects for one cluster. Each cluster has its own, because two clusters
    may hold objects of the same name."""

    cluster: str
    snapshot: Snapshot


def render_sides(
    rendered: Fleet, fleet: Fleet, selection: Selection, now: datetime
) -> tuple[tuple[BaseSide, ...], tuple[Diagnostic, ...]]:
    """The rendering of the base (`rendered`) per cluster, and a warning when a part of it could not
    be rendered."""
    objects: dict[str, dict[ObjectKey, Observed]] = {}
    inventories: dict[str, dict[UnitId, Inventory]] = {}
    for item in draw.draw_units(rendered, Snapshot.none(), now, foresees=False):
        cluster = item.unit.cluster
        members = []
        for draft in item.drafts:
            manifest = seal(draft)
            seen = _as_live(manifest)
            objects.setdefault(cluster, {})[draft.key] = seen
            live = live_digest(seen)
            members.append(Member(draft.key, draft.api_version, _UID, manifest.digest, live))
        units = inventories.setdefault(cluster, {})
        units[item.unit.id] = Inventory(item.unit.id, tuple(sorted(members)))
    clusters = {unit.cluster for unit in fleet.units()}
    handed = observe.find_handovers(
        fleet, {k: v for each in inventories.values() for k, v in each.items()}
    )
    out = [
        BaseSide(
            cluster,
            replace(
                Snapshot.none(),
                objects=objects.get(cluster, {}),
                inventories=inventories.get(cluster, {}),
                handed=handed,
                base=rendered.label,
                place=place,
            ),
        )
        for place, cluster in enumerate(sorted(clusters | objects.keys() | inventories.keys()))
    ]
    return tuple(out), tuple(_warn_unrendered(rendered, selection))


def widen(selection: Selection, fleet: Fleet) -> Selection:
    """The selection to render of the base: whole groups, because the fleet has the foundation of
    each selected app, and every group when an app has moved, because its old objects may be in any.
    What the selection does not take is compared with nothing, and so is never shown as removed."""
    if any(app.spec.moved is not None for app in fleet.apps):
        return Selection()
    if not selection.names_models:
        return selection
    environments = selection.environments | {unit.environment for unit in selection.units}
    return Selection(environments, selection.groups)


def _as_live(manifest: Manifest) -> Observed:
    """A manifest as a live object that this program has applied."""
    rows = [{"manager": reconciler.FIELD_MANAGER, "operation": "Apply", "fieldsV1": {}}]
    metadata = {**manifest.body["metadata"], "managedFields": rows}
    body: dict[str, Any] = {**manifest.body, "metadata": metadata}
    return Observed(manifest.key, Presence.PRESENT, uid=_UID, body=body)


def _warn_unrendered(base: Fleet, selection: Selection) -> Iterable[Diagnostic]:
    unseen = list_unseen(base, selection)
    if not unseen:
        return
    blocked = _blocked_apps(base, selection)
    what = f"{len(unseen)} of its apps and paths" if len(unseen) > 1 else unseen[0]
    yield warning(
        "W_BASE",
        f"{base.label} has errors itself: {what} could not be rendered there; what lies there "
        "looks new, and what is removed from there is not shown",
        help=f"`reconciler check --revision {base.label}` shows the errors",
    ).reaching(*blocked)


def _blocked_apps(base: Fleet, selection: Selection) -> list[UnitId]:
    return sorted(a for a in base.blocked if not a.is_foundation and selection.takes(*a))


def list_unseen(base: Fleet, selection: Selection) -> tuple[str, ...]:
    """The selected apps of the base that could not be rendered, and the paths of the base that
    cannot be read and may hold more of them; the revision itself when it has other errors."""
    blocked = _blocked_apps(base, selection)
    folders = base.hiding(selection)
    others = any(not app.is_foundation for app in base.blocked)
    if not blocked and not folders and not others and base.errors:
        return (base.label,)
    return (*map(str, blocked), *folders)


def plan_against_base(
    fleet: Fleet,
    units: Iterable[UnitDrafts],
    sides: Iterable[BaseSide],
    tree: Tree,
    *,
    selection: Selection | None,
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan for all clusters, and the prune guard's refusals as warnings. Without a selection no
    unit counts as removed."""
    units = tuple(units)
    apps: list[AppPlan] = []
    read = 0
    recorded = {}
    for side in sides:
        of_cluster = [item for item in units if item.unit.cluster == side.cluster]
        apps += predict.plan_units(
            fleet, of_cluster, side.snapshot, None, RunOptions(), selection=selection
        )
        recorded[side.snapshot.place] = side.snapshot.inventories
        read += len(side.snapshot.objects)
    files = tree.blobs()
    plan = Plan(
        fleet.label,
        fleet.commit,
        (PlannedCluster("", "", objects_read=read),) if read else (),
        tuple(sorted((_with_file_reasons(app, files) for app in apps), key=predict.unit_order)),
        offline=True,
    )
    warnings = {
        (refusal.code, refusal.text): warning(
            "W_PRUNE_GUARD",
            f"a run would not do this by itself: {refusal.text}",
            help=refusal.way_out
            if not refusal.approval
            else "`plan` against the cluster prints what --approve-prune takes",
        )
        for refusal in prune.guard(
            absent_groups(fleet),
            recorded=recorded,
            hollow=prune.hollow_files(fleet.diagnostics),
        )(plan)
    }
    return plan, tuple(warnings.values())


def absent_groups(fleet: Fleet) -> frozenset[str]:
    """The groups that Git marks for removal (`group.state: absent`)."""
    return frozenset(f.group_id for f in fleet.foundations if f.spec.state.value == "absent")


def _with_file_reasons(app: AppPlan, files: Mapping[str, object]) -> AppPlan:
    """The app with its missing file as the reason of its deletes."""
    waves = tuple(tuple(_with_file(change, app, files) for change in wave) for wave in app.waves)
    return replace(app, waves=waves)


def _with_file(change: Change, app: AppPlan, files: Mapping[str, object]) -> Change:
    if change.action is not Action.DELETE or not app.removed:
        return change
    own = "group" if app.unit.is_foundation else app.unit.model
    file = f"environments/{app.environment}/{app.group}/{own}.yaml"
    return change if file in files else replace(change, reasons=(Reason(f"{file} is gone"),))
