"""Decides how traffic moves from the stable version to the wanted one: a pure function of spec,
stored state, facts and time.

The rules, with the numbers of the invariants (docs/rules.md):
- Weights add up to 100 (I6).
- The new version's weight rises by one step at a time, and only after the pause of the step before
  has passed at the *observed* weight of that step (I6, I7).
- No version gets more traffic than its ready replicas can take.
- When a fact could not be read, the weights stay.
- An abort returns all traffic to the stable version and holds the new version.

Timers are stored times, so a killed process loses none of them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from reconciler.lifecycle import traffic
from reconciler.lifecycle.decision import (
    Decision,
    Hold,
    Reason,
    RolloutVerdict,
    Share,
    Weights,
)
from reconciler.lifecycle.facts import PREPARING, Capacity, RolloutFacts, RolloutState
from reconciler.origin import Value, derive
from reconciler.spec.constraint import seconds
from reconciler.spec.model import VersionRecord
from reconciler.spec.serving import Serving
from reconciler.unit import UnitId

__all__ = ["Capacity", "RolloutFacts", "RolloutState", "decide", "target"]


@dataclass(frozen=True, slots=True)
class _Stage:
    weight: Value[int]
    pause: Value[str] | None


def target(app: UnitId, serving: Serving) -> Decision[Weights]:
    """The weights that Git asks for, for runs without a cluster: all traffic to the pointer's
    version, or the static split."""
    if serving.traffic:
        return _static(app, serving, RolloutVerdict.TARGET)
    if serving.version is None:
        return Decision(app, RolloutVerdict.IDLE, Weights())
    share = Share(serving.version, derive(100, serving.version))
    reason = Reason("Git's target; a cluster decides the way there", serving.version.origin)
    return Decision(app, RolloutVerdict.TARGET, Weights((share,)), (reason,))


def decide(
    app: UnitId,
    serving: Serving,
    records: Mapping[str, VersionRecord],
    state: RolloutState | None,
    facts: RolloutFacts,
    now: datetime,
) -> Decision[Weights]:
    """The weights from now on, with reasons, and the state to store. `now` must have a zone.

    `records` are the recorded versions of the app. `state` is the stored state, or None."""
    if serving.traffic:
        decision = _reset_state(_static(app, serving, RolloutVerdict.STEADY), state)
    elif serving.version is None:
        decision = _reset_state(Decision(app, RolloutVerdict.IDLE, Weights()), state)
    else:
        decision = _Machine(app, serving, serving.version, records, state, facts, now).run()
    decision = traffic.bound(decision, facts, pointed=not serving.traffic)
    decision = traffic.retain(decision, facts, state, now)
    return replace(decision, inputs=_inputs(serving, state, facts, now))


def _static(app: UnitId, serving: Serving, verdict: RolloutVerdict) -> Decision[Weights]:
    shares = tuple(
        Share(Value(version, weight.origin), weight) for version, weight in serving.traffic.items()
    )
    first = next(iter(serving.traffic.values()))
    return Decision(app, verdict, Weights(shares), (Reason("static split in Git", first.origin),))


def _reset_state(decision: Decision[Weights], state: RolloutState | None) -> Decision[Weights]:
    """The decision, with an empty state to store. Without a pointer there is no rollout. When the
    pointer returns, the live route says which version is stable, not an old state."""
    if state is None or replace(state, left="") == RolloutState():
        return decision
    return replace(decision, state=RolloutState().to_data())


def _inputs(
    serving: Serving, state: RolloutState | None, facts: RolloutFacts, now: datetime
) -> str:
    record = {
        "version": serving.version.value if serving.version is not None else None,
        "traffic": {k: v.value for k, v in serving.traffic.items()},
        "steps": [
            [_plain(s.weight), _plain(s.pause)]
            for s in (serving.rollout.steps if serving.rollout else ())
        ],
        "state": state.to_data() if state else None,
        "capacity": {k: [c.ready, c.desired, c.failed] for k, c in facts.capacity.items()},
        "backends": [[b.service, b.port, b.weight] for b in facts.backends],
        "ready": {k: [c.ready, c.desired] for k, c in facts.ready.items()},
        "services": [dict(facts.services), facts.running],
        "weights": dict(facts.weights) if facts.weights is not None else None,
        "route": [facts.route_unread, facts.routed, facts.accepted],
        "now": now.isoformat(),
    }
    raw = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _plain(value: Value[Any] | None) -> Any:
    return value.value if value is not None else None


def _stages(serving: Serving, version: Value[str]) -> tuple[_Stage, ...]:
    """The steps as weights, each with the pause after it. The last weight is 100 %."""
    stages: list[_Stage] = []
    for step in serving.rollout.steps if serving.rollout else ():
        if step.weight is not None:
            stages.append(_Stage(step.weight, None))
        elif step.pause is not None and stages:
            before = stages[-1]
            pause = step.pause if before.pause is None else _add_pauses(before.pause, step.pause)
            stages[-1] = _Stage(before.weight, pause)
    if not stages or stages[-1].weight.value != 100:
        stages.append(_Stage(derive(100, version), None))
    return tuple(stages)


def _add_pauses(first: Value[str], second: Value[str]) -> Value[str]:
    total = seconds(first.value) + seconds(second.value)
    return derive(f"{math.ceil(total)}s", first, second)


class _Machine:
    """The decision about one app with a pointer, and the inputs that its branches share."""

    def __init__(
        self,
        app: UnitId,
        serving: Serving,
        wanted: Value[str],
        records: Mapping[str, VersionRecord],
        state: RolloutState | None,
        facts: RolloutFacts,
        now: datetime,
    ) -> None:
        self.app = app
        self.serving = serving
        self.wanted = wanted
        self.records = records
        self.facts = facts
        self.now = now
        self.before = state
        self.state = state if state is not None and state.stable else self._recover_state()
        self.stages = _stages(serving, wanted)
        self.digest = records[wanted.value].digest.value if wanted.value in records else ""

    def _recover_state(self) -> RolloutState:
        """The state of an app without a stored state. The version with most traffic on the live
        route is stable. When no other version has traffic, the wanted version is stable from the
        start, because no user can lose anything."""
        live = self.facts.weights or {}
        others = {v: w for v, w in live.items() if v != self.wanted.value and w > 0}
        if not others:
            return RolloutState(stable=self.wanted.value)
        return RolloutState(stable=max(sorted(others), key=lambda v: others[v]))

    # -- the branches ------------------------------------------------------------------------------

    def run(self) -> Decision[Weights]:
        if self.facts.route_unread:
            return self._unknown("the live route could not be read")
        if self.state.stable not in self.records:
            why = f"the stable version {self.state.stable} has no record any more"
            self.state = RolloutState(stable=self.wanted.value)
            return self._all_stable(RolloutVerdict.STEADY, Reason(why, self.wanted.origin))
        if self.state.stable == self.wanted.value:
            return self._rest()
        if self.state.held_digest and self.state.held_digest == self.digest:
            return self._held(RolloutVerdict.HELD)
        if self.wanted.value not in self.facts.capacity:
            return self._unknown(f"the backend of {self.wanted.value} could not be read")
        if (self.state.wanted, self.state.wanted_digest) != (self.wanted.value, self.digest):
            return self._begin()
        if self.state.stage != PREPARING:
            self._relocate()
        if self.state.stage == PREPARING:
            return self._prepare()
        return self._walk()

    def _relocate(self) -> None:
        """Finds the stage anew when the steps in Git have changed since the stage was stored. The
        new stage is the last one whose weight is at most the weight reached, and its pause starts
        again. Without such a stage, or with a garbled state, the rollout prepares again. The weight
        never rises here (I6)."""
        recorded = self.state.weights or self._weights_text()
        if recorded == self._weights_text() and 0 <= self.state.stage < len(self.stages):
            return
        stage = PREPARING
        try:
            reached = [int(weight) for weight in recorded.split(",")][self.state.stage]
        except (ValueError, IndexError):
            reached = 0
        for index, candidate in enumerate(self.stages):
            if candidate.weight.value <= reached:
                stage = index
        self.state = replace(
            self.state,
            stage=stage,
            weights=self._weights_text() if stage != PREPARING else "",
            started_at=_stamp(self.now),
            entered_at=_stamp(self.now),
        )

    def _weights_text(self) -> str:
        return ",".join(str(stage.weight.value) for stage in self.stages)

    def _rest(self) -> Decision[Weights]:
        """The wanted version is the stable one. A rollout that Git has taken back ends at once."""
        is_abort = self.state.wanted not in ("", self.wanted.value)
        self.state = RolloutState(
            stable=self.wanted.value,
            previous=self.state.previous,
            previous_digest=self.state.previous_digest,
        )
        reasons = [Reason(f"{self.wanted.value} is stable", self.wanted.origin)]
        if is_abort:
            reasons.insert(0, Reason("Git returned to the stable version", self.wanted.origin))
        return self._all_stable(
            RolloutVerdict.ABORTING if is_abort else RolloutVerdict.STEADY, *reasons
        )

    def _begin(self) -> Decision[Weights]:
        before = self.state
        self.state = RolloutState(
            stable=self.state.stable,
            wanted=self.wanted.value,
            wanted_digest=self.digest,
            started_at=_stamp(self.now),
            entered_at=_stamp(self.now),
        )
        returns = (before.previous, before.previous_digest) == (self.wanted.value, self.digest)
        if returns and self.facts.capacity[self.wanted.value].carries(100):
            return self._enter(len(self.stages) - 1, "it was stable before and still runs")
        return self._prepare()

    def _prepare(self) -> Decision[Weights]:
        capacity = self.facts.capacity[self.wanted.value]
        first = self.stages[0].weight.value
        if capacity.failed:
            return self._abort(capacity.failed)
        if capacity.carries(first):
            return self._enter(0, str(capacity))
        deadline = self._deadline(self.state.started_at)
        if self.now >= deadline:
            return self._abort(_with_trouble(f"not ready within {self._deadline_text()}", capacity))
        why = f"{self.wanted.value} has {capacity}"
        return self._weights(
            0, RolloutVerdict.PREPARING, Reason(why, self.wanted.origin), due=deadline
        )

    def _walk(self) -> Decision[Weights]:
        stage = min(self.state.stage, len(self.stages) - 1)
        weight = self.stages[stage].weight
        capacity = self.facts.capacity[self.wanted.value]
        if capacity.failed:
            return self._abort(capacity.failed)
        if not capacity.carries(weight.value):
            return self._unready(stage, capacity)
        self._resume()
        live = (self.facts.weights or {}).get(self.wanted.value, 0)
        if self.facts.routed and live != weight.value:
            # The route has not changed yet, or a person changed it. The stored step decides, and
            # its pause starts again.
            return self._enter(stage, f"the live weight is {live}, the step's is {weight.value}")
        if self.facts.routed and not self.facts.accepted:
            return self._unaccepted(weight)
        if stage == len(self.stages) - 1:
            self.state = self._promoted()
            text = f"{self.wanted.value} has all traffic: it is stable"
            return self._all_stable(RolloutVerdict.STEADY, Reason(text, self.wanted.origin))
        due = self._due(stage)
        if self.now < due:
            reason = self._step_reason(stage, f"paused until {_clock(due)}")
            return self._weights(weight, RolloutVerdict.PAUSED, reason, due=due)
        following = self.stages[stage + 1].weight.value
        if not capacity.carries(following):
            deadline = due + self._progress_deadline()
            if self.now >= deadline:
                return self._abort(f"not ready for {following} % within {self._deadline_text()}")
            why = f"{following} % needs more than {capacity.ready} of {capacity.desired} ready"
            return self._weights(
                weight, RolloutVerdict.WAITING, Reason(why, weight.origin), due=deadline
            )
        self.state = replace(self.state, unready_since="")
        return self._enter(stage + 1, str(capacity))

    def _unaccepted(self, weight: Value[int]) -> Decision[Weights]:
        """No traffic follows a route that nobody has accepted. An abort would not help, so the
        rollout waits on, and says that its deadline is over."""
        deadline = self._deadline(self.state.entered_at)
        over = self.now >= deadline
        text = f"the route was not accepted within {self._deadline_text()}"
        text = text if over else "the route is not accepted yet"
        why = f"{text}: {self.facts.route_text}" if self.facts.route_text else text
        due = None if over else deadline
        decision = self._weights(
            weight, RolloutVerdict.WAITING, Reason(why, weight.origin), due=due
        )
        if not over:
            return decision
        way_out = "make the controller of the Gateway accept the route; its status says what it is"
        hold = Hold(why, way_out, deadline)
        return replace(decision, hold=hold, reasons=hold.reasons(weight.origin))

    def _promoted(self) -> RolloutState:
        """The state of a rollout that is over."""
        old = self.state.stable
        digest = self.records[old].digest.value if old in self.records else ""
        return RolloutState(
            stable=self.wanted.value, previous=old if digest else "", previous_digest=digest
        )

    def _resume(self) -> None:
        """Starts the pause anew after the version was not ready: a pause counts ready time only.
        That it was not ready is forgotten when it has been ready for the deadline's length, so a
        version that fails every now and then is given up too."""
        if not self.state.unready_since:
            return
        if not self.state.entered_at:
            self.state = replace(self.state, entered_at=_stamp(self.now))
        elif self.now >= self._deadline(self.state.entered_at):
            self.state = replace(self.state, unready_since="")

    def _unready(self, stage: int, capacity: Capacity) -> Decision[Weights]:
        since = self.state.unready_since or _stamp(self.now)
        self.state = replace(self.state, unready_since=since, entered_at="")
        deadline = self._deadline(since)
        if self.now >= deadline:
            return self._abort(_with_trouble(f"not ready for {self._deadline_text()}", capacity))
        weight = self.stages[stage].weight
        why = f"{capacity} at {weight.value} %"
        return self._weights(
            weight, RolloutVerdict.WAITING, Reason(why, weight.origin), due=deadline
        )

    def _enter(self, stage: int, because: str) -> Decision[Weights]:
        self.state = replace(
            self.state, stage=stage, weights=self._weights_text(), entered_at=_stamp(self.now)
        )
        due = self._due(stage) if self.stages[stage].pause is not None else None
        reason = self._step_reason(stage, because)
        return self._weights(self.stages[stage].weight, RolloutVerdict.STEPPING, reason, due=due)

    def _abort(self, why: str) -> Decision[Weights]:
        self.state = RolloutState(
            stable=self.state.stable,
            wanted=self.wanted.value,
            wanted_digest=self.digest,
            held_digest=self.digest,
            held_why=why,
            held_since=_stamp(self.now),
        )
        return self._held(RolloutVerdict.ABORTING)

    def _held(self, verdict: RolloutVerdict) -> Decision[Weights]:
        """All traffic stays with the stable version until a person decides about the wanted one."""
        state, wanted = self.state, self.wanted.value
        hold = Hold(
            state.held_why,
            f"point serving.version at another version; to try {wanted} again, point it at "
            f"{state.stable} first",
            _time_or_none(state.held_since),
        )
        is_new = verdict is RolloutVerdict.ABORTING
        lead = f"{wanted} given up: {hold.why}; held" if is_new else f"{wanted} is held {hold}"
        texts = (lead, f"way out: {hold.way_out}")
        reasons = (Reason(text, self.wanted.origin) for text in texts)
        return replace(self._all_stable(verdict, *reasons), hold=hold)

    def _unknown(self, why: str) -> Decision[Weights]:
        """A fact could not be read: the weights of the stored state stay."""
        self.state = self.before or self.state
        stage = self.state.stage
        has_weight = self.state.wanted == self.wanted.value and 0 <= stage < len(self.stages)
        weight = self.stages[stage].weight if has_weight else derive(0, self.wanted)
        decision = self._weights(weight, RolloutVerdict.UNKNOWN, Reason(why, self.wanted.origin))
        return replace(decision, state=None)

    # -- shared parts ------------------------------------------------------------------------------

    def _step_reason(self, stage: int, because: str) -> Reason:
        weight = self.stages[stage].weight
        text = f"rollout step {stage + 1} of {len(self.stages)} ({weight.value} %): {because}"
        return Reason(text, weight.origin)

    def _stable_name(self) -> Value[str]:
        return derive(self.state.stable, self.wanted)

    def _all_stable(self, verdict: RolloutVerdict, *reasons: Reason) -> Decision[Weights]:
        share = Share(self._stable_name(), derive(100, self.wanted))
        return self._decision(verdict, Weights((share,)), reasons)

    def _weights(
        self,
        weight: Value[int] | int,
        verdict: RolloutVerdict,
        *reasons: Reason,
        due: datetime | None = None,
    ) -> Decision[Weights]:
        """The decision that gives `weight` to the wanted version and the rest to the stable one."""
        new = weight if isinstance(weight, Value) else derive(weight, self.wanted)
        shares: tuple[Share, ...] = (
            Share(self._stable_name(), derive(100 - new.value, new)),
            Share(self.wanted, new),
        )
        if self.state.stable == self.wanted.value:
            shares = (Share(self.wanted, derive(100, self.wanted)),)
        return self._decision(verdict, Weights(shares), reasons, due)

    def _decision(
        self,
        verdict: RolloutVerdict,
        outcome: Weights,
        reasons: tuple[Reason, ...],
        due: datetime | None = None,
    ) -> Decision[Weights]:
        data = None if self.state == self.before else self.state.to_data()
        return Decision(self.app, verdict, outcome, reasons, data, due)

    def _due(self, stage: int) -> datetime:
        pause = self.stages[stage].pause
        length = seconds(pause.value) if pause is not None else 0.0
        return _time(self.state.entered_at, self.now) + timedelta(seconds=length)

    def _deadline(self, since: str) -> datetime:
        return _time(since, self.now) + self._progress_deadline()

    def _progress_deadline(self) -> timedelta:
        rollout = self.serving.rollout
        length = seconds(rollout.progress_deadline.value) if rollout is not None else 1800.0
        return timedelta(seconds=length)

    def _deadline_text(self) -> str:
        rollout = self.serving.rollout
        return rollout.progress_deadline.value if rollout is not None else "30m"


def _with_trouble(text: str, capacity: Capacity) -> str:
    return f"{text}: {capacity.trouble}" if capacity.trouble else text


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _time(stamp: str, fallback: datetime) -> datetime:
    """A stored time. For a garbled text `fallback`, the present time, so that a wait gets longer
    and never shorter."""
    return _time_or_none(stamp) or fallback


def _time_or_none(stamp: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M %Z")
