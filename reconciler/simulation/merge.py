"""Server-side apply: merging, ownership and conflicts, implemented for the embedded cluster.

The rules are those of sigs.k8s.io/structured-merge-diff, merge/update.go. A field that an applier
no longer lists is removed, unless another manager owns it. An apply that changes other managers'
fields is a conflict; with force it takes the fields over. An update takes over the fields that it
changes, and never conflicts.
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
    """The owner of one row of managedFields. `operation` is Apply or Update."""

    manager: str
    operation: str
    subresource: str = ""


Managers = Mapping[Entry, FieldSet]


class Conflict(Exception):
    """An apply without force would change other managers' fields: (owner, paths), sorted."""

    def __init__(self, fields: tuple[tuple[Entry, tuple[tuple[str, ...], ...]], ...]) -> None:
        super().__init__("conflict")
        self.fields = fields


def merge_values(shape: Shape, live: Any, config: Any) -> Any:
    """`config` merged over `live`: maps by key, keyed lists and sets by element; other values are
    replaced."""
    if isinstance(live, dict) and isinstance(config, dict) and shape.what != "atomic":
        out = dict(live)
        for name, value in config.items():
            inner = shape.child(name) or ANY
            out[name] = merge_values(inner, live[name], value) if name in live else value
        return out
    if isinstance(live, list) and isinstance(config, list) and shape.what in ("keyed", "set"):
        return _merge_list(shape, live, config)
    return config


def _merge_list(shape: Shape, live: list[Any], config: list[Any]) -> list[Any]:
    """The merged list in the order of the config. An element that only the live list has stays
    before the next element that both have."""
    wanted = {step_of(shape, item): item for item in config}
    existing = {step_of(shape, item): item for item in live}
    out: list[Any] = []
    done: set[str] = set()
    rest = list(existing)

    def take(step: str) -> None:
        if step not in done:
            done.add(step)
            both = step in wanted and step in existing
            item = (
                merge_values(shape.element, existing[step], wanted[step]) if both else wanted[step]
            )
            out.append(item)

    for step in wanted:
        while rest and rest[0] not in wanted:
            out.append(existing[rest.pop(0)])
        take(step)
        while rest and rest[0] in done:
            rest.pop(0)
    out.extend(existing[step] for step in rest if step not in wanted)
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
        # An object without any owner: its fields get the manager `before-first-apply`.
        stand_in = {name: value for name, value in live.items() if name != "status"}
        owners[Entry(BEFORE_FIRST_APPLY, "Update")] = leaves(shape, stand_in)
    last = owners.get(me, frozenset())
    owners[me] = leaves(shape, config)
    after = merge_values(shape, before, config)
    if last:
        # Nobody owns the name, but the applier asks for it too.
        after = _prune(shape, after, last, [*owners.values(), members(shape, config)])
    owners = _disown(owners, me, compare(shape, before, after), force)
    return after, owners


def _prune(shape: Shape, body: Any, last: FieldSet, owned: Iterable[FieldSet]) -> Any:
    """Removes the fields that this applier listed before and that nobody owns now."""
    last = with_parents(shape, last)
    everything = with_parents(shape, members(shape, body))
    remaining = with_parents(shape, members(shape, without(shape, body, last)))
    kept = with_parents(shape, frozenset().union(*owned))
    pruned = without(shape, body, everything - remaining - kept)
    gone = everything - with_parents(shape, members(shape, pruned))
    return without(shape, body, gone & last)


def _disown(
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
        remaining = paths if entry == me else paths - lost
        if remaining:
            out[entry] = remaining
    return out


def update_body(
    shape: Shape,
    live: dict[str, Any] | None,
    managers: Managers,
    body: dict[str, Any],
    me: Entry,
) -> dict[Entry, FieldSet]:
    """The owners after a POST, PUT or status write: the writer owns the fields that it changed."""
    change = compare(shape, live or {}, body)
    owners = _disown(dict(managers), me, change, force=True)
    own = (owners.get(me, frozenset()) - change.removed) | change.touched
    owners.pop(me, None)
    return {**owners, me: own} if own else owners


# -- managedFields ---------------------------------------------------------------------------------


def managers_of(managed_fields: Iterable[Mapping[str, Any]]) -> dict[Entry, FieldSet]:
    """The owners in managedFields."""
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
    """The rows of managedFields: Apply rows first; a row's time changes only with its fields."""
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
