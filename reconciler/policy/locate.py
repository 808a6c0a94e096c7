"""Finds the field of the object that a finding points at, and the config line that set it."""

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
#: The largest number of further fields that a finding names.
_MOST_OTHERS = 8
#: A shorter value may stand in a message by chance.
_MOST_CHANCE = 8


class Spot(NamedTuple):
    """A field of an object and its origin, or the origin of the nearest map or list around it.
    `also` are further fields with their origins in `others`."""

    path: FieldPath
    origin: Origin | None
    also: tuple[FieldPath, ...] = ()
    others: tuple[Origin, ...] = ()


def spot(policy: Policy, program: Program, manifest: Manifest, composed: VariableValues) -> Spot:
    """The spot of a failed expression: the field that the policy's annotation names, if the object
    has it, else the field that made the expression fail, else the object itself."""
    chosen = _annotation(policy, manifest)
    if chosen:
        return _at(manifest, chosen)
    values = composed.all_values()
    blamed = trace.find_blame(program, values, composed.programs, manifest.body)
    return _at(manifest, *blamed)


def spot_of(policy: Policy, manifest: Manifest) -> Spot:
    """The spot of a policy without a failed expression: the annotated field or the object
    itself."""
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
    """The origin of a field. For an absent field or a literal, the origin of the nearest parent
    that has one."""
    for length in range(len(path), -1, -1):
        origin = manifest.origin_at(path[:length])
        if origin is not None:
            return origin
    return None


def add_found(manifest: Manifest, place: Spot, message: str) -> str:
    """The message with the value that was found, unless the message holds the value."""
    if not place.path:
        return message
    field = show_path(place.path)
    try:
        value = value_at(manifest.body, place.path)
    except LookupError:
        return message if field in message else f"{message} ({field} is missing)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > _MOST_CHANCE and text in message:
        return message
    excerpt = json.dumps(value, ensure_ascii=False)
    excerpt = excerpt if len(excerpt) <= _LONGEST else excerpt[: _LONGEST - 1] + "…"
    return f"{message} (found {field}: {excerpt})"
