"""One app as the cluster has it, read from its recorded objects and states."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler import kinds
from reconciler.backends import live_split
from reconciler.backends.live_split import LiveSplit
from reconciler.engine.views.status import (
    Health,
    LastRun,
    LastTraining,
    NextStep,
    RolloutProgress,
    StepKind,
)
from reconciler.lifecycle import cron
from reconciler.lifecycle.decision import Decision, Hold, RolloutVerdict, Weights
from reconciler.lifecycle.facts import RolloutState
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import PruneClass, ReadinessState
from reconciler.objects.timetable import Timetable, read_timetable
from reconciler.plan.snapshot import Snapshot
from reconciler.plan.statuses import RecordedStatus
from reconciler.unit import UnitId

__all__ = ["LiveApp"]

_HORIZON = timedelta(days=366)
_RELEASED = "the tree that was read wants another version: the next pass ends the hold"


@dataclass(frozen=True, slots=True)
class LiveApp:
    """The recorded objects of an app, and what is recorded about it. `decision` is what the next
    pass would decide; None where the config does not tell."""

    unit: UnitId
    members: tuple[ObjectKey, ...]
    snapshot: Snapshot
    recorded: RecordedStatus
    decision: Decision[Weights] | None = None

    @property
    def split(self) -> LiveSplit:
        return live_split.read_split(self.members, self.snapshot.lookup)

    @property
    def state(self) -> RolloutState:
        """The stored state of its rollout; an empty one where there is none."""
        stored = self.snapshot.states.get(self.unit)
        return RolloutState.from_data(stored.data) if stored is not None else RolloutState()

    def health(self, may_end: Collection[ObjectKey] = ()) -> Health:
        """By the worst object. Those of `may_end` may be absent because their work is done."""
        lookup = self.snapshot.lookup
        states = set()
        for key in self.members:
            state = kinds.readiness(lookup(key), lookup).state
            is_job = kinds.find(key.group_kind).job is not None
            if state is ReadinessState.ABSENT and (is_job or key in may_end):
                continue
            states.add(state)
        if not states:
            return Health.IDLE if self.members else Health.ABSENT
        for state, health in _WORST:
            if state in states:
                return health
        if ReadinessState.ABSENT in states:
            return Health.MISSING if len(states) > 1 else Health.ABSENT
        if states != {ReadinessState.READY}:
            return Health.PROGRESSING
        return Health.READY if self.split.versions else Health.IDLE

    def hold(self) -> Hold | None:
        """Why the app waits for a person, as recorded in the cluster."""
        state, decision = self.state, self.decision
        if state.held_digest:
            if decision is not None and decision.hold is not None:
                return decision.hold
            return Hold(state.held_why, _RELEASED if decision else "", _time(state.held_since))
        stalled = self.recorded.condition("Stalled")
        if stalled.get("reason") != "Held" or self.recorded.last.get("result") != "held":
            return None
        why, _, way_out = str(stalled.get("message", "")).partition("; way out: ")
        _, marked, after = why.partition(" UTC: ")
        text = after if marked and why.startswith("held since ") else why
        return Hold(text, way_out, _time(str(stalled.get("lastTransitionTime", ""))))

    def rollout(self) -> RolloutProgress | None:
        """The rollout that goes on, as stored; its weight is the live one."""
        state = self.state
        if state.held_digest or state.wanted in ("", state.stable):
            return None
        weight = self.split.weights.get(state.wanted, 0)
        steps = len(state.weights.split(",")) if state.weights else 0
        found = self.decision
        until, waits = None, ""
        if found is not None and state.wanted in {s.version.value for s in found.outcome.shares}:
            if found.verdict is RolloutVerdict.PAUSED:
                until = found.due.astimezone(UTC) if found.due is not None else None
            elif found.verdict is not RolloutVerdict.STEPPING and found.reasons:
                waits = found.reasons[0].text
        step = max(0, state.stage + 1)
        return RolloutProgress(state.stable, state.wanted, weight, step, steps, until, waits)

    def last_run(self) -> LastRun | None:
        last = self.recorded.last
        at = _time(str(last.get("at", "")))
        return LastRun(str(last.get("result", "")), at) if at is not None else None

    def last_training(self) -> LastTraining | None:
        """The newest one that any of its schedules started."""
        found = [
            LastTraining(name, table.last, table.running > 0)
            for name, table in self._timetables()
            if table.last is not None
        ]
        return max(found, key=lambda training: training.at, default=None)

    def next_trainings(self, now: datetime) -> Iterator[NextStep]:
        """The next time of each schedule as it is applied, the earliest first. A suspended one, and
        one that this program cannot read, have none."""
        out = []
        for name, table in self._timetables():
            times = [] if table.suspended else list(_next_times(table, now))
            if times:
                out.append(NextStep(StepKind.SCHEDULE, name, min(times)))
        yield from sorted(out, key=lambda step: (step.at or now, step.text))

    def _timetables(self) -> Iterator[tuple[str, Timetable]]:
        for key in self.members:
            if kinds.find(key.group_kind).prune is not PruneClass.SCHEDULE:
                continue
            live = self.snapshot.lookup(key)
            if live.is_present:
                table = read_timetable(live.body or {})
                yield table.name or key.name.removeprefix(f"{self.unit.model}-"), table


_WORST = (
    (ReadinessState.UNKNOWN, Health.UNKNOWN),
    (ReadinessState.FAILED, Health.FAILED),
)


def _next_times(table: Timetable, now: datetime) -> Iterator[datetime]:
    for text in table.crons:
        try:
            yield from cron.parse(text, table.zone or "UTC").fires(now, now + _HORIZON, 1)
        except cron.CronInvalid:
            continue


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
