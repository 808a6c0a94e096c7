"""Changes of single objects with their reasons, and the plan of a whole run. Data only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.lifecycle.decision import Decision, Fires, Hold, Reason, RolloutVerdict, Weights
from reconciler.objects.draft import FieldPath, Manifest
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.origin import Origin
from reconciler.plan.inventory import SCHEMA_VERSION, Inventory, Member, Phase
from reconciler.unit import UnitId

__all__ = [
    "NO_APPROVALS",
    "Action",
    "AppPlan",
    "Approvals",
    "Change",
    "Expected",
    "FieldChange",
    "FieldConflict",
    "Inside",
    "Plan",
    "PlannedCluster",
    "Refusal",
    "Standing",
    "StateSwap",
]


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    KEEP = "keep"


class Standing(StrEnum):
    """Whether apply will carry out a change."""

    GO = "go"
    HELD = "held"  # a rule stops it; the reasons name the rule
    UNJUDGED = "unjudged"  # the server gave no answer: never counts as in sync


@dataclass(frozen=True, slots=True)
class Inside:
    """A field of an embedded object: the object's key, and the field's path in that object."""

    key: ObjectKey
    path: FieldPath


_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """The change of one field. An added field has `before` None, a removed field has `after` None.
    For a field of an embedded object, `path` is where the embedded text stands in the outer object,
    and `inside` names the inner field; the other values are those of the inner field."""

    path: FieldPath
    before: Any
    after: Any
    origin: Origin | None = None
    added: bool = False
    removed: bool = False
    inside: Inside | None = None

    @property
    def own_path(self) -> FieldPath:
        """The field's path in its own object, embedded or not."""
        return self.path if self.inside is None else self.inside.path


@dataclass(frozen=True, slots=True)
class Expected:
    """The live object that a change was planned for: its uid, resourceVersion and content digest;
    all "" when the object was absent."""

    uid: str = ""
    resource_version: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Fields that other managers own, as the server names them. `managers` are sorted."""

    managers: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """The action for one object. `suspend_first`: the object is a schedule, which is suspended, and
    whose active runs are awaited, before its delete. `takes_over` names the managers whose fields
    this run takes (shown as *adopt*)."""

    key: ObjectKey
    api_version: str
    action: Action
    wave: Wave
    standing: Standing = Standing.GO
    reasons: tuple[Reason, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    desired: Manifest | None = None
    expects: Expected = Expected()
    takes_over: tuple[str, ...] = ()
    suspend_first: bool = False
    awaited: bool = False
    """The object, or its namespace, is being deleted: the run is incomplete until it is absent."""
    deferred: bool = False
    """Held until a time: the object stays as it was applied, and nothing else waits for it."""
    conflict: FieldConflict | None = None
    """Fields that other managers own and that Git wants otherwise; None without a conflict."""
    drifts: bool = False
    """Git wants what was applied last, and the cluster has something else."""
    unverified: str = ""
    """What this run creates before the server can judge the object (`Namespace NAME`, or a kind).
    Apply then asks the server ahead of the first write of the object's wave."""

    @property
    def goes(self) -> bool:
        return self.standing is Standing.GO and self.action is not Action.KEEP

    @property
    def stops(self) -> bool:
        """Whether a run stops in the change's wave, because Git wants the object and this run may
        not make it so."""
        return (
            self.standing is not Standing.GO
            and not self.deferred
            and self.action not in (Action.DELETE, Action.KEEP)
        )

    def body_of(self, field: FieldChange) -> Mapping[str, Any]:
        """The desired body of the object, embedded or not, that a field belongs to; empty when
        nothing is desired."""
        if self.desired is None:
            return {}
        if field.inside is None:
            return self.desired.body
        key = field.inside.key
        found = [(path == field.path, m.body) for path, m in self.desired.inside() if m.key == key]
        return max(found, key=lambda pair: pair[0], default=(False, {}))[1]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A guard's refusal of a unit's plan, or of some of its objects.

    `objects` are the objects that the guard holds; empty means the whole unit, its decision
    included, unless the refusal only defers. `way_out` says what a person can do. `place` is the
    client's index, as in `AppPlan`.
    """

    code: str
    text: str
    way_out: str
    unit: UnitId
    place: int = 0
    objects: frozenset[ObjectKey] = frozenset()
    approval: str = ""
    """The hash that approves exactly what is refused; "" when approval is not the way out."""
    is_of_one: bool = False
    """A report shows the refusal at its object, and not at the top."""
    awaits: bool = False
    """The run is incomplete until the objects are absent."""
    defers: bool = False
    """The refusal ends by itself at the time that its text names. What needs no news from Git goes
    on, and a run that leaves the rest is not wrong."""
    keeps_state: bool = False
    """The rollout state is not recorded: the decision waits too."""

    @property
    def is_whole(self) -> bool:
        """Whether the whole unit is held."""
        return not self.objects and not self.defers


@dataclass(frozen=True, slots=True)
class Approvals:
    """What a person has approved; each entry approves exactly one thing.

    `prunes` holds hashes of sets of deletes. `rewinds` holds applied commits (whole ids, or the
    first seven digits or more) from which a run may go back to another commit. `upgrades` holds
    versions of this program that may draw an applied commit differently. `conflicts` holds hashes
    of fields that may be taken from their owners. `windows` holds hashes of a commit and a change
    window that it need not wait for."""

    prunes: frozenset[str] = frozenset()
    rewinds: frozenset[str] = frozenset()
    upgrades: frozenset[str] = frozenset()
    conflicts: frozenset[str] = frozenset()
    windows: frozenset[str] = frozenset()

    def to_data(self) -> dict[str, list[str]]:
        """The approvals as a saved plan stores them."""
        return {name: sorted(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_data(cls, data: Mapping[str, Sequence[str]]) -> Approvals:
        """Reads what `to_data` returned. Raises KeyError or TypeError for anything else."""
        return cls(**{name: frozenset(data[name]) for name in cls.__slots__})

    def joined(self, other: Approvals) -> Approvals:
        """The approvals of both."""
        return Approvals(
            **{name: getattr(self, name) | getattr(other, name) for name in self.__slots__}
        )


#: Approves nothing.
NO_APPROVALS = Approvals()


@dataclass(frozen=True, slots=True)
class StateSwap:
    """The rollout state to record by compare-and-swap; with `resource_version` "" it is created."""

    data: tuple[tuple[str, str], ...]
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class AppPlan:
    """The plan of one unit, an app or a foundation. `waves` are in the order of execution, and each
    is sorted. `members` are all objects that the unit has after the run, unchanged ones included.
    """

    unit: UnitId
    environment: str
    group: str
    namespace: str
    cluster: str
    waves: tuple[tuple[Change, ...], ...] = ()
    members: tuple[Member, ...] = ()
    recorded: Inventory | None = None
    decision: Decision[Weights] | None = None
    schedules: tuple[Fires, ...] = ()
    swap: StateSwap | None = None
    refusals: tuple[Refusal, ...] = ()
    removed: bool = False
    """The unit is gone from Git: its inventory is deleted after its last object."""
    restates: bool = False
    """The inventory is written although no object changes: it names a revision that the run goes
    back from."""
    source: Inventory | None = None
    """The inventory of the unit that this one was renamed from; deleted once every object is
    recorded in this unit's inventory."""
    apply_as: str = ""
    """The user that is impersonated to write the objects; "" for the program's own user."""
    ended: frozenset[ObjectKey] = frozenset()
    """Members that ran to their end and were removed by their own time to live: they are done, and
    are not made again until their manifests change."""
    suspended: bool = False
    """The unit is compared and shown, and not written."""
    tracks: bool = True
    """Whether a rollout state of the unit may be recorded."""
    served: str = ""
    """A digest of what the cluster serves. When it changes, no object counts as unchanged."""
    epoch: int = 0
    """How often the group's lease changed hands; the run with the higher epoch is the later one."""
    place: int = 0
    """The index of the client that reads and writes the unit."""
    awaits: frozenset[ObjectKey] = frozenset()
    """The serving objects that must be ready before a route is made."""
    stems: Mapping[ObjectKey, str] = field(default_factory=dict)
    """Each wanted object whose name ends in a digest of its content → the name without it."""

    def changes(self) -> Iterator[Change]:
        for wave in self.waves:
            yield from wave

    @property
    def goes(self) -> bool:
        """Whether apply has anything to do."""
        return not self.suspended and (self.writes or self.unfinished)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write. An unfinished run may need reads only."""
        return (
            self.swap is not None
            or any(c.goes for c in self.changes())
            or self.settles
            or self.restates
        )

    @property
    def unfinished(self) -> bool:
        """Whether the last run ended early, or ended before every object was healthy."""
        return self.recorded is not None and self.recorded.phase is not Phase.APPLIED

    @property
    def settles(self) -> bool:
        """Whether the inventory must be written although no object changes: it lists an object that
        is absent, misses one that exists, was written in an older schema or for another API, or the
        unit was removed or renamed."""
        if self.source is not None or self.migrates:
            return True
        changed = {c.key for c in self.changes()}
        if self.recorded is None:
            return any(m.uid and m.key not in changed for m in self.members)
        if self.removed and not self.members:
            return True
        known = {m.key: m.uid for m in self.recorded.members}
        return known.keys() != {m.key for m in self.members} or any(
            m.uid and m.uid != known[m.key] for m in self.members if m.key not in changed
        )

    @property
    def migrates(self) -> bool:
        """Whether the inventory has an older schema, or the cluster's API has changed since."""
        recorded = self.recorded
        if recorded is None or not recorded.resource_version:
            return False
        return recorded.schema != SCHEMA_VERSION or recorded.served != self.served

    @property
    def empties(self) -> bool:
        """Whether the unit has no object left once the plan is carried out."""
        gone = (Action.DELETE, Action.KEEP)
        leaving = {c.key for c in self.changes() if c.action in gone}
        return bool(leaving) and leaving >= {m.key for m in self.members}

    @property
    def is_unjudged(self) -> bool:
        return any(c.standing is Standing.UNJUDGED for c in self.changes())

    @property
    def hold(self) -> Hold | None:
        """Why the rollout of the unit waits for a person; None when it does not."""
        return self.decision.hold if self.decision is not None and not self.suspended else None

    def is_superseded(self, key: ObjectKey) -> bool:
        """Whether an object is an older generation of one that the unit has after the run: of the
        same kind, namespace and stem, with a digest of the same length at the end of its name.

        Never in a unit that is gone from Git or was renamed: there nothing of its own takes the
        place of what goes."""
        if self.removed or self.source is not None:
            return False
        newer = {n for n, stem in self.stems.items() if _is_generation(key, n, stem)}
        if not newer:
            return False
        kept = {m.key for m in self.members} - {c.key for c in self.changes() if not c.goes}
        return bool(newer & kept)

    def superseded_by(self, key: ObjectKey) -> tuple[ObjectKey, ...]:
        """The recorded objects that are older generations of a wanted one."""
        stem = self.stems.get(key, "")
        recorded = self.recorded.members if stem and self.recorded is not None else ()
        return tuple(m.key for m in recorded if _is_generation(m.key, key, stem))

    @property
    def deferral(self) -> Refusal | None:
        """What keeps changes of the unit waiting until a time; None when nothing does."""
        return next((refusal for refusal in self.refusals if refusal.defers), None)

    @property
    def waits(self) -> bool:
        """Whether traffic waits for replicas that are not ready."""
        decision = self.decision
        return decision is not None and (
            decision.verdict is RolloutVerdict.WAITING or bool(decision.outcome.awaited)
        )

    @property
    def makes_route(self) -> bool:
        """Whether traffic waits for nothing but the backends of a route that a run makes: a run
        that is done has ended the wait."""
        decision = self.decision
        stands = (RolloutVerdict.WAITING, RolloutVerdict.HELD)
        return self.waits and decision is not None and decision.verdict not in stands

    def hold_after(self, *, done: bool) -> Hold | None:
        """The hold that is left after a run; `done`: the run did all that it had to do."""
        return None if done and self.makes_route else self.hold

    @property
    def is_held(self) -> bool:
        """Whether a rule stops an object from being made as Git says. Does not count deletes that a
        guard holds, which are refusals, nor objects that are kept because they hold state, nor
        what only waits until a deletion ends or a change window opens."""
        gone = (Action.DELETE, Action.KEEP)
        return not self.suspended and any(
            c.standing is Standing.HELD
            and c.action not in gone
            and not c.awaited
            and not c.deferred
            for c in self.changes()
        )


def _is_generation(key: ObjectKey, newer: ObjectKey, stem: str) -> bool:
    """Whether two objects are generations of one thing, `newer` being the one of the stem."""
    head, _, digest = key.name.rpartition("-")
    return (
        head == stem
        and key != newer
        and _HEX.fullmatch(digest) is not None
        and len(newer.name) == len(key.name)
        and (newer.group_kind, newer.namespace) == (key.group_kind, key.namespace)
    )


@dataclass(frozen=True, slots=True)
class PlannedCluster:
    """A cluster of a plan; `place` is the client's index. `requests` and `objects_read` count what
    was sent and what came back while the plan was made."""

    name: str
    uid: str
    place: int = 0
    objects_read: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's plan for all clusters. Equal inputs give equal bytes when the plan is saved."""

    label: str
    commit: str
    clusters: tuple[PlannedCluster, ...]
    apps: tuple[AppPlan, ...]
    offline: bool = False

    @property
    def cluster(self) -> str:
        """The names of the clusters, for people; "" for a plan without one."""
        return ", ".join(cluster.name for cluster in self.clusters)

    @property
    def objects_read(self) -> int:
        return sum(cluster.objects_read for cluster in self.clusters)

    @property
    def requests(self) -> int:
        return sum(cluster.requests for cluster in self.clusters)

    def changes(self) -> Iterator[Change]:
        for app in self.apps:
            yield from app.changes()

    def counts(self) -> dict[Action, int]:
        """The number of objects per action. Held changes and suspended apps are left out."""
        out = dict.fromkeys(Action, 0)
        for app in self.apps:
            for change in app.changes():
                if change.goes and not app.suspended:
                    out[change.action] += 1
        return out

    @property
    def drifted(self) -> int:
        """How many of the counted objects only restore what was applied last."""
        return sum(
            1
            for app in self.apps
            for change in app.changes()
            if change.drifts and change.goes and not app.suspended
        )

    @property
    def has_changes(self) -> bool:
        """Whether an object or a rollout state would change. Writes of the program's own records
        do not count, nor do unfinished runs that need reads only."""
        return any(
            not app.suspended and (app.swap is not None or any(c.goes for c in app.changes()))
            for app in self.apps
        )

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The distinct refusals: the refusal of a whole group stands at each of its units."""
        distinct = {(r.code, r.text, r.way_out): r for app in self.apps for r in app.refusals}
        return tuple(distinct.values())

    @property
    def is_unjudged(self) -> bool:
        return any(app.is_unjudged for app in self.apps)
