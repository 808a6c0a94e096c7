"""How much memory an evaluation may take at most, from the sizes of what it reads.

The engine limits loop steps, not the bytes that an expression makes: ten thousand steps that each
join two long texts take gigabytes. So the bytes are estimated before an evaluation, from above: a
text is as long as the longest one that is read, and both branches of a condition are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.policy.cel import syntax
from reconciler.policy.cel.syntax import Call, Comprehension, Const, Ident, ListOf, MapOf, Node

__all__ = ["Size", "bytes_of"]

#: The bytes of an element of a list beside its text.
_ELEMENT = 64
#: Functions whose results hold neither texts nor lists.
_PLAIN = frozenset(
    {"_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_in_", "size"}
    | {"startsWith", "endsWith", "contains", "matches", "indexOf", "lastIndexOf", "int", "uint"}
    | {"double", "bool", "hasValue", "isSorted", "isQuantity", "isInteger", "isURL", "sign"}
    | {"isGreaterThan", "isLessThan", "compareTo", "asInteger", "asApproximateFloat"}
    | {"@not_strictly_false", "__not_strictly_false__", "_-_", "_*_", "_/_", "_%_", "-_"}
    | {"sets.contains", "sets.equivalent", "sets.intersects"}
)


class Size(NamedTuple):
    """The most elements of a list or map, and the longest text, in characters."""

    most: int = 0
    longest: int = 0


@dataclass(frozen=True, slots=True)
class _Bound:
    """Bounds of one value: its elements, the elements of a list inside it, its longest text."""

    count: int = 0
    inner: int = 0
    longest: int = 0

    @property
    def part(self) -> _Bound:
        """The bounds of an element, or of a field."""
        return _Bound(self.inner, self.inner, self.longest)


def bytes_of(node: Node, inputs: Size, steps: int) -> int:
    """The most bytes that evaluating `node` makes, when each name that it reads has the size
    `inputs`. A loop makes at most `steps` steps."""
    return _Estimate(inputs, steps).total(node)


class _Estimate:
    def __init__(self, inputs: Size, steps: int) -> None:
        self._inputs = _Bound(inputs.most, inputs.most, inputs.longest)
        self._steps = steps
        self._bytes = 0

    def total(self, node: Node) -> int:
        self._of(node, {}, 1)
        return self._bytes

    def _make(self, bound: _Bound, times: int) -> _Bound:
        self._bytes += times * (bound.longest + _ELEMENT * bound.count)
        return bound

    def _of(self, node: Node, names: Mapping[str, _Bound], times: int) -> _Bound:
        match node:
            case Const():
                text = node.value if isinstance(node.value, str | bytes) else ""
                return _Bound(longest=len(text))
            case Ident():
                return names.get(node.name, self._inputs)
            case Comprehension():
                return self._loop(node, names, times)
            case Call():
                return self._call(node, names, times)
        parts = [self._of(child, names, times) for child in syntax.children(node)]
        if isinstance(node, ListOf | MapOf):
            largest = _largest(parts)
            inner = max(largest.count, largest.inner)
            return self._make(_Bound(len(parts), inner, largest.longest), times)
        return parts[0].part

    def _loop(self, node: Comprehension, names: Mapping[str, _Bound], times: int) -> _Bound:
        over = self._of(node.range, names, times)
        start = self._of(node.init, names, times)
        turns = max(1, min(over.count, self._steps))
        inside = {**names, node.variable: over.part, node.accumulator: start}
        self._of(node.condition, inside, times * turns)
        step = self._of(node.step, inside, times * turns)
        added = max(0, step.count - start.count) * turns
        gathered = _Bound(start.count + added, max(step.inner, start.inner), step.longest)
        return self._of(node.result, {**names, node.accumulator: gathered}, times)

    def _call(self, node: Call, names: Mapping[str, _Bound], times: int) -> _Bound:
        parts = [self._of(child, names, times) for child in syntax.children(node)]
        largest = _largest(parts)
        first = parts[0] if parts else _Bound()
        match node.function:
            case name if name in _PLAIN:
                return _Bound()
            case "_+_":
                left, right = parts
                inner, longest = largest.inner, largest.longest
                if isinstance(node.args[0], Ident) and node.args[0].name.startswith("@"):
                    # The accumulator of a loop: the engine appends to it and makes no copy.
                    return _Bound(left.count + right.count, inner, longest)
                longest = left.longest + right.longest
                return self._make(_Bound(left.count + right.count, inner, longest), times)
            case "_[_]" | "_?._" | "_[?_]":
                return first.part
            case "replace" if len(parts) >= 3:
                return self._make(_replaced(first, node.args[0], parts[2]), times)
            case "join":
                apart = parts[1].longest if len(parts) > 1 else 0
                return self._make(_Bound(longest=first.count * (first.longest + apart)), times)
            case "split" | "findAll" | "getQuery":
                most = first.longest + 1
                return self._make(_Bound(most, most, first.longest), times)
            case "_?_:_" | "or" | "orValue" | "optional.of" | "optional.ofNonZeroValue":
                return largest
        return self._make(largest, times)


def _replaced(text: _Bound, old: Node, new: _Bound) -> _Bound:
    places = text.longest + 1
    if isinstance(old, Const) and isinstance(old.value, str) and old.value:
        places = text.longest // len(old.value)
    return _Bound(longest=text.longest + places * new.longest)


def _largest(parts: list[_Bound]) -> _Bound:
    return _Bound(
        max((part.count for part in parts), default=0),
        max((part.inner for part in parts), default=0),
        max((part.longest for part in parts), default=0),
    )
