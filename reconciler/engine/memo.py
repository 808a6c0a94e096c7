"""Keeps results that a run or a loop would otherwise compute twice: a commit's fleet, and the
drafts that follow from a unit's files alone.

A commit never changes, and `fixed` is a pure function of a unit's files, so a kept result is exact.
Nothing that depends on the cluster, the time or a decision is kept. Not safe for threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reconciler.apps.app import Fleet, Selection, Unit
from reconciler.backends import draw
from reconciler.objects import draft as drafts
from reconciler.objects.draft import Draft, Manifest
from reconciler.plan import inventory
from reconciler.ports import Tree
from reconciler.unit import UnitId

__all__ = ["Memo"]

T = TypeVar("T")


class Memo:
    """Keeps results of the newest commit, and drops them with the next one. `keeps`: also keeps
    digests between passes, which is useful for a loop only."""

    def __init__(self, *, keeps: bool = False) -> None:
        self._keeps = keeps
        self._key: tuple[str, str, Selection] | None = None
        self._kept: dict[str, object] = {}
        self._fixed: dict[tuple[UnitId, str], tuple[Draft, ...]] = {}
        self._digests: dict[int, tuple[Draft, str]] = {}
        self._sealed: dict[int, tuple[Draft, Manifest]] = {}

    def of_commit(self, tree: Tree, selection: Selection, name: str, make: Callable[[], T]) -> T:
        """The result of `make` for a commit and a selection; `name` tells several results apart.
        Made once, but each time for a tree that is not a commit, because it may change."""
        if not tree.commit:
            return make()
        key = (tree.commit, tree.label, selection)
        if key != self._key:
            self._key, self._kept = key, {}
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]  # type: ignore[assignment]
        return found

    def follow(self, fleet: Fleet) -> None:
        """Begins a review: drops manifests, and the drafts of units that are not in this fleet or
        whose files have changed."""
        self._sealed = {}
        wanted = {(unit.id, unit.inputs) for unit in fleet.units()}
        self._fixed = {key: found for key, found in self._fixed.items() if key in wanted}
        alive = {id(one) for found in self._fixed.values() for one in found}
        self._digests = {key: kept for key, kept in self._digests.items() if key in alive}

    def fixed(self, unit: Unit) -> tuple[Draft, ...]:
        """A unit's fixed drafts, with the label of its inventory."""
        key = (unit.id, unit.inputs)
        if key not in self._fixed:
            self._fixed[key] = inventory.add_membership(draw.draw_fixed(unit), unit.id)
        return self._fixed[key]

    def seal(self, one: Draft) -> Manifest:
        """A draft's manifest, made once per review; policies and the plan both need it."""
        known = self._sealed.get(id(one))
        if known is None:
            # The draft is kept with its manifest, so that no other object can get its id.
            known = self._sealed[id(one)] = (one, drafts.seal(one))
        return known[1]

    def digest(self, one: Draft) -> str:
        """A draft's digest; computed once for a draft that is kept between passes."""
        known = self._digests.get(id(one))
        if known is not None:
            return known[1]
        found = drafts.digest(one)
        if self._keeps:
            # The draft is kept with its digest, so that no other object can get its id.
            self._digests[id(one)] = (one, found)
        return found
