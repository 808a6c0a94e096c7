"""The command `repair`: compares a damaged inventory with the cluster and with Git.

A damaged inventory does not show reliably which objects this program applied. So `repair` shows
the objects of the inventory, the live objects with the label of the unit, and the objects of Git.
Once a person approves of exactly these objects, the inventory is written again. It then lists the
live objects that this program applied and that have the label of the unit. Objects that Git no
longer has are among them: the next run deletes these, under the usual guards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import reconciler
from reconciler.apps.app import Selection
from reconciler.engine import review
from reconciler.engine.review import ReviewPart
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import Targets
from reconciler.engine.views.repairs import DamagedInventory, RepairObject, Repairs
from reconciler.engine.views.report import Findings, Report
from reconciler.errors import ExitCode, most_severe
from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.observed import Observed
from reconciler.objects.outcome import Done, RefusalCause, Refused
from reconciler.plan import conflicts, records
from reconciler.plan.inventory import (
    PART_OF,
    SCHEMA_VERSION,
    Inventory,
    Member,
    Phase,
    inventory_key,
    part_of,
)
from reconciler.ports import ClusterWriter, Tree
from reconciler.unit import UnitId

__all__ = ["repair"]

_NO_PLAN = RunOptions(plans=False)

_LABELS = {"app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER}


@dataclass(frozen=True, slots=True)
class _Side:
    """One unit with a damaged inventory: `why` it is damaged, the `stored` inventory, the readable
    lines of it (key → uid), the live objects with the label of the unit, and the objects of Git."""

    unit: UnitId
    why: str
    stored: Observed
    listed: Mapping[ObjectKey, str]
    live: Mapping[ObjectKey, Observed]
    wanted: frozenset[ObjectKey]

    @property
    def applied(self) -> list[Observed]:
        """The live objects that this program applied: those that the new inventory lists."""
        return [seen for _, seen in sorted(self.live.items()) if conflicts.is_ours(seen)]

    @property
    def approval(self) -> str:
        """A hash of the objects to list and the version of the stored inventory: 12 hex digits."""
        rows = [f"{seen.key.full()} {seen.uid}" for seen in self.applied]
        text = "\n".join([str(self.unit), self.stored.resource_version, *rows])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def is_newer(self) -> bool:
        version = str(((self.stored.body or {}).get("data") or {}).get("schemaVersion", ""))
        return version.isdigit() and int(version) > SCHEMA_VERSION

    @property
    def is_writable(self) -> bool:
        """Whether it can be written: it exists, and no newer version of this program wrote it."""
        return self.stored.is_present and not self.is_newer

    def objects(self) -> Iterator[RepairObject]:
        """Every object of the inventory, the cluster and Git, sorted."""
        for key in sorted({*self.listed, *self.live, *self.wanted}):
            seen = self.live.get(key)
            yield RepairObject(
                key,
                self.listed.get(key),
                seen.uid if seen is not None else None,
                seen is not None and conflicts.is_ours(seen),
                key in self.wanted,
            )


def repair(
    tree: Tree,
    selection: Selection,
    now: datetime,
    targets: Targets[ClusterWriter],
    approved: frozenset[str] = frozenset(),
) -> Report:
    """The damaged inventories of the selection, compared with the cluster and Git.

    Inventories whose hash is in `approved` are written again, by compare-and-swap. Exit 4 while a
    damaged inventory is left, 6 where a write failed."""
    reviewed = review.review(tree, selection, now, reader=targets, options=_NO_PLAN)
    found: list[DamagedInventory] = []
    closing: list[str] = []
    codes = [ExitCode.DONE]
    for part in reviewed.parts:
        client = targets.clients[part.place]
        for unit, why in sorted(part.snapshot.damaged.items()):
            if not unit.environment or not selection.takes(*unit):
                continue
            side = _side(client, part, unit, why)
            text, code = _carry_out(client, side, approved)
            is_left = side.is_writable and code is not ExitCode.DONE
            approval = side.approval if is_left else ""
            found.append(DamagedInventory(unit, why, tuple(side.objects()), text, approval))
            closing += [f"{unit}: {why}", f"  {text}"]
            codes.append(code)
    if len(codes) == 1:
        closing.append("no inventory is damaged")
    errors = Findings(tuple(d for d in reviewed.diagnostics if d.is_error))
    return Report(
        "repair",
        (errors, Repairs(tuple(found))),
        tuple(closing),
        most_severe(codes),
        revision=reviewed.fleet.label,
    )


def _side(client: ClusterWriter, part: ReviewPart, unit: UnitId, why: str) -> _Side:
    stored = client.get(inventory_key(unit))
    listed = {m.key: m.uid for m in _read_members(stored.body or {})}
    wanted = frozenset(d.key for item in part.units if item.unit.id == unit for d in item.drafts)
    kinds = {key.group_kind for key in (*listed, *wanted)} | _annotated_kinds(stored.body or {})
    kinds |= {key.group_kind for key in part.snapshot.objects}
    live: dict[ObjectKey, Observed] = {}
    for kind in sorted(kinds):
        found = client.list(kind, labels={**_LABELS, PART_OF: part_of(unit)})
        live |= {seen.key: seen for seen in found.items}
    return _Side(unit, why, stored, listed, live, wanted)


def _read_members(body: Mapping[str, Any]) -> Iterable[Member]:
    """The readable lines of a damaged inventory. They are shown only, and never relied on."""
    for line in str((body.get("data") or {}).get("members", "")).splitlines():
        try:
            yield records.member_of(line)
        except ValueError:
            continue


def _annotated_kinds(body: Mapping[str, Any]) -> set[GroupKind]:
    """The kinds that the ApplySet annotation of the inventory names."""
    notes = (body.get("metadata") or {}).get("annotations") or {}
    out = set()
    for name in str(notes.get(records.KINDS, "")).split(","):
        kind, _, group = name.partition(".")
        if kind:
            out.add(GroupKind(group, kind))
    return out


def _carry_out(
    client: ClusterWriter, side: _Side, approved: frozenset[str]
) -> tuple[str, ExitCode]:
    if side.is_newer:
        return "a newer version of this program wrote it: upgrade", ExitCode.REFUSED
    if not side.stored.is_present:
        return "only its rollout state is damaged: edit or delete this ConfigMap", ExitCode.REFUSED
    if side.approval not in approved:
        count = len(side.applied)
        made = f"{count} live objects that this program made"
        text = f"to write it again with {made}: --write {side.approval}"
        return text, ExitCode.REFUSED
    members = tuple(
        Member(seen.key, str((seen.body or {}).get("apiVersion", "")), seen.uid)
        for seen in side.applied
    )
    version, uid = side.stored.resource_version, side.stored.uid
    found = Inventory(side.unit, members, phase=Phase.INCOMPLETE, resource_version=version, uid=uid)
    stored = records.to_objects(replace(found, tool=reconciler.__version__))
    for body in stored.shards:
        created = client.create(body)
        exists = isinstance(created, Refused) and created.refusal is RefusalCause.ALREADY_EXISTS
        if not isinstance(created, Done) and not exists:
            return f"{key_of(body)} could not be written: {created.message}", ExitCode.INCOMPLETE
    outcome = client.replace(stored.parent)
    if not isinstance(outcome, Done):
        return f"could not be written: {outcome.message}", ExitCode.INCOMPLETE
    return f"written again with {len(members)} objects", ExitCode.DONE
