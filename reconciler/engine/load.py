"""Loads a tree into typed units: the first stage of a run."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.apps import load
from reconciler.apps.app import App, Fleet, Foundation, Selection
from reconciler.backends import claims, clashes, contract, draw
from reconciler.diagnostics import Diagnostic
from reconciler.lifecycle import schedule
from reconciler.ports import Tree
from reconciler.spec.environment import Window
from reconciler.unit import UnitId

__all__ = ["load_fleet", "read_windows"]


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
    checks += claims.check(_accepted(fleet, checks))
    checks += clashes.find_clashes(_accepted(fleet, checks), fleet.foundations)
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


def _accepted(fleet: Fleet, checks: Iterable[tuple[Diagnostic, tuple[UnitId, ...]]]) -> list[App]:
    """The apps that no error of the checks affects."""
    refused = {unit_id for item, ids in checks if item.is_error for unit_id in ids}
    return [app for app in fleet.apps if app.id not in refused]


def read_windows(
    tree: Tree, fleet: Fleet, environments: Iterable[str]
) -> dict[str, tuple[Window, ...]]:
    """The change windows of environments. A selection may hold no unit of an environment, only
    units that are gone from Git: then one group of it is loaded, for its windows alone."""
    found = {app.environment: app.spec.environment.windows for app in fleet.apps}
    found |= {unit.environment: unit.environment_spec.windows for unit in fleet.foundations}
    for environment in sorted(set(environments) - found.keys()):
        known = (u for u in sorted(fleet.known) if u.environment == environment)
        unit = next(known, None)
        if unit is None:
            continue  # the environment itself is gone from Git
        one = load_fleet(tree, Selection(units=frozenset([unit.foundation_id])))
        found |= {f.environment: f.environment_spec.windows for f in one.foundations}
    return found
