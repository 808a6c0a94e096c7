"""One object's action with its reasons, and what a whole run would do. Data only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.lifecycle.decision import Decision, Fires, Reason, Weights
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
    """Whether apply will do it."""

    GO = "go"
    HELD = "held"  # refused by a rule, and the reasons say by which
    UNJUDGED = "unjudged"  # the server could not be asked: never counted as in sync


@dataclass(frozen=True, slots=True)
class Inside:
    """A field of an embedded object: which object, and the field's path in it."""

    key: ObjectKey
    path: FieldPath


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field; `before` or `after` is None with the matching flag when it is not there. With
    `inside`, `path` is where the text of the embedded object stands, and all else is of the
    object's own field."""

    path: FieldPath
    before: Any
    after: Any
    origin: Origin | None = None
    added: bool = False
    removed: bool = False
    inside: Inside | None = None

    @property
    def own_path(self) -> FieldPath:
        """The path in the object that the field belongs to, embedded or not."""
        return self.path if self.inside is None else self.inside.path


@dataclass(frozen=True, slots=True)
class Expected:
    """What a change binds: the object's absence, or its uid and what was read of it."""

    uid: str = ""
    resource_version: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Fields of an object that others own, as the server names them. `managers` are sorted."""

    managers: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """`suspend_first`: a schedule is suspended and its active runs awaited before the delete.
    `takes_over` names the managers whose fields this run takes (shown as *adopt*)."""

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
    """It was deleted and something holds it: a run is incomplete until it was seen to be gone."""
    contest: FieldConflict | None = None
    """Fields that others own and that are not taken from them; None where nobody minds."""
    unverified: str = ""
    """What this run makes before the server can be asked about the object (`Namespace NAME`, or a
    kind): it is asked as soon as that is there, ahead of its stage's first write."""

    @property
    def goes(self) -> bool:
        return self.standing is Standing.GO and self.action is not Action.KEEP

    def body_of(self, field: FieldChange) -> Mapping[str, Any]:
        """The desired body of the object that a field belongs to, embedded or not; empty where
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
    """A guard says no to something of one unit.

    `objects` are the ones that it holds; none means the whole unit, decision included. `way_out`
    says what would make it go. `place` is the client's index, as in `AppPlan`."""

    code: str
    text: str
    way_out: str
    unit: UnitId
    place: int = 0
    objects: frozenset[ObjectKey] = frozenset()
    approval: str = ""
    """The hash of an approval, if that is the way out."""
    is_of_one: bool = False
    """It is shown at its object, and not at the top of a report."""
    awaits: bool = False
    """The run is incomplete until the object was seen to be gone."""

    @property
    def is_whole(self) -> bool:
        """Whether the unit is left exactly as it is."""
        return not self.objects


@dataclass(frozen=True, slots=True)
class Approvals:
    """What a person has allowed, each for exactly one thing.

    `prunes` are hashes of sets of deletes; `rewinds` applied commits (or their beginnings, seven
    digits or more) that may be left behind; `upgrades` versions of this program that may draw an
    applied commit differently; `conflicts` hashes of fields that may be taken from their owners."""

    prunes: frozenset[str] = frozenset()
    rewinds: frozenset[str] = frozenset()
    upgrades: frozenset[str] = frozenset()
    conflicts: frozenset[str] = frozenset()

    def to_data(self) -> dict[str, list[str]]:
        """As a saved plan keeps it."""
        return {name: sorted(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_data(cls, data: Mapping[str, Sequence[str]]) -> Approvals:
        """Raises KeyError or TypeError for what `to_data` did not write."""
        return cls(**{name: frozenset(data[name]) for name in cls.__slots__})

    def joined(self, other: Approvals) -> Approvals:
        """What either of the two allows."""
        return Approvals(
            **{name: getattr(self, name) | getattr(other, name) for name in self.__slots__}
        )


#: Nobody has allowed anything.
NO_APPROVALS = Approvals()


@dataclass(frozen=True, slots=True)
class StateSwap:
    """The rollout state to be recorded by compare-and-swap; `resource_version` "" creates."""

    data: tuple[tuple[str, str], ...]
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class AppPlan:
    """Everything one unit would have done to it. `waves` in order of execution, each sorted;
    `members` is the whole desired set, unchanged objects included."""

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
    """The unit is gone from Git: when its last object is gone, so is its inventory."""
    restates: bool = False
    """The inventory is written anew although nothing changes: its revision was left behind."""
    source: Inventory | None = None
    """The inventory of the unit that this one was renamed from; it goes when all is taken over."""
    apply_as: str = ""
    """Who is impersonated for the objects; "" for ourselves."""
    suspended: bool = False
    """Compared and shown, and not written."""
    tracks: bool = True
    """Whether a rollout state is recorded of it, or may be."""
    served: str = ""
    """A digest of what the cluster serves: with another one nothing counts as unchanged."""
    epoch: int = 0
    """How often the group's lease changed hands: which run is the later one."""
    place: int = 0
    """The index of the client that the unit is read and written by."""

    def changes(self) -> Iterator[Change]:
        for wave in self.waves:
            yield from wave

    @property
    def goes(self) -> bool:
        """Whether apply has anything to do."""
        return not self.suspended and (self.writes or self.unfinished)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write; an unfinished run may only need a look."""
        return (
            self.swap is not None
            or any(c.goes for c in self.changes())
            or self.settles
            or self.restates
        )

    @property
    def unfinished(self) -> bool:
        """The last run was cut short, or left something that was not healthy in time."""
        return self.recorded is not None and self.recorded.phase is not Phase.APPLIED

    @property
    def settles(self) -> bool:
        """The inventory names what is gone, does not know what exists, was written in an older
        schema or for another API, or the unit itself is gone or was renamed: a write is owed."""
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
        """The recorded state is of an older schema, or the cluster serves another API since."""
        recorded = self.recorded
        if recorded is None or not recorded.resource_version:
            return False
        return recorded.schema != SCHEMA_VERSION or recorded.served != self.served

    @property
    def empties(self) -> bool:
        """Whether nothing is left of the unit when all of it is done."""
        gone = (Action.DELETE, Action.KEEP)
        leaving = {c.key for c in self.changes() if c.action in gone}
        return bool(leaving) and leaving >= {m.key for m in self.members}

    @property
    def is_unjudged(self) -> bool:
        return any(c.standing is Standing.UNJUDGED for c in self.changes())

    @property
    def is_held(self) -> bool:
        """Whether an object cannot be brought to what Git says. Deletes that a guard holds are
        not meant: those are refusals. Nor is what is kept because it holds state."""
        gone = (Action.DELETE, Action.KEEP)
        return not self.suspended and any(
            c.standing is Standing.HELD and c.action not in gone for c in self.changes()
        )


@dataclass(frozen=True, slots=True)
class PlannedCluster:
    """A cluster that a plan is for; `place` is the client's index. `requests` were sent to it, and
    `objects_read` came back, while the plan was made."""

    name: str
    uid: str
    place: int = 0
    objects_read: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's plan for all clusters. Deterministic: equal inputs give equal bytes when saved."""

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
        """How many objects each action would go to."""
        out = dict.fromkeys(Action, 0)
        for change in self.changes():
            if change.goes:
                out[change.action] += 1
        return out

    @property
    def has_changes(self) -> bool:
        """Whether an object or a rollout would change. What is owed to the program's own records
        alone, or only needs a look, is no difference."""
        return any(
            not app.suspended and (app.swap is not None or any(c.goes for c in app.changes()))
            for app in self.apps
        )

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What guards refuse, each said once: a refusal of a whole group is noted at every unit."""
        said = {(r.code, r.text, r.way_out): r for app in self.apps for r in app.refusals}
        return tuple(said.values())

    @property
    def is_unjudged(self) -> bool:
        return any(app.is_unjudged for app in self.apps)
