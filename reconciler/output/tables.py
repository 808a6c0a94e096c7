"""The views of rows as tables for people. Only this module shortens long values (digests)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from reconciler.engine.views.layers import Layers
from reconciler.engine.views.objects import Objects
from reconciler.engine.views.repairs import DamagedInventory, RepairObject, Repairs
from reconciler.engine.views.rights import Rights
from reconciler.engine.views.status import FleetStatus
from reconciler.engine.views.versions import Published, Versions
from reconciler.output import status_table
from reconciler.output.table import Table

__all__ = ["Rows", "Table", "tables"]

#: The sections that are shown as tables.
Rows: TypeAlias = FleetStatus | Layers | Objects | Repairs | Rights | Versions


def tables(section: Rows) -> Iterator[Table]:
    """The tables of a section, in order. `repair` has one per inventory."""
    match section:
        case FleetStatus():
            yield status_table.table_of(section)
        case Versions():
            yield Table(_VERSIONS, tuple(map(_version, section.versions)))
        case Layers():
            yield Table(("APP", "ORDER", "FILE"), tuple(_files(section)))
        case Repairs():
            yield from map(_repair, section.inventories)
        case Objects():
            yield Table(("APP", "OBJECT"), tuple(_objects(section)))
        case Rights():
            yield Table(_RIGHTS, tuple(_rules(section)))


_VERSIONS = ("MODEL", "VERSION", "DIGEST", "METRICS", "TRAINED", "FOUND IN")
_RIGHTS = ("NAMESPACE", "SUBJECT", "RESOURCES", "VERBS", "NAMES")


def _version(row: Published) -> tuple[str, ...]:
    trained = row.trained_at
    if row.trained is not None:
        trained = f"{row.trained:%Y-%m-%d %H:%M} UTC"
    metrics = (f"{name} {value:g}" for name, value in sorted(row.metrics.items()))
    digest = row.digest.removeprefix("sha256:")[:12]
    return (
        row.model,
        row.version or "-",
        digest,
        "  ".join(metrics) or "-",
        trained or "-",
        row.source or "Git",
    )


def _files(section: Layers) -> Iterator[tuple[str, ...]]:
    for unit in section.units:
        for number, file in enumerate(unit.files, 1):
            yield (str(unit.app) if number == 1 else "", str(number), file)


def _repair(found: DamagedInventory) -> Table:
    columns = ("OBJECT", "INVENTORY", "CLUSTER", "GIT")
    return Table(columns, tuple(map(_repair_object, found.objects)), str(found.unit))


def _repair_object(row: RepairObject) -> tuple[str, ...]:
    recorded = "-" if row.recorded_uid is None else row.recorded_uid or "no uid"
    live = "-" if row.live_uid is None else row.live_uid
    if row.live_uid is not None and not row.is_ours:
        live = f"{live}, not applied by this program"
    return (row.key.full(), recorded, live, "wanted" if row.is_wanted else "-")


def _objects(section: Objects) -> Iterator[tuple[str, ...]]:
    for item in section.objects:
        yield (str(item.app), item.manifest.key.full())


def _rules(section: Rights) -> Iterator[tuple[str, ...]]:
    for role in section.grant.roles:
        for rule in role.rules:
            resources = _join(f"{name}.{rule.group}".rstrip(".") for name in rule.resources)
            subject = section.subject_of(role)
            yield (role.namespace, subject, resources, _join(rule.verbs), _join(rule.names))


def _join(names: Iterable[str]) -> str:
    return ", ".join(names)
