"""What server-side apply would make of an object, by our own reckoning: for runs that only read.

It knows what the field owners say and what a kind's lists are keyed by, and neither defaults nor
admission. So it shows what Git would change and nothing that the server fills in.
Source of the rules: Kubernetes' server-side apply (a field that we owned alone and no longer name
is removed; maps merge; keyed lists merge by key; other lists are replaced).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

import reconciler
from reconciler.objects.observed import Observed
from reconciler.objects.ownership import FieldSet, owned_by
from reconciler.objects.quantity import amount

__all__ = ["predicted"]

_KEYS = ("name", "type", "containerPort", "port", "mountPath", "key", "topologyKey")
_AMOUNTS = frozenset({"limits", "requests", "hard", "capacity"})


def predicted(desired: Mapping[str, Any], live: Observed) -> dict[str, Any]:
    """The body that an apply would leave behind."""
    if not live.is_present or live.body is None:
        return dict(desired)
    metadata = live.body.get("metadata") or {}
    owners = owned_by(metadata.get("managedFields") or ())
    ours = owners.pop(reconciler.FIELD_MANAGER, frozenset())
    others: FieldSet = frozenset().union(*owners.values()) if owners else frozenset()
    kept = _without(live.body, desired, ours - others, ())
    merged = _merge(kept, desired, counts=False)
    assert isinstance(merged, dict)
    return merged


def _merge(live: Any, desired: Any, *, counts: bool) -> Any:
    """`counts`: below a map of amounts, where `500m` and `0.5` are one value."""
    if isinstance(live, dict) and isinstance(desired, dict):
        inner = {
            k: _merge(live[k], v, counts=counts or k in _AMOUNTS) if k in live else v
            for k, v in desired.items()
        }
        return {**live, **inner}
    if isinstance(live, list) and isinstance(desired, list):
        return _merge_lists(live, desired)
    return live if live == desired or (counts and _is_same_amount(live, desired)) else desired


def _merge_lists(live: list[Any], desired: list[Any]) -> list[Any]:
    key = _list_key([*live, *desired])
    if key is None:
        if len(live) == len(desired) and all(isinstance(i, dict) for i in [*live, *desired]):
            # Not keyed: Git's list replaces it, and gets the same defaults as it has now.
            pairs = zip(live, desired, strict=True)
            return [_merge(old, new, counts=False) for old, new in pairs]
        return desired
    old = {item[key]: item for item in live}
    new = {item[key]: item for item in desired}
    out: list[Any] = []
    rest = [item for item in live if item[key] not in new]
    # In Git's order; what only the server has stays ahead of what it stood ahead of.
    place = {item[key]: index for index, item in enumerate(live)}
    for item in desired:
        while rest and item[key] in place and place[rest[0][key]] < place[item[key]]:
            out.append(rest.pop(0))
        known = item[key] in old
        out.append(_merge(old[item[key]], item, counts=False) if known else item)
    return out + rest


def _list_key(items: list[Any]) -> str | None:
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    return next((k for k in _KEYS if all(isinstance(i.get(k), str | int) for i in items)), None)


def _is_same_amount(live: Any, desired: Any) -> bool:
    try:
        return bool(amount(live) == amount(desired))
    except (ValueError, TypeError):
        return False


def _without(live: Any, desired: Any, alone: FieldSet, path: tuple[str, ...]) -> Any:
    """The live body without the fields that only we own and Git does not name any more."""
    if isinstance(live, dict):
        out = {}
        for name, child in live.items():
            here = (*path, f"f:{name}")
            wanted = isinstance(desired, Mapping) and name in desired
            if not wanted and path != () and here in alone and not _owned_below(here, alone):
                continue
            below = desired[name] if wanted else None
            left = _without(child, below, alone, here)
            if left == {} and child != {} and not wanted and _owned_below(here, alone):
                continue
            out[name] = left
        return out
    if isinstance(live, list):
        key = _list_key(live)
        if key is None:
            return live
        wanted_items = desired if isinstance(desired, list) else []
        by_key = {i.get(key): i for i in wanted_items if isinstance(i, Mapping)}
        kept = []
        for item in live:
            step = f"k:{orjson.dumps({key: item[key]}).decode()}"
            here = (*path, step)
            if item[key] not in by_key and here in alone:
                continue
            kept.append(_without(item, by_key.get(item[key]), alone, here))
        return kept
    return live


def _owned_below(path: tuple[str, ...], alone: FieldSet) -> bool:
    return any(len(p) > len(path) and p[: len(path)] == path for p in alone)
