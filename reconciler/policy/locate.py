"""Where a finding points: the field of the object, and the config line behind it."""

from __future__ import annotations

import json
from typing import NamedTuple

import reconciler
from reconciler.objects.draft import FieldPath, Manifest, show_path, value_at
from reconciler.origin import Origin
from reconciler.policy import trace
from reconciler.policy.cel import Program
from reconciler.policy.rules import Policy
from reconciler.policy.variables import VariableValues

__all__ = ["LEVEL", "Spot", "add_found", "spot", "spot_of"]

LEVEL = f"{reconciler.API_DOMAIN}/level"
_LONGEST = 60
#: A sum over many fields names the first of them.
_MOST_OTHERS = 8
#: A shorter text may stand in a message by chance.
_TELLING = 8


class Spot(NamedTuple):
    """A field, the origin of it or of what is around it, and the same of further fields."""

    path: FieldPath
    origin: Origin | None
    also: tuple[FieldPath, ...] = ()
    others: tuple[Origin, ...] = ()


def spot(policy: Policy, program: Program, manifest: Manifest, composed: VariableValues) -> Spot:
    """The policy's own annotation if the object has that field, else what the trace of the
    expression blames; the object itself as the last resort."""
    chosen = _annotation(policy, manifest)
    if chosen:
        return _at(manifest, chosen)
    values = composed.all_values()
    blamed = trace.find_blame(program, values, composed.programs, manifest.body)
    return _at(manifest, *blamed)


def spot_of(policy: Policy, manifest: Manifest) -> Spot:
    """The spot of a policy whose expressions were not reached."""
    chosen = _annotation(policy, manifest)
    return _at(manifest, chosen) if chosen else _at(manifest)


def _annotation(policy: Policy, manifest: Manifest) -> FieldPath:
    return next((p for p in policy.field if _exists(manifest, p)), ())


def _exists(manifest: Manifest, path: FieldPath) -> bool:
    try:
        value_at(manifest.body, path)
    except LookupError:
        return False
    return True


def _at(manifest: Manifest, *paths: FieldPath) -> Spot:
    path = paths[0] if paths else ()
    also = tuple(p for p in paths[1:] if _exists(manifest, p))[:_MOST_OTHERS]
    origins = (manifest.origin_at(p) for p in also)
    return Spot(path, _origin(manifest, path), also, tuple(o for o in origins if o is not None))


def _origin(manifest: Manifest, path: FieldPath) -> Origin | None:
    """The field's origin; of a field that is absent, or is the drawing rule's own, its parent's."""
    for length in range(len(path), -1, -1):
        origin = manifest.origin_at(path[:length])
        if origin is not None:
            return origin
    return None


def add_found(manifest: Manifest, place: Spot, message: str) -> str:
    """The message with what was found, unless it says so itself."""
    if not place.path:
        return message
    field = show_path(place.path)
    try:
        value = value_at(manifest.body, place.path)
    except LookupError:
        return message if field in message else f"{message} ({field} is missing)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > _TELLING and text in message:
        return message
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    return f"{message} (found {field}: {shown})"
