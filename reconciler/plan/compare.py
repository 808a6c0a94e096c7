"""Compares live with predicted objects, field by field, and finds the config line of each change.

The predicted body is the server's answer to a dry-run, so defaults and quantities never look like
drift. Compared are `metadata.labels`, `metadata.annotations` and everything outside metadata and
status. Elements of a list of maps are matched by the usual list keys, so that one changed container
is one change. An embedded object is compared field by field too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from reconciler.objects.draft import FieldPath, Manifest, value_at, walk
from reconciler.objects.listkeys import keys_of, usual_keys
from reconciler.objects.quantity import amount
from reconciler.origin import Origin
from reconciler.plan.change import FieldChange, Inside
from reconciler.plan.live_content import comparable

__all__ = ["compare_bodies", "origin_for"]

_QUANTITY_PARENTS = frozenset({"limits", "requests", "hard"})


def compare_bodies(
    before: Mapping[str, Any], after: Mapping[str, Any], desired: Manifest | None = None
) -> tuple[FieldChange, ...]:
    """Every field that changes, in the order of `after`; removed fields come last in each map. With
    `desired`, each change carries its config line."""
    found = _compare((), comparable(before), comparable(after))
    if desired is None:
        return tuple(found)
    return tuple(one for change in found for one in _explain(change, desired))


def _explain(change: FieldChange, desired: Manifest) -> tuple[FieldChange, ...]:
    """The change with its config line; for an embedded object, the changes of its fields."""
    return _compare_embedded(change, desired) or (_with_origin(change, desired),)


def _compare_embedded(change: FieldChange, desired: Manifest) -> tuple[FieldChange, ...]:
    """The changed fields of the embedded object at the change's path. Empty when there is no object
    there, before or after, and when both objects are equal: then the text itself changes."""
    inner = _embedded_at(desired, change.path, change.after)
    before, after = _object_in(change.before), _object_in(change.after)
    if inner is None or before is None or after is None:
        return ()
    out = []
    for found in _compare((), before, after):
        for one in _explain(found, inner):
            if one.inside is None:
                out.append(replace(one, path=change.path, inside=Inside(inner.key, one.path)))
            else:
                out.append(replace(one, path=(*change.path, *one.path)))
    return tuple(out)


def _embedded_at(desired: Manifest, path: FieldPath, text: Any) -> Manifest | None:
    """The embedded object at a path. When the server moved list elements, the text decides."""
    for place, inner in desired.embedded:
        if place == path:
            return inner
    for place, inner in desired.embedded:
        if value_at(desired.body, place) == text:
            return inner
    return None


def _object_in(text: Any) -> dict[str, Any] | None:
    try:
        body = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _compare(path: FieldPath, before: Any, after: Any) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in after.items():
            if key in before:
                yield from _compare((*path, key), before[key], value)
            else:
                yield FieldChange((*path, key), None, value, added=True)
        for key in before:
            if key not in after:
                yield FieldChange((*path, key), before[key], None, removed=True)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(path, before, after)
    elif before != after and not _is_same_amount(path, before, after):
        yield FieldChange(path, before, after)


def _is_same_amount(path: FieldPath, before: Any, after: Any) -> bool:
    if len(path) < 2 or path[-2] not in _QUANTITY_PARENTS:
        return False
    try:
        return amount(before) == amount(after)
    except (ValueError, TypeError):
        return False


def _compare_lists(path: FieldPath, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    keys = usual_keys(before + after)
    old, new = _by_keys(before, keys), _by_keys(after, keys)
    if old is None or new is None:
        if len(before) == len(after):
            for index, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from _compare((*path, index), one, other)
        else:
            yield FieldChange(path, before, after)
        return
    for index, (key, item) in enumerate(new.items()):
        if key in old:
            yield from _compare((*path, index), old[key], item)
        else:
            yield FieldChange((*path, index), None, item, added=True)
    for index, (key, item) in enumerate(old.items()):
        if key not in new:
            yield FieldChange((*path, index), item, None, removed=True)
    if [key for key in old if key in new] != [key for key in new if key in old]:
        yield FieldChange(path, [_name(key) for key in old], [_name(key) for key in new])


def _by_keys(items: list[Any], keys: tuple[str, ...] | None) -> dict[tuple[Any, ...], Any] | None:
    """The elements by the values of their keys; None when two share the same values or one lacks a
    key."""
    if keys is None:
        return None
    out = {found: item for item in items if (found := keys_of(item, keys)) is not None}
    return out if len(out) == len(items) else None


def _name(key: tuple[Any, ...]) -> Any:
    return key[0] if len(key) == 1 else "/".join(map(str, key))


def _with_origin(change: FieldChange, desired: Manifest) -> FieldChange:
    return replace(change, origin=origin_for(desired, change.path, change.after))


def origin_for(desired: Manifest, path: FieldPath, after: Any) -> Origin | None:
    """The config line of a changed field, or None. List positions in the predicted and the desired
    body are equal unless the server merged in elements of others; then the value decides."""
    found = desired.origin_at(path)
    if found is not None:
        return found
    for (leaf, datum), origin in zip(walk(desired.body), desired.origins, strict=True):
        same_place = len(leaf) == len(path) and all(
            a == b or (isinstance(a, int) and isinstance(b, int))
            for a, b in zip(leaf, path, strict=True)
        )
        if origin is not None and same_place and datum == after:
            return origin
    return None
