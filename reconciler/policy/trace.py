"""Finds the fields of an object that made a CEL expression false.

Used only for expressions that have failed. `&&`, `||`, `!`, `?:` and loops are split, and their
parts are evaluated again, to find the part that failed. A value built from fields (a concatenation,
a map, a variable) is traced back to these fields. For other parts, all fields that the part reads
are named.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.objects.draft import FieldPath, value_at
from reconciler.policy.cel import EvalResult, Program, Values, syntax
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

__all__ = ["find_blame"]

_MOST_STEPS = 20_000
_MOST_ELEMENTS = 64


@dataclass(frozen=True, slots=True)
class _Field:
    """A value that is a field of the object, or would be one: the field may be absent."""

    path: FieldPath


@dataclass(frozen=True, slots=True)
class _Built:
    """A list or map that the expression has built, with the source of each part."""

    parts: Mapping[Any, _Source]


_Source: TypeAlias = "_Field | _Built | None"


@dataclass(frozen=True, slots=True)
class _Bound:
    """The value of a loop variable, and its source."""

    value: Any
    source: _Source


_Scope: TypeAlias = Mapping[str, _Bound]


class _BudgetSpent(Exception):
    """The trace has evaluated as many parts as it may."""


def find_blame(
    program: Program, values: Values, variables: Mapping[str, Program], body: Any
) -> tuple[FieldPath, ...]:
    """The fields that made an expression not true: fields that exist before absent ones, deeper
    fields first. `variables` are the programs of `variables.x`; `body` is the object."""
    tracer = _Tracer(program, values, variables, body, [0])
    found: list[FieldPath] = []
    try:
        for path in tracer.blame(program.parsed.root, True, {}):
            if path not in found:
                found.append(path)
    except (_BudgetSpent, RecursionError):
        pass
    return tuple(sorted((p for p in found if p), key=lambda p: (not _exists(body, p), -len(p))))


def _exists(body: Any, path: FieldPath) -> bool:
    try:
        value_at(body, path)
    except LookupError:
        return False
    return True


class _Tracer:
    def __init__(
        self,
        program: Program,
        values: Values,
        variables: Mapping[str, Program],
        body: Any,
        steps: list[int],
    ) -> None:
        self.program = program
        self.values = values
        self.variables = variables
        self.body = body
        self.steps = steps

    def of_variable(self, node: Node) -> _Tracer | None:
        """The tracer of the expression that `variables.x` stands for."""
        if not isinstance(node, Select) or not isinstance(node.operand, Ident) or node.test:
            return None
        if node.operand.name != "variables" or node.field not in self.variables:
            return None
        program = self.variables[node.field]
        return _Tracer(program, self.values, self.variables, self.body, self.steps)

    def run(self, node: Node, scope: _Scope) -> EvalResult:
        self.steps[0] += 1
        if self.steps[0] > _MOST_STEPS:
            raise _BudgetSpent
        used = syntax.names_of(node) & scope.keys()
        values = self.values
        if used:
            values = values.extended({name: scope[name].value for name in sorted(used)})
        return self.program.run_part(node, values)

    # -- why a value is not the wanted one ---------------------------------------------------------

    def blame(self, node: Node, wanted: bool, scope: _Scope) -> Iterator[FieldPath]:
        """The fields that made a boolean differ from `wanted`. An error differs from both."""
        inner = self.of_variable(node)
        if inner is not None:
            yield from inner.blame(inner.program.parsed.root, wanted, {})
            return
        match node:
            case Call(function="!_"):
                yield from self.blame(node.args[0], not wanted, scope)
            case Call(function="_&&_" | "_||_"):
                for arg in self._guilty(node, wanted, scope):
                    yield from self.blame(arg, wanted, scope)
            case Call(function="_?_:_"):
                yield from self._conditional(node, wanted, scope)
            case Comprehension():
                yield from self._loop(node, wanted, scope)
            case _:
                yield from self.read(node, scope)

    def _guilty(self, node: Call, wanted: bool, scope: _Scope) -> list[Node]:
        """The sides of `&&` or `||` that have the opposite of the wanted value. Without such a
        side: the sides with errors. An error beside a false side is a consequence, as in `has(a) &&
        a.b > 1`."""
        outcomes = [(arg, self.run(arg, scope)) for arg in node.args]
        opposite = [arg for arg, outcome in outcomes if outcome.value is (not wanted)]
        return opposite or [arg for arg, outcome in outcomes if outcome.value is not wanted]

    def _conditional(self, node: Call, wanted: bool, scope: _Scope) -> Iterator[FieldPath]:
        condition = self.run(node.args[0], scope)
        if condition.error:
            yield from self.read(node.args[0], scope)
            return
        found = list(self.blame(node.args[1 if condition.value else 2], wanted, scope))
        yield from found or self.read(node.args[0], scope)

    def _loop(self, node: Comprehension, wanted: bool, scope: _Scope) -> Iterator[FieldPath]:
        """For an `all` that is false: the fields of the elements that break it. For an `exists`
        that is false: the list."""
        predicate = _predicate(node)
        if predicate is None:
            yield from self.read(node, scope)
            return
        function, test = predicate
        if (function == "_||_") is wanted:
            yield from self.read(node.range, scope)
            return
        for bound in self.elements(node.range, scope):
            inner = {**scope, node.variable: bound}
            if self.run(test, inner).value is not wanted:
                yield from self.blame(test, wanted, inner)

    def read(self, node: Node, scope: _Scope) -> Iterator[FieldPath]:
        """Every field that an expression reads."""
        found = list(_fields(self.source(node, scope)))
        if found:
            yield from found
            return
        inner = self.of_variable(node)
        if inner is not None:
            yield from inner.read(inner.program.parsed.root, {})
            return
        if isinstance(node, Select) and node.test:
            operand = self.source(node.operand, scope)
            if isinstance(operand, _Field):
                yield (*operand.path, node.field)
                return
        if isinstance(node, Comprehension):
            yield from self._read_loop(node, scope)
            return
        for child in syntax.children(node):
            yield from self.read(child, scope)

    def _read_loop(self, node: Comprehension, scope: _Scope) -> Iterator[FieldPath]:
        found = False
        for bound in self.elements(node.range, scope):
            inner = {**scope, node.variable: bound, node.accumulator: _Bound(None, None)}
            for path in self.read(node.step, inner):
                found = True
                yield path
        if not found:
            yield from self.read(node.range, scope)

    # -- where a value comes from ------------------------------------------------------------------

    def source(self, node: Node, scope: _Scope) -> _Source:
        inner = self.of_variable(node)
        if inner is not None:
            return inner.source(inner.program.parsed.root, {})
        match node:
            case Ident():
                if node.name in scope:
                    return scope[node.name].source
                return _Field(()) if node.name == "object" else None
            case Select():
                return None if node.test else _part(self.source(node.operand, scope), node.field)
            case Call():
                return self._of_call(node, scope)
            case ListOf():
                return self._of_list(node, scope)
            case MapOf():
                entries = {
                    k.value: self.source(v, scope) for k, v in node.entries if isinstance(k, Const)
                }
                return _Built(entries)
            case Comprehension():
                return self._of_loop(node, scope)
            case _:
                return None

    def _of_call(self, node: Call, scope: _Scope) -> _Source:
        match node.function:
            case "_?._" | "_[_]" | "_[?_]" | "_?[_]":
                index = node.args[1]
                step = index.value if isinstance(index, Const) else self.run(index, scope).value
                return _part(self.source(node.args[0], scope), step)
            case "orValue" | "or" | "value" if node.target is not None:
                return self.source(node.target, scope)
            case "optional.of" | "dyn":
                return self.source(node.args[0], scope)
            case "_?_:_":
                branch = 1 if self.run(node.args[0], scope).value is True else 2
                return self.source(node.args[branch], scope)
            case "_+_":
                return self._of_sum(node, scope)
        return None

    def _of_sum(self, node: Call, scope: _Scope) -> _Source:
        """The concatenation of two lists."""
        parts: list[_Source] = []
        for arg in node.args:
            if not isinstance(self.run(arg, scope).value, list):
                return None
            parts += [bound.source for bound in self.elements(arg, scope)]
        return _Built(dict(enumerate(parts)))

    def _of_list(self, node: ListOf, scope: _Scope) -> _Source:
        parts: list[_Source] = []
        for index, element in enumerate(node.elements):
            source = self.source(element, scope)
            if index in node.optional:
                if not isinstance(source, _Field):
                    return None
                if not _exists(self.body, source.path):
                    continue
            parts.append(source)
        return _Built(dict(enumerate(parts)))

    def _of_loop(self, node: Comprehension, scope: _Scope) -> _Source:
        """`map` and `filter`, and the binding that `optMap` expands to."""
        if isinstance(node.range, ListOf) and not node.range.elements:
            value = self.run(node.init, scope).value
            bound = _Bound(value, self.source(node.init, scope))
            return self.source(node.result, {**scope, node.accumulator: bound})
        appended = _appended_element(node)
        if appended is None:
            return None
        condition, element = appended
        parts: list[_Source] = []
        for bound in self.elements(node.range, scope):
            inner = {**scope, node.variable: bound}
            if condition is None or self.run(condition, inner).value is True:
                parts.append(self.source(element, inner))
        return _Built(dict(enumerate(parts)))

    def elements(self, node: Node, scope: _Scope) -> Iterator[_Bound]:
        """The elements of a list or the keys of a map, each with its source; at most 64.

        The engine goes through a map in an order of its own, another one in each evaluation. So the
        elements of `map` and `filter` are computed one by one here, and not taken from a result."""
        yield from itertools.islice(self._elements(node, scope), _MOST_ELEMENTS)

    def _elements(self, node: Node, scope: _Scope) -> Iterator[_Bound]:
        inner = self.of_variable(node)
        if inner is not None:
            yield from inner.elements(inner.program.parsed.root, {})
            return
        if isinstance(node, Call) and node.function == "_?_:_":
            branch = 1 if self.run(node.args[0], scope).value is True else 2
            yield from self.elements(node.args[branch], scope)
            return
        appended = _appended_element(node) if isinstance(node, Comprehension) else None
        if isinstance(node, Comprehension) and appended is not None:
            condition, element = appended
            for bound in self.elements(node.range, scope):
                within = {**scope, node.variable: bound}
                if condition is None or self.run(condition, within).value is True:
                    value = self.run(element, within).value
                    yield _Bound(value, self.source(element, within))
            return
        value = self.run(node, scope).value
        if isinstance(node, Call) and node.function == "_+_" and isinstance(value, list):
            for arg in node.args:
                yield from self.elements(arg, scope)
            return
        if not isinstance(value, list | dict):
            return
        source = self.source(node, scope)
        for index, item in enumerate(value):
            step = index if isinstance(value, list) else item
            yield _Bound(item, _part(source, step))


def _part(source: _Source, step: Any) -> _Source:
    if isinstance(source, _Field) and isinstance(step, str | int):
        return _Field((*source.path, step))
    if isinstance(source, _Built):
        return source.parts.get(step)
    return None


def _fields(source: _Source) -> Iterator[FieldPath]:
    if isinstance(source, _Field):
        yield source.path
    elif isinstance(source, _Built):
        for part in source.parts.values():
            yield from _fields(part)


def _predicate(node: Comprehension) -> tuple[str, Node] | None:
    """The test of `all` (`&&`) or `exists` (`||`)."""
    step = node.step
    if not isinstance(step, Call) or step.function not in ("_&&_", "_||_"):
        return None
    first = step.args[0]
    if isinstance(first, Ident) and first.name == node.accumulator:
        return step.function, step.args[1]
    return None


def _appended_element(node: Comprehension) -> tuple[Node | None, Node] | None:
    """The condition and the element of `map` or `filter`."""
    step, condition = node.step, None
    if isinstance(step, Call) and step.function == "_?_:_":
        condition, step = step.args[0], step.args[1]
    if not isinstance(step, Call) or step.function != "_+_":
        return None
    addition = step.args[1]
    if isinstance(addition, ListOf) and len(addition.elements) == 1:
        return condition, addition.elements[0]
    return None
