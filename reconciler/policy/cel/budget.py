"""How much memory and text an evaluation may take at most, from the sizes of what it reads.

The engine limits loop steps, not the bytes that an expression makes: ten thousand steps that each
join two long texts take gigabytes. So the bytes are estimated before an evaluation, from above: a
text is as long as the longest one that is read, and both branches of a condition are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.policy.cel import syntax
from reconciler.policy.cel.syntax import (
    Call,
    Comprehension,
    Const,
    Ident,
    ListOf,
    MapOf,
    Node,
    Select,
)

__all__ = ["Bytes", "Size", "bound_of", "bytes_of", "texts_read"]

#: The bytes of an element of a list.
_ELEMENT = 64
#: The bytes of an element of each list that a loop leaves behind as it gathers the next one.
_GATHERED = 16
#: Functions whose results hold neither texts nor lists.
_PLAIN = frozenset(
    {
        "_&&_",
        "_||_",
        "!_",
        "_==_",
        "_!=_",
        "_<_",
        "_<=_",
        "_>_",
        "_>=_",
        "@in",
        "_in_",
        "size",
        "type",
    }
    | {
        "startsWith",
        "endsWith",
        "contains",
        "matches",
        "type",
        "indexOf",
        "lastIndexOf",
        "int",
        "uint",
    }
    | {"double", "bool", "hasValue", "isSorted", "isQuantity", "isInteger", "isURL", "sign", "sum"}
    | {"isGreaterThan", "isLessThan", "compareTo", "asInteger", "asApproximateFloat"}
    | {"@not_strictly_false", "__not_strictly_false__", "_-_", "_*_", "_/_", "_%_", "-_"}
    | {"sets.contains", "sets.equivalent", "sets.intersects"}
)


#: Functions that read no text, or compare it at once. `int` reads the digits of a number.
_READ_NO_TEXT = frozenset(
    {"_&&_", "_||_", "!_", "_?_:_", "_[_]", "_?._", "_[?_]", "_?[_]", "_==_", "_!=_", "@in", "_in_"}
    | {"_<_", "_<=_", "_>_", "_>=_", "_-_", "_*_", "_/_", "_%_", "-_", "type", "dyn", "sum"}
    | {"int"}
    | {"or", "orValue", "hasValue", "value", "optional.of", "optional.none", "@not_strictly_false"}
    | {"__not_strictly_false__"}
)


class Size(NamedTuple):
    """The most elements of a list or map, and the longest text, in characters."""

    most: int = 0
    longest: int = 0


class Bytes(NamedTuple):
    """The most bytes of the texts and short lists that an evaluation makes, and of the lists that
    its loops leave behind."""

    made: int
    gathered: int


def texts_read(node: Node) -> frozenset[str] | None:
    """The fields whose texts the functions of an expression read; None where they may read any
    text. Loops, conditions and comparisons read none."""
    fields: set[str] = set()
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, MapOf) and part.entries:
            return None  # It gives a field's name to any text.
        waiting += syntax.children(part)
        if not isinstance(part, Call) or part.function in _READ_NO_TEXT or _appends(part):
            continue
        for operand in syntax.children(part):
            field = _field_of(operand)
            if field is None:
                return None
            fields |= {field} - {""}
    return frozenset(fields)


def _field_of(node: Node) -> str | None:
    """The field that a node selects, "" for a constant, None for anything else."""
    match node:
        case Const():
            return ""
        case Select(test=False):
            return node.field
        case Call(function="_?._", args=(_, Const(value=str() as field))):
            return field
        case Call(function="orValue", target=Call() as target, args=(Const(),)):
            return _field_of(target)
    return None


def _appends(node: Call) -> bool:
    """Whether a call is the step of a loop that gathers a list."""
    first = node.args[0] if node.args else None
    return node.function == "_+_" and isinstance(first, Ident) and first.name.startswith("@")


class _Bound(NamedTuple):
    """Bounds of one value: its elements, the elements of a list inside it, its longest text."""

    number: int = 0
    inner: int = 0
    longest: int = 0

    @property
    def part(self) -> _Bound:
        """The bounds of an element, or of a field."""
        return _Bound(self.inner, self.inner, self.longest)


def bytes_of(node: Node, inputs: Size, steps: int) -> Bytes:
    """The most bytes that evaluating `node` makes, when each name that it reads has the size
    `inputs`. All loops together make at most `steps` steps."""
    return _Estimate(inputs, steps).total(node)


def bound_of(elements: int, most: int, steps: int) -> Bytes:
    """At least what `bytes_of` gives for each expression that makes nothing but lists and maps of
    `elements` elements in a step of its loops, reads values with lists of at most `most` elements,
    and joins neither texts nor lists.

    A loop then runs over a list that was read or made in one step, or gathered from such a list
    with one element a turn, so no list is longer than the longer of both.
    """
    return Bytes(_ELEMENT * elements * steps, _GATHERED * max(elements, most) * steps)


class _Estimate:
    def __init__(self, inputs: Size, steps: int) -> None:
        self._inputs = _Bound(inputs.most, inputs.most, inputs.longest)
        self._steps = steps
        self._bytes = 0
        self._gathered = 0
        self._longest_list = 0

    def total(self, node: Node) -> Bytes:
        self._of(node, {}, 1)
        # The loops share the steps, so the longest list decides how much all of them gather.
        most = _GATHERED * self._longest_list * self._steps
        return Bytes(self._bytes, min(self._gathered, most))

    def _make(self, bound: _Bound, times: int) -> _Bound:
        self._bytes += times * (bound.longest + _ELEMENT * bound.number)
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
            inner = max(largest.number, largest.inner)
            self._bytes += times * _ELEMENT * len(parts)
            return _Bound(len(parts), inner, largest.longest)
        return parts[0].part

    def _loop(self, node: Comprehension, names: Mapping[str, _Bound], times: int) -> _Bound:
        over = self._of(node.range, names, times)
        start = self._of(node.init, names, times)
        turns = max(1, min(over.number, self._steps))
        inside = {**names, node.variable: over.part, node.accumulator: start}
        runs = min(times * turns, self._steps)
        self._of(node.condition, inside, runs)
        step = self._of(node.step, inside, runs)
        added = max(0, step.number - start.number) * turns
        if added:
            self._gathered += max(1, runs // turns) * _GATHERED * added * turns
            self._longest_list = max(self._longest_list, turns)
        gathered = _Bound(start.number + added, max(step.inner, start.inner), step.longest)
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
                if _appends(node):  # What it leaves behind is counted with its loop.
                    return _Bound(left.number + right.number, inner, longest)
                longest = left.longest + right.longest
                return self._make(_Bound(left.number + right.number, inner, longest), times)
            case "_[_]" | "_?._" | "_[?_]" | "_?[_]":
                return first.part
            case "replace" if len(parts) >= 3:
                return self._make(_replaced(first, node.args[0], parts[2]), times)
            case "join":
                apart = parts[1].longest if len(parts) > 1 else 0
                return self._make(_Bound(longest=first.number * (first.longest + apart)), times)
            case "split" | "findAll" | "getQuery":
                most = first.longest + 1
                return self._make(_Bound(most, most, first.longest), times)
            case "_?_:_" | "or" | "orValue" | "dyn" | "optional.of" | "optional.ofNonZeroValue":
                # The condition is no part of the result.
                return _largest(parts[1:]) if node.function == "_?_:_" else largest
        return self._make(largest, times)


def _replaced(text: _Bound, old: Node, new: _Bound) -> _Bound:
    places = text.longest + 1
    if isinstance(old, Const) and isinstance(old.value, str) and old.value:
        places = text.longest // len(old.value)
    return _Bound(longest=text.longest + places * new.longest)


def _largest(parts: list[_Bound]) -> _Bound:
    return _Bound(
        max((part.number for part in parts), default=0),
        max((part.inner for part in parts), default=0),
        max((part.longest for part in parts), default=0),
    )
