"""Server-side apply: merging, ownership, conflicts. An implementation of its own.

The rules are those of sigs.k8s.io/structured-merge-diff, merge/update.go: what an applier no
longer lists is removed unless someone else owns it; other managers' fields that an apply changes
are conflicts; force takes them over; an ordinary update takes what it changes and never conflicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from reconciler.objects.ownership import FieldSet, field_paths, fields_v1
from reconciler.simulation.fieldset import (
    Difference,
    compare,
    leaves,
    members,
    step_of,
    with_parents,
    without,
)
from reconciler.simulation.schema import ANY, Shape

__all__ = [
    "BEFORE_FIRST_APPLY",
    "Conflict",
    "Entry",
    "Managers",
    "apply_config",
    "managers_of",
    "merge_values",
    "rows",
    "update_body",
]

BEFORE_FIRST_APPLY = "before-first-apply"


class Entry(NamedTuple):
    """Who: one line of managedFields. `operation` is Apply or Update."""

    manager: str
    operation: str
    subresource: str = ""


Managers = Mapping[Entry, FieldSet]


class Conflict(Exception):
    """An un-forced apply would change others' fields; per entry the paths, sorted."""

    def __init__(self, fields: tuple[tuple[Entry, tuple[tuple[str, ...], ...]], ...]) -> None:
        super().__init__("conflict")
        self.fields = fields


def merge_values(shape: Shape, live: Any, config: Any) -> Any:
    """`config` over `live`: maps by key, keyed lists and sets by element, the rest replaced."""
    if isinstance(live, dict) and isinstance(config, dict) and shape.what != "atomic":
        out = dict(live)
        for name, value in config.items():
            inner = shape.child(name) or ANY
            out[name] = merge_values(inner, live[name], value) if name in live else value
        return out
    if isinstance(live, list) and isinstance(config, list) and shape.what in ("keyed", "set"):
        return _merged_list(shape, live, config)
    return config


def _merged_list(shape: Shape, live: list[Any], config: list[Any]) -> list[Any]:
    """The config's order; elements of the live list alone keep their place before the next
    common one."""
    wanted = {step_of(shape, item): item for item in config}
    have = {step_of(shape, item): item for item in live}
    out: list[Any] = []
    done: set[str] = set()
    rest = list(have)

    def take(step: str) -> None:
        if step not in done:
            done.add(step)
            both = step in wanted and step in have
            item = merge_values(shape.element, have[step], wanted[step]) if both else wanted[step]
            out.append(item)

    for step in wanted:
        while rest and rest[0] not in wanted:
            out.append(have[rest.pop(0)])
        take(step)
        while rest and rest[0] in done:
            rest.pop(0)
    out.extend(have[step] for step in rest if step not in wanted)
    return out


def apply_config(
    shape: Shape,
    live: dict[str, Any] | None,
    managers: Managers,
    config: dict[str, Any],
    manager: str,
    force: bool,
) -> tuple[dict[str, Any], dict[Entry, FieldSet]]:
    """The object and its owners after an apply. Raises Conflict unless forced."""
    me = Entry(manager, "Apply")
    before: dict[str, Any] = live if live is not None else {}
    owners = dict(managers)
    if live is not None and not owners:
        # An object that has never had owners: all its fields belong to a stand-in.
        stand_in = {name: value for name, value in live.items() if name != "status"}
        owners[Entry(BEFORE_FIRST_APPLY, "Update")] = leaves(shape, stand_in)
    last = owners.get(me, frozenset())
    owners[me] = leaves(shape, config)
    after = merge_values(shape, before, config)
    if last:
        # The name is nobody's field, and yet part of what this applier asks for.
        after = _pruned(shape, after, last, [*owners.values(), members(shape, config)])
    owners = _disowned(owners, me, compare(shape, before, after), force)
    return after, owners


def _pruned(shape: Shape, body: Any, last: FieldSet, owned: Iterable[FieldSet]) -> Any:
    """Takes out what this applier listed before and nobody owns now."""
    last = with_parents(shape, last)
    everything = with_parents(shape, members(shape, body))
    left = with_parents(shape, members(shape, without(shape, body, last)))
    kept = with_parents(shape, frozenset().union(*owned))
    pruned = without(shape, body, everything - left - kept)
    gone = everything - with_parents(shape, members(shape, pruned))
    return without(shape, body, gone & last)


def _disowned(
    owners: dict[Entry, FieldSet], me: Entry, change: Difference, force: bool
) -> dict[Entry, FieldSet]:
    conflicts = {
        entry: hit
        for entry, paths in owners.items()
        if entry != me and (hit := paths & change.touched)
    }
    if conflicts and not force:
        raise Conflict(tuple((e, tuple(sorted(p))) for e, p in sorted(conflicts.items())))
    out = {}
    for entry, paths in owners.items():
        lost = conflicts.get(entry, frozenset()) | change.removed
        left = paths if entry == me else paths - lost
        if left:
            out[entry] = left
    return out


def update_body(
    shape: Shape,
    live: dict[str, Any] | None,
    managers: Managers,
    body: dict[str, Any],
    me: Entry,
) -> dict[Entry, FieldSet]:
    """The owners after a POST, PUT or status write: the writer owns what it changed."""
    change = compare(shape, live or {}, body)
    owners = _disowned(dict(managers), me, change, force=True)
    mine = (owners.get(me, frozenset()) - change.removed) | change.touched
    owners.pop(me, None)
    return {**owners, me: mine} if mine else owners


# -- managedFields ---------------------------------------------------------------------------------


def managers_of(managed_fields: Iterable[Mapping[str, Any]]) -> dict[Entry, FieldSet]:
    """Reads managedFields."""
    out: dict[Entry, FieldSet] = {}
    for row in managed_fields:
        if not row:
            continue
        entry = Entry(row["manager"], row["operation"], row.get("subresource", ""))
        out[entry] = field_paths(row.get("fieldsV1") or {})
    return out


def rows(
    managers: Managers, before: Iterable[Mapping[str, Any]], api_version: str, now: str
) -> list[dict[str, Any]]:
    """Writes managedFields: Apply entries first, a time that moves only with the set."""
    known = {Entry(r["manager"], r["operation"], r.get("subresource", "")): r for r in before if r}
    out = []
    for entry, paths in managers.items():
        fields = fields_v1(paths)
        old = known.get(entry)
        when = old["time"] if old and old.get("fieldsV1") == fields else now
        row = {
            "manager": entry.manager,
            "operation": entry.operation,
            "apiVersion": api_version,
            "time": when,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        if entry.subresource:
            row["subresource"] = entry.subresource
        out.append(row)
    out.sort(key=lambda r: (r["operation"], r["time"], r["manager"], r.get("subresource", "")))
    return out
