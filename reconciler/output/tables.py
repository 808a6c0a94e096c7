"""The views of rows as tables for people. Only this module shortens long values (digests)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.engine.views.layers import Layers
from reconciler.engine.views.objects import Objects
from reconciler.engine.views.repairs import DamagedInventory, RepairObject, Repairs
from reconciler.engine.views.rights import Rights
from reconciler.engine.views.status import AppStatus, FleetStatus, LastRun, StepKind
from reconciler.engine.views.versions import Published, Versions

__all__ = ["Rows", "Table", "tables"]

#: The sections that are shown as tables.
Rows: TypeAlias = FleetStatus | Layers | Objects | Repairs | Rights | Versions


@dataclass(frozen=True, slots=True)
class Table:
    """The cells are texts. `title` is "" where a section has one table only."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


def tables(section: Rows) -> Iterator[Table]:
    """The tables of a section, in order. `repair` has one per inventory."""
    match section:
        case FleetStatus():
            yield Table(_STATUS, tuple(map(_status, section.apps)))
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


_STATUS = ("APP", "HEALTH", "VERSION", "TRAFFIC", "REVISION", "LAST RUN", "NEXT")
_VERSIONS = ("MODEL", "VERSION", "DIGEST", "METRICS", "TRAINED", "FOUND IN")
_RIGHTS = ("NAMESPACE", "SUBJECT", "RESOURCES", "VERBS", "NAMES")


def _status(row: AppStatus) -> tuple[str, ...]:
    revision = row.revision if row.revision.startswith("worktree") else row.revision[:7]
    shared = "split" if len(row.serving) > 1 else "-"
    return (
        str(row.app),
        row.health or "-",
        row.version or shared,
        " ".join(f"{version} {weight}" for version, weight in row.serving.items()) or "-",
        revision or "-",
        _last_run(row.last_run),
        ", ".join(row.blocked) or _next(row),
    )


def _last_run(last: LastRun | None) -> str:
    return f"{last.result} {last.at:%m-%d %H:%M}" if last is not None else "-"


def _next(row: AppStatus) -> str:
    """The next time of a schedule; without a schedule the next step of the rollout."""
    for step in row.next:
        if step.kind is StepKind.SCHEDULE and step.at is not None:
            return f"{step.text} {step.at:%m-%d %H:%M} UTC"
    return row.next[0].text if row.next else ""


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
