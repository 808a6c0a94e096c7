"""The guard of version records: nobody changes a record once it is reviewed.

Approvals and soak times are bound to a record's digest, and objects are drawn of its other fields.
So an edited record would change a version in place, in every app that serves it. A record is
compared with that of a base revision, and with what is applied: the fields of live objects that the
record alone decides. A live field that another manager has taken is drift, and not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import reconciler
from reconciler.apps.app import App, Fleet
from reconciler.backends import draw, pod
from reconciler.diagnostics import Diagnostic, error
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.guards.guard import Guard
from reconciler.objects.draft import Draft
from reconciler.objects.observed import Observed
from reconciler.objects.ownership import FieldSet, owned_by
from reconciler.origin import Branch, Items, Value, plain
from reconciler.plan.change import Plan, Refusal
from reconciler.plan.snapshot import Snapshot
from reconciler.spec.model import VersionRecord
from reconciler.unit import UnitId

__all__ = ["EditedRecord", "compare_with_base", "find_edited", "guard"]

_CODE = "E_RECORD_EDITED"
_VERSION = f"{reconciler.API_DOMAIN}/version"
_HELP = "restore the record; what was trained anew is a new version, with a record of its own"
#: The fields that may be added to a record later, because nothing is drawn of them.
_MAY_BE_ADDED = ("metrics", "lineage", "trained_at", "licence")
_FIELDS = ("digest", "image", "storage_uri", "model_version", *_MAY_BE_ADDED)


# -- against a base revision -----------------------------------------------------------------------


def compare_with_base(fleet: Fleet, base: Fleet) -> tuple[Diagnostic, ...]:
    """An error for each field of a record that differs from the record of the same version in the
    base, at its line. A record that the base does not have, or could not read, is not compared."""
    before = {app.model: app.records for app in base.apps}
    found: dict[tuple[object, ...], Diagnostic] = {}
    for app in fleet.apps:
        for version, record in app.records.items():
            old = before.get(app.model, {}).get(version)
            for item in _differences(record, old, base.label) if old is not None else ():
                key = (item.site, item.path)
                found[key] = found.get(key, item).reaching(app.id)
    return tuple(found.values())


def _differences(record: VersionRecord, old: VersionRecord, label: str) -> Iterator[Diagnostic]:
    for name in _FIELDS:
        now, before = getattr(record, name), getattr(old, name)
        is_absent = _datum(before) in (None, {})
        if _datum(now) == _datum(before) or (is_absent and name in _MAY_BE_ADDED):
            continue
        leaf, was = _first_leaf(now), _datum(before)
        leaf = record.version if leaf is None else leaf
        field = "".join(w.capitalize() if n else w for n, w in enumerate(name.split("_")))
        yield error(
            _CODE,
            f"{field} of the record of {record.version.value} is edited: "
            f"{label} has {'none' if is_absent else json.dumps(was, default=str)}",
            leaf.site,
            path=field,
            help=_HELP,
        )


def _datum(field: Any) -> Any:
    if isinstance(field, Value):
        return field.value
    if isinstance(field, Mapping):
        return {key: _datum(value) for key, value in field.items()}
    if hasattr(field, "__slots__"):
        return {name: _datum(getattr(field, name)) for name in field.__slots__}
    return field


def _first_leaf(field: Any) -> Value[Any] | None:
    if isinstance(field, Value):
        return field
    inner: Iterable[Any] = field.values() if isinstance(field, Mapping) else ()
    if hasattr(field, "__slots__"):
        inner = [getattr(field, name) for name in field.__slots__]
    return next((leaf for leaf in map(_first_leaf, inner) if leaf is not None), None)


# -- against what is applied -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EditedRecord:
    """A field of a record that differs from the applied one. `leaf` is the record's value."""

    unit: UnitId
    version: str
    leaf: Value[Any]
    applied: str


def find_edited(units: Iterable[UnitDrafts], snapshot: Snapshot) -> tuple[EditedRecord, ...]:
    """The first edited field of each served version that the snapshot shows, per unit. Cost: one
    pass over the live objects, and over the drafts of the versions that are live."""
    if snapshot.offline or snapshot.base:
        return ()
    live: dict[tuple[Any, ...], list[Observed]] = {}
    for seen in snapshot.objects.values():
        labels = ((seen.body or {}).get("metadata") or {}).get("labels") or {}
        if _VERSION in labels and seen.is_present:
            place = (seen.key.group_kind, seen.key.namespace, labels[_VERSION])
            live.setdefault(place, []).append(seen)
    found: dict[tuple[UnitId, str], EditedRecord] = {}
    for item in units if live else ():
        if not isinstance(item.unit, App):
            continue
        for draft in item.drafts:
            version = _version_of(draft)
            place = (draft.key.group_kind, draft.key.namespace, version)
            for seen in live.get(place, ()) if version in item.unit.records else ():
                edited = _compare(item.unit, version, draft, seen)
                if edited is not None:
                    found.setdefault((item.unit.id, version), edited)
    return tuple(found.values())


def _version_of(draft: Draft) -> str:
    metadata = draft.tree.get("metadata") if isinstance(draft.tree, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    version = labels.get(_VERSION) if isinstance(labels, dict) else None
    return str(plain(version)) if version is not None else ""


def _compare(app: App, version: str, draft: Draft, seen: Observed) -> EditedRecord | None:
    body = seen.body or {}
    metadata = body.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if any(labels.get(name) != value for name, value in draw.labels_of(app).items()):
        return None
    record = app.records[version]
    file, uri = record.version.site.file, record.storage_uri
    resolved = pod.record_of(app, version).storage_uri
    is_logical = resolved is not uri
    owned = owned_by(metadata.get("managedFields") or ()).get(reconciler.FIELD_MANAGER, frozenset())
    for leaf, applied, steps in _pairs(draft.tree, body, ()):
        if leaf.value == applied or not _owns(owned, steps):
            continue
        if leaf.site.file == file:
            return EditedRecord(app.id, version, leaf, str(applied))
        # A URI with a logical name of a claim: the group's claim may change, the path may not.
        # Other leaves (a digest of the whole content) name the record's line too.
        if uri is None or resolved is None or not is_logical or leaf.value != resolved.value:
            continue
        if uri.origin in leaf.origin.through and _path_in(leaf.value) != _path_in(str(applied)):
            return EditedRecord(app.id, version, uri, str(applied))
    return None


def _path_in(uri: str) -> str:
    """The path of a `pvc://claim/path` URI; other URIs as they are."""
    return uri.removeprefix("pvc://").partition("/")[2] if uri.startswith("pvc://") else uri


def _pairs(
    tree: Any, live: Any, steps: tuple[str, ...]
) -> Iterator[tuple[Value[Any], Any, tuple[str, ...]]]:
    """Each Value of a draft with the live value at its place, and the place in managedFields.
    Elements of a list that have names are found by their names."""
    if isinstance(tree, Value):
        if isinstance(live, str | int | float | bool):
            yield tree, live, steps
        return
    if isinstance(tree, dict | Branch) and isinstance(live, Mapping):
        children = tree.children if isinstance(tree, Branch) else tree
        for key, child in children.items():
            if key in live:
                yield from _pairs(child, live.get(key), (*steps, f"f:{key}"))
    elif isinstance(tree, list | tuple | Items) and isinstance(live, list):
        by_name = {each.get("name"): each for each in live if isinstance(each, Mapping)}
        for child in tree.children if isinstance(tree, Items) else tree:
            name = plain(child.get("name")) if isinstance(child, dict | Branch) else None
            if isinstance(name, str):
                step = f"k:{json.dumps({'name': name}, separators=(',', ':'))}"
                yield from _pairs(child, by_name.get(name), (*steps, step))


def _owns(owned: FieldSet, steps: tuple[str, ...]) -> bool:
    """Whether a leaf is owned: itself, or as a part of an atomic map or list."""
    if steps in owned:
        return True
    above = [steps[:length] for length in range(1, len(steps)) if steps[:length] in owned]
    nearest = above[-1] if above else None
    return nearest is not None and not any(
        len(path) > len(nearest) and path[: len(nearest)] == nearest for path in owned
    )


def guard(edited: Iterable[EditedRecord]) -> Guard:
    """The guard of a run: it holds every app of which a served version's record was edited after
    it was applied."""
    by_unit: dict[UnitId, EditedRecord] = {}
    for each in edited:
        by_unit.setdefault(each.unit, each)

    def refuse(plan: Plan) -> Iterator[Refusal]:
        for app in plan.apps:
            each = by_unit.get(app.unit)
            if each is not None:
                yield Refusal(
                    _CODE,
                    f"{each.leaf.site}: the record of {each.version} was edited: it says "
                    f"{each.leaf.value}, and {each.applied} is applied",
                    _HELP,
                    app.unit,
                    app.place,
                )

    return refuse
