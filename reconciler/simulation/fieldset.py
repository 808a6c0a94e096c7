"""Sets of field paths of an object: computes the fields of a body, compares two bodies, removes
fields.

Paths are written as in FieldsV1 (see `objects.ownership`): a path is a tuple of steps. The rules
are those of sigs.k8s.io/structured-merge-diff: typed/tosets.go, compare.go, remove.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from reconciler.objects.ownership import FieldSet, FieldStep, fields_v1
from reconciler.simulation.schema import KEY_DEFAULTS, SERVER_OWNED, Shape

__all__ = [
    "Difference",
    "compare",
    "leaves",
    "members",
    "show",
    "step_of",
    "with_parents",
    "without",
]

Path = tuple[FieldStep, ...]
#: Fields that nobody owns: they identify the object, or only the server writes them.
_STRIPPED = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [("f:metadata", f"f:{name}") for name in ("name", "namespace", *SERVER_OWNED)]
)


class Difference(NamedTuple):
    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def touched(self) -> FieldSet:
        return self.added | self.modified


def step_of(shape: Shape, element: Any) -> FieldStep:
    """The step that names an element of a keyed list or of a set."""
    if shape.what == "set":
        return f"v:{orjson.dumps(element).decode()}"
    keys = {k: element.get(k, KEY_DEFAULTS.get(k)) for k in shape.keys}
    named = {k: v for k, v in keys.items() if v is not None}
    return f"k:{orjson.dumps(named, option=orjson.OPT_SORT_KEYS).decode()}"


def _is_granular(shape: Shape, value: Any) -> bool:
    if isinstance(value, dict):
        return shape.what in ("struct", "open", "map", "any")
    return isinstance(value, list) and shape.what in ("keyed", "set")


def _children(shape: Shape, value: Any) -> Iterator[tuple[FieldStep, Shape, Any, bool]]:
    """(step, shape, value, whether the child is itself a path of the set) of each child."""
    if isinstance(value, dict):
        for name, child in value.items():
            inner = shape.child(name)
            if inner is not None:
                member = child == {} or not shape.declares
                yield f"f:{name}", inner, child, member
    else:
        for element in value:
            yield step_of(shape, element), shape.element, element, True


def leaves(shape: Shape, value: Any) -> FieldSet:
    """The paths that an apply of this body owns: leaves, atomic nodes, list elements, data keys."""
    return members(shape, value) - _STRIPPED


def members(shape: Shape, value: Any) -> FieldSet:
    """All paths of a body, the fields that nobody owns included."""
    return frozenset(_leaves(shape, value, ()))


def _leaves(shape: Shape, value: Any, path: Path) -> Iterator[Path]:
    if not _is_granular(shape, value):
        yield path
        return
    for step, inner, child, member in _children(shape, value):
        if member:
            yield (*path, step)
        if _is_granular(inner, child):
            yield from _leaves(inner, child, (*path, step))
        elif not member:
            yield (*path, step)


def compare(shape: Shape, before: Any, after: Any) -> Difference:
    """The difference of two bodies by leaves. A list element or data map that is added or removed
    is itself a path."""
    added: set[Path] = set()
    modified: set[Path] = set()
    removed: set[Path] = set()

    def walk(shape: Shape, old: Any, new: Any, path: Path) -> None:
        if not _is_granular(shape, old) or not _is_granular(shape, new):
            if old != new:
                modified.add(path)
            return
        olds = {step: (inner, child) for step, inner, child, _ in _children(shape, old)}
        for step, inner, child, _ in _children(shape, new):
            child_path = (*path, step)
            if step in olds:
                walk(inner, olds.pop(step)[1], child, child_path)
            else:
                added.update(_whole(inner, child, child_path))
        for step, (inner, child) in olds.items():
            removed.update(_whole(inner, child, (*path, step)))

    walk(shape, before, after, ())
    return Difference(*(frozenset(s) - _STRIPPED for s in (added, modified, removed)))


def _whole(shape: Shape, value: Any, path: Path, inside: bool = False) -> Iterator[Path]:
    """The paths that are added or removed with a value: its leaves, and the nodes that exist only
    with it. A struct exists without its fields, except in a list element that is new as a whole."""
    inside = inside or path[-1][0] == "k"
    granular = _is_granular(shape, value)
    if inside or (shape.optional if granular or not value else True):
        yield path
    if granular:
        for step, inner, child, _ in _children(shape, value):
            yield from _whole(inner, child, (*path, step), inside)


def with_parents(shape: Shape, paths: Iterable[Path]) -> FieldSet:
    """The paths and all named fields above them, so that a struct without fields is removed too."""
    out: set[Path] = set()
    for path in paths:
        out.add(path)
        child_path: Shape | None = shape
        for depth, step in enumerate(path[:-1], 1):
            if child_path is None:
                break
            if step.startswith("f:"):
                if child_path.declares:
                    out.add(path[:depth])
                child_path = child_path.child(step[2:])
            else:
                child_path = child_path.element
    return frozenset(out)


def without(shape: Shape, value: Any, paths: Iterable[Path]) -> Any:
    """The value without these paths, and without maps and lists that become empty by that."""
    tree = fields_v1(paths)
    return _without(shape, value, tree) if tree else value


def _without(shape: Shape, value: Any, tree: Mapping[str, Any]) -> Any:
    if not _is_granular(shape, value):
        return value
    kept: list[tuple[FieldStep, Any]] = []
    for step, inner, child, _ in _children(shape, value):
        below = tree.get(step)
        if below is None:
            kept.append((step, child))
        elif below and "." not in below:
            left = _without(inner, child, below)
            if left or not child or not isinstance(left, dict | list):
                kept.append((step, left))
    if isinstance(value, dict):
        return {step[2:]: child for step, child in kept}
    return [child for _, child in kept]


def show(path: Path) -> str:
    """A path as in the server's messages: `.spec.containers[name="app"].image`."""
    out = ""
    for step in path:
        mark, _, text = step.partition(":")
        if mark == "f":
            out += f".{text}"
        elif mark == "k":
            pairs = sorted(orjson.loads(text).items())
            inside = ",".join(f"{key}={orjson.dumps(datum).decode()}" for key, datum in pairs)
            out += f"[{inside}]"
        else:
            out += f"[={text}]" if mark == "v" else f"[{text}]"
    return out
