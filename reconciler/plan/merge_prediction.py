"""Predicts the result of server-side apply without the server, for runs that only read.

The prediction uses the field owners and the list keys of the kind. It knows neither defaults nor
admission, so it shows the changes of Git and nothing that the server fills in.
Source of the rules: Kubernetes' server-side apply (a field that this program alone owned and no
longer names is removed; maps merge; keyed lists merge by key; other lists are replaced).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

import reconciler
from reconciler import kinds
from reconciler.objects.listkeys import keys_of, usual_keys
from reconciler.objects.observed import Observed
from reconciler.objects.ownership import FieldSet, owned_by
from reconciler.objects.quantity import amount

__all__ = ["predict_body"]

#: A list's field name → its keys; None when the kind is not known.
_Lists: TypeAlias = Mapping[str, tuple[str, ...]] | None
_AMOUNTS = frozenset({"limits", "requests", "hard", "capacity"})


def predict_body(desired: Mapping[str, Any], live: Observed) -> dict[str, Any]:
    """The object's body after an apply of `desired`."""
    if not live.is_present or live.body is None:
        return dict(desired)
    metadata = live.body.get("metadata") or {}
    owners = owned_by(metadata.get("managedFields") or ())
    own = owners.pop(reconciler.FIELD_MANAGER, frozenset())
    others: FieldSet = frozenset().union(*owners.values()) if owners else frozenset()
    lists = kinds.find(live.key.group_kind).list_keys
    kept = _without(live.body, desired, own - others, (), lists)
    merged = _merge(kept, desired, lists, counts=False)
    assert isinstance(merged, dict)
    return merged


def _merge(live: Any, desired: Any, lists: _Lists, *, counts: bool, field: str = "") -> Any:
    """The merged value. `field` is the value's field name. `counts` is True below a map of amounts,
    where `500m` and `0.5` are the same value."""
    if isinstance(live, dict) and isinstance(desired, dict):
        inner = {
            k: _merge(live[k], v, lists, counts=counts or k in _AMOUNTS, field=k)
            if k in live
            else v
            for k, v in desired.items()
        }
        return {**live, **inner}
    if isinstance(live, list) and isinstance(desired, list):
        return _merge_lists(live, desired, lists, field)
    return live if live == desired or (counts and _is_same_amount(live, desired)) else desired


def _merge_lists(live: list[Any], desired: list[Any], lists: _Lists, field: str) -> list[Any]:
    keys = _list_keys([*live, *desired], lists, field)
    if keys is None:
        if len(live) == len(desired) and all(isinstance(i, dict) for i in [*live, *desired]):
            # A list without keys: Git's list replaces the live one, and keeps its defaults.
            pairs = zip(live, desired, strict=True)
            return [_merge(old, new, lists, counts=False) for old, new in pairs]
        return desired
    old = {keys_of(item, keys): item for item in live}
    new = {keys_of(item, keys): item for item in desired}
    out: list[Any] = []
    rest = [key for key in old if key not in new]
    # In Git's order; an element that only the live list has stays before the element that it was
    # before.
    place = {key: index for index, key in enumerate(old)}
    for key, item in new.items():
        while rest and key in place and place[rest[0]] < place[key]:
            out.append(old[rest.pop(0)])
        out.append(_merge(old[key], item, lists, counts=False) if key in old else item)
    return out + [old[key] for key in rest]


def _list_keys(items: list[Any], lists: _Lists, field: str) -> tuple[str, ...] | None:
    """The keys by which a list's elements merge; None when the list is replaced as a whole."""
    if lists is None:
        return usual_keys(items)
    keys = lists.get(field)
    if keys is None or not all(isinstance(item, Mapping) for item in items):
        return None
    return keys if all(keys_of(item, keys) is not None for item in items) else None


def _is_same_amount(live: Any, desired: Any) -> bool:
    try:
        return bool(amount(live) == amount(desired))
    except (ValueError, TypeError):
        return False


def _without(
    live: Any, desired: Any, alone: FieldSet, path: tuple[str, ...], lists: _Lists, field: str = ""
) -> Any:
    """The live body without the fields that this program alone owns and Git no longer names."""
    if isinstance(live, dict):
        out = {}
        for name, child in live.items():
            field_path = (*path, f"f:{name}")
            wanted = isinstance(desired, Mapping) and name in desired
            if (
                not wanted
                and path != ()
                and field_path in alone
                and not _owned_below(field_path, alone)
            ):
                continue
            below = desired[name] if wanted else None
            stripped = _without(child, below, alone, field_path, lists, name)
            if stripped == {} and child != {} and not wanted and _owned_below(field_path, alone):
                continue
            out[name] = stripped
        return out
    if isinstance(live, list):
        keys = _list_keys(live, lists, field)
        if keys is None:
            return live
        wanted_items = desired if isinstance(desired, list) else []
        by_keys = {keys_of(i, keys): i for i in wanted_items if isinstance(i, Mapping)}
        kept = []
        for item in live:
            found = keys_of(item, keys)
            named = dict(zip(keys, found or (), strict=True))
            field_path = (*path, f"k:{orjson.dumps(named, option=orjson.OPT_SORT_KEYS).decode()}")
            if found not in by_keys and field_path in alone:
                continue
            kept.append(_without(item, by_keys.get(found), alone, field_path, lists))
        return kept
    return live


def _owned_below(path: tuple[str, ...], alone: FieldSet) -> bool:
    return any(len(p) > len(path) and p[: len(path)] == path for p in alone)
