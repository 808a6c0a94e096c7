"""Loads a tree into typed units: the first stage of a run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from reconciler.apps import load
from reconciler.apps.app import Fleet, Foundation, Selection
from reconciler.backends import clashes, contract, draw
from reconciler.diagnostics import Diagnostic
from reconciler.lifecycle import schedule
from reconciler.ports import Tree
from reconciler.unit import UnitId

__all__ = ["load_fleet"]


def load_fleet(tree: Tree, selection: Selection | None = None) -> Fleet:
    """The selected units, typed and checked. An app that a backend or a schedule refuses is blocked
    like an app with any other mistake."""
    fleet = load.load(
        tree, contract.list_capabilities(), selection, label=tree.label, commit=tree.commit
    )
    found: dict[tuple[object, ...], Diagnostic] = {}
    blocked = {app: set(codes) for app, codes in fleet.blocked.items()}
    members: dict[str, list[UnitId]] = {}
    for app in fleet.apps:
        members.setdefault(app.group_id, []).append(app.id)
    checks: list[tuple[Diagnostic, tuple[UnitId, ...]]] = []
    for unit in fleet.units():
        reached: tuple[UnitId, ...] = (unit.id,)
        if isinstance(unit, Foundation):
            mistakes: Iterator[Diagnostic] = schedule.check_windows(unit)
            reached += tuple(members.get(unit.group_id, ()))
        else:
            mistakes = itertools.chain(draw.check_unit(unit), schedule.check(unit))
        checks += [(item, reached) for item in mistakes]
    refused = {unit_id for item, ids in checks if item.is_error for unit_id in ids}
    checks += clashes.find_clashes(
        (app for app in fleet.apps if app.id not in refused), fleet.foundations
    )
    for item, ids in checks:
        key = (item.code, item.site, item.path, item.message)
        found[key] = found.get(key, item).reaching(*ids)
        for unit_id in ids if item.is_error else ():
            blocked.setdefault(unit_id, set()).add(item.code)
    if not found:
        return fleet
    return replace(
        fleet,
        apps=tuple(a for a in fleet.apps if a.id not in blocked),
        foundations=tuple(f for f in fleet.foundations if f.id not in blocked),
        diagnostics=(*fleet.diagnostics, *found.values()),
        blocked={app: tuple(sorted(codes)) for app, codes in sorted(blocked.items())},
    )
