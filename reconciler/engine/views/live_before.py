"""What the cluster has of a model before a plan, where no changed field of the plan says it: the
older generation of an object under a new name, candidates that go, and the times of schedules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from reconciler.apps.app import App
from reconciler.backends import draw
from reconciler.kinds import find
from reconciler.lifecycle import cron
from reconciler.lifecycle.decision import Fires
from reconciler.objects.kind import PruneClass
from reconciler.objects.timetable import Timetable, read_timetable
from reconciler.plan.change import Action, AppPlan, FieldChange
from reconciler.plan.compare import compare_bodies
from reconciler.plan.snapshot import Snapshot

__all__ = ["list_fields", "list_gone_candidates", "list_schedules"]

_HORIZON = timedelta(days=366)


def list_fields(plan: AppPlan, snapshot: Snapshot) -> Iterator[FieldChange]:
    """The changed fields of a plan. An object that takes the place of an older generation counts as
    changed where the two differ. Cost: linear in the changes, and in the recorded objects for each
    content-named object that is made."""
    for change in plan.changes():
        yield from change.fields
        if change.action is not Action.CREATE or change.desired is None:
            continue
        older = plan.superseded_by(change.key)
        live = next((seen for key in older if (seen := snapshot.lookup(key)).is_present), None)
        if live is not None:
            yield from compare_bodies(live.body or {}, change.desired.body, change.desired)


def list_gone_candidates(app: App, snapshot: Snapshot) -> tuple[str, ...]:
    """The candidates that the live objects train and that the config has no more."""
    training = app.spec.training
    if training is None or not app.trains:
        return ()
    wanted = {candidate.name.value for candidate in training.candidates}
    live = draw.read_candidates(app, snapshot.lookup)
    # Without candidates, one run goes by a name of the orchestrator's own.
    return tuple(name for name in live if name not in wanted) if wanted and len(live) > 1 else ()


def list_schedules(plan: AppPlan, snapshot: Snapshot, now: datetime) -> Iterator[Fires]:
    """The schedules of an app as they are applied, each with its next times; a suspended one, and
    one that this program cannot read, has none."""
    if plan.recorded is None:
        return
    for key in (m.key for m in plan.recorded.members):
        live = snapshot.lookup(key)
        if find(key.group_kind).prune is not PruneClass.SCHEDULE or not live.is_present:
            continue
        table = read_timetable(live.body or {})
        model = plan.unit.model
        name = table.name or key.name.removeprefix(f"{model}-")
        zone, crons = table.zone or "UTC", "; ".join(table.crons)
        times = tuple(sorted(_times(table, now)))[:2]
        yield Fires(f"{model}/{name}", crons, zone, times)


def _times(table: Timetable, now: datetime) -> Iterable[datetime]:
    for text in () if table.suspended else table.crons:
        try:
            yield from cron.parse(text, table.zone or "UTC").fires(now, now + _HORIZON, 2)
        except cron.CronInvalid:
            continue
