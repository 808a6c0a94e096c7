"""A compiled CEL expression as a tree, read from the engine's serialised form.

The form is the public protocol buffer `cel.expr.CheckedExpr` (github.com/google/cel-spec,
proto/cel/expr/checked.proto and syntax.proto). This module reads it without a library, because
nothing else in the program needs protocol buffers. Macros are already expanded, so `all`, `exists`,
`map` and `filter` are comprehensions. Nothing is evaluated here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "DEPTH",
    "Call",
    "Comprehension",
    "Const",
    "Ident",
    "ListOf",
    "MapOf",
    "Node",
    "Parsed",
    "Select",
    "TooDeep",
    "children",
    "depth_of_loops",
    "names_of",
    "parse",
    "selected",
    "wrapped",
]

#: The deepest tree that is read.
DEPTH = 150


class TooDeep(Exception):
    """The expression nests more than 150 levels deep."""


# An expression has thousands of nodes, and a named tuple is made in a third of a dataclass's time.


class Const(NamedTuple):
    raw: bytes
    value: Any


class Ident(NamedTuple):
    raw: bytes
    name: str


class Select(NamedTuple):
    """`operand.field`, or `has(operand.field)` when `test`."""

    raw: bytes
    operand: Node
    field: str
    test: bool


class Call(NamedTuple):
    """A call of a function or an operator: `_&&_`, `!_`, `_?_:_`, `_[_]`, `_?._`, …"""

    raw: bytes
    target: Node | None
    function: str
    args: tuple[Node, ...]


class ListOf(NamedTuple):
    raw: bytes
    elements: tuple[Node, ...]
    optional: frozenset[int]


class MapOf(NamedTuple):
    raw: bytes
    entries: tuple[tuple[Node, Node], ...]


class Comprehension(NamedTuple):
    raw: bytes
    variable: str
    range: Node
    accumulator: str
    init: Node
    condition: Node
    step: Node
    result: Node


Node: TypeAlias = Const | Ident | Select | Call | ListOf | MapOf | Comprehension


class Parsed(NamedTuple):
    """The tree of an expression. `type_url` and `frame` (types and references) are needed to
    evaluate a part of the expression alone."""

    root: Node
    type_url: bytes
    frame: bytes


def parse(serialized: bytes) -> Parsed:
    """The tree of an expression that `Expression.serialize()` has serialised. Raises TooDeep."""
    parts = dict(_fields(serialized))
    checked = list(_fields(parts[2]))
    frame = b"".join(_framed(n, v) for n, v in checked if n in (2, 3))
    expression = next(v for n, v in checked if n == 4)
    return Parsed(_node(expression, 0), parts[1], frame)


def wrapped(parsed: Parsed, node: Node) -> bytes:
    """A part of an expression in the form that `Env.deserialize` reads. Its loop variables become
    free names, whose values the caller must give."""
    return _framed(1, parsed.type_url) + _framed(2, parsed.frame + _framed(4, node.raw))


# -- reading ---------------------------------------------------------------------------------------


def _node(raw: bytes, depth: int) -> Node:
    if depth > DEPTH:
        raise TooDeep
    for number, datum in _fields(raw):
        match number:
            case 3:
                return Const(raw, _constant(datum))
            case 4:
                return Ident(raw, next((d.decode() for n, d in _fields(datum) if n == 1), ""))
            case 5:
                return _select(raw, datum, depth)
            case 6:
                return _call(raw, datum, depth)
            case 7:
                return _list(raw, datum, depth)
            case 8:
                return _map(raw, datum, depth)
            case 9:
                return _comprehension(raw, datum, depth)
    # In this format an empty message means "unset". Only a null constant is that small.
    return Const(raw, None)


def _constant(raw: bytes) -> Any:
    for number, datum in _fields(raw):
        match number:
            case 2:
                return bool(datum)
            case 3:
                return datum - (1 << 64) if datum >= 1 << 63 else datum
            case 5:
                return struct.unpack("<d", datum)[0]
            case 6:
                return datum.decode()
            case 4 | 7:
                return datum
    return None


def _select(raw: bytes, datum: bytes, depth: int) -> Select:
    parts = dict(_fields(datum))
    operand = _node(parts.get(1, b""), depth + 1)
    return Select(raw, operand, parts[2].decode(), bool(parts.get(3, 0)))


def _call(raw: bytes, datum: bytes, depth: int) -> Call:
    target: Node | None = None
    function = ""
    args: list[Node] = []
    for number, part in _fields(datum):
        if number == 1:
            target = _node(part, depth + 1)
        elif number == 2:
            function = part.decode()
        else:
            args.append(_node(part, depth + 1))
    return Call(raw, target, function, tuple(args))


def _list(raw: bytes, datum: bytes, depth: int) -> ListOf:
    elements: list[Node] = []
    optional: set[int] = set()
    for number, part in _fields(datum):
        if number == 1:
            elements.append(_node(part, depth + 1))
        elif isinstance(part, int):
            optional.add(part)
        else:
            optional.update(_packed(part))
    return ListOf(raw, tuple(elements), frozenset(optional))


def _map(raw: bytes, datum: bytes, depth: int) -> MapOf:
    entries: list[tuple[Node, Node]] = []
    for number, part in _fields(datum):
        if number == 2:
            entry = dict(_fields(part))
            key = entry.get(3, b"")
            entries.append((_node(key, depth + 1), _node(entry.get(4, b""), depth + 1)))
    return MapOf(raw, tuple(entries))


def _comprehension(raw: bytes, datum: bytes, depth: int) -> Comprehension:
    parts = dict(_fields(datum))

    def part(number: int) -> Node:
        return _node(parts.get(number, b""), depth + 1)

    return Comprehension(
        raw,
        parts.get(1, b"").decode(),
        part(2),
        parts.get(3, b"").decode(),
        part(4),
        part(5),
        part(6),
        part(7),
    )


# -- the wire format -------------------------------------------------------------------------------


def _fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number and datum, an int for a varint, else bytes."""
    at, end = 0, len(raw)
    while at < end:
        # Nearly every tag and every length fits into one byte: read it without a call.
        tag = raw[at]
        at += 1
        if tag > 0x7F:
            tag, at = _varint(raw, at - 1)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(raw, at)
            yield number, value
            continue
        if wire == 2:
            size = raw[at]
            at += 1
            if size > 0x7F:
                size, at = _varint(raw, at - 1)
        else:
            size = {1: 8, 5: 4}[wire]
        yield number, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _packed(raw: bytes) -> Iterator[int]:
    at = 0
    while at < len(raw):
        value, at = _varint(raw, at)
        yield value


def _framed(number: int, datum: bytes) -> bytes:
    out = bytearray([number << 3 | 2])
    size = len(datum)
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out) + datum


# -- questions -------------------------------------------------------------------------------------


def children(node: Node) -> Iterator[Node]:
    """The direct parts of a node, in order."""
    match node:
        case Select():
            yield node.operand
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.args
        case ListOf():
            yield from node.elements
        case MapOf():
            for key, value in node.entries:
                yield key
                yield value
        case Comprehension():
            yield from (node.range, node.init, node.condition, node.step, node.result)


def names_of(node: Node) -> frozenset[str]:
    """Every name that the expression reads, without its own loop variables."""
    match node:
        case Ident():
            return frozenset({node.name})
        case Comprehension():
            inner = names_of(node.condition) | names_of(node.step) | names_of(node.result)
            inner -= {node.variable, node.accumulator}
            return inner | names_of(node.range) | names_of(node.init)
    out: frozenset[str] = frozenset()
    for child in children(node):
        out |= names_of(child)
    return out


def selected(node: Node, name: str) -> frozenset[str] | None:
    """The fields that are read from a name: `x` for `variables.x`. None when the expression also
    uses the name as a whole, because then it may read any field."""
    if isinstance(node, Ident) and node.name == name:
        return None
    if isinstance(node, Select) and isinstance(node.operand, Ident) and node.operand.name == name:
        return frozenset({node.field})
    out: set[str] = set()
    for child in children(node):
        found = selected(child, name)
        if found is None:
            return None
        out |= found
    return frozenset(out)


def depth_of_loops(node: Node) -> int:
    """The largest number of loops inside each other. `optMap` expands to a loop over an empty list,
    which only binds a name and is not counted."""
    if isinstance(node, Comprehension) and not _is_binding(node):
        inner = max(depth_of_loops(n) for n in (node.condition, node.step))
        outer = max(depth_of_loops(n) for n in (node.range, node.init, node.result))
        return max(inner + 1, outer)
    return max((depth_of_loops(child) for child in children(node)), default=0)


def _is_binding(node: Comprehension) -> bool:
    return isinstance(node.range, ListOf) and not node.range.elements
