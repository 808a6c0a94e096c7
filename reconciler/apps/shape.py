"""Reads the dataclasses of `spec` into shapes. Validation and JSON Schemas are both made from these
shapes."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from reconciler.origin import SecretRef, Value
from reconciler.spec.overlay import Overlay

__all__ = [
    "Field",
    "Leaf",
    "ListOf",
    "MapOf",
    "PodTree",
    "Record",
    "Shape",
    "field_docs",
    "find_unknown",
    "record",
]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar. `kinds` are some of bool, int, float, str, SecretRef. With `choices`, only these
    texts are valid."""

    kinds: tuple[type, ...]
    choices: tuple[str, ...] = ()
    constraints: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Shape


@dataclass(frozen=True, slots=True)
class MapOf:
    item: Shape


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    alias: str
    shape: Shape
    required: bool
    default: Any = None


@dataclass(frozen=True, slots=True)
class Record:
    """A map with known fields. With `short_form`, a scalar may stand in its place: it is the value
    of the field of that name."""

    cls: type
    fields: tuple[Field, ...]
    short_form: str = ""


@dataclass(frozen=True, slots=True)
class Anything:
    """A subtree of any content, for example `vars`. It is not validated."""


@dataclass(frozen=True, slots=True)
class PodTree:
    """The fields of a pod. `apps.overlays` checks them."""


Shape = Union[Leaf, ListOf, MapOf, Record, Anything, PodTree]  # noqa: UP007 - forward references above


def _camel(name: str) -> str:
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(word.capitalize() for word in rest)


@functools.cache
def record(cls: type) -> Record:
    """The shape of a dataclass. Raises TypeError for an unknown annotation: a programming mistake,
    which the first test that validates the dataclass finds."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = []
    for field in dataclasses.fields(cls):
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        default = None if field.default is dataclasses.MISSING else field.default
        shape = _shape(hints[field.name], f"{cls.__name__}.{field.name}")
        fields.append(Field(field.name, _camel(field.name), shape, required, default))
    return Record(cls, tuple(fields), getattr(cls, "SHORT_FORM", ""))


def _shape(hint: Any, where: str) -> Shape:
    if hint is Any:
        return Anything()
    if hint is Overlay:
        return PodTree()
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        if len(rest) == 1:
            return _shape(rest[0], where)
    if origin is Value:
        return _leaf(args[0], where)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return ListOf(_shape(args[0], where))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return MapOf(_shape(args[1], where))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return record(hint)
    raise TypeError(f"{where}: {hint!r} is not a shape of a spec")


def _leaf(hint: Any, where: str) -> Leaf:
    constraints: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        constraints = hint.__metadata__
        hint = hint.__origin__
    if get_origin(hint) is Literal:
        return Leaf((str,), tuple(get_args(hint)), constraints)
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if not all(k in (bool, int, float, str, SecretRef) for k in kinds):
        raise TypeError(f"{where}: {hint!r} is not a scalar")
    return Leaf(tuple(kinds), (), constraints)


def mixed(
    cls: type, capabilities: Mapping[str, Mapping[str, type | None]]
) -> Mapping[tuple[str, ...], frozenset[str]]:
    """The paths at which several kinds of scalar are valid, as patterns (`*` any key, `[]` any
    element), with the kinds' names of merge rule M3.6. There a layer may change the kind."""
    out: dict[tuple[str, ...], frozenset[str]] = {}
    _mixed(record(cls), (), out)
    for block, known in capabilities.items():
        for name, options in known.items():
            if options is not None:
                _mixed(record(options), (block, name), out)
    return out


def find_unknown(
    cls: type, capabilities: Mapping[str, Mapping[str, type | None]], path: Sequence[str]
) -> tuple[str, tuple[str, ...]] | None:
    """The first step of a path pattern that no field has, with the steps that are known there. None
    for a path of a field, and for one inside a value of any content."""
    shape: Shape = record(cls)
    for index, step in enumerate(path):
        if isinstance(shape, Record):
            options = capabilities.get(path[0], {}) if index == 1 else {}
            known = {f.alias: f.shape for f in shape.fields}
            known |= {n: record(c) if c is not None else Anything() for n, c in options.items()}
            if step not in known and step != "*":
                return step, tuple(known)
            shape = known.get(step, Anything())
        elif isinstance(shape, ListOf | MapOf):
            shape = shape.item
        elif isinstance(shape, Leaf):
            return step, ()
        else:
            return None
    return None


_KINDS: Mapping[type, str] = {bool: "bool", int: "number", float: "number", str: "string"}


def _mixed(shape: Shape, path: tuple[str, ...], out: dict[tuple[str, ...], frozenset[str]]) -> None:
    match shape:
        case Leaf():
            kinds = frozenset(_KINDS[k] for k in shape.kinds if k in _KINDS)
            if len(kinds) > 1:
                out[path] = kinds
        case ListOf(item):
            _mixed(item, (*path, "[]"), out)
        case MapOf(item):
            _mixed(item, (*path, "*"), out)
        case Record():
            for field in shape.fields:
                _mixed(field.shape, (*path, field.alias), out)
        case _:
            pass


@functools.cache
def field_docs(cls: type) -> Mapping[str, str]:
    """The documentation string under each field of a dataclass. Reads the source file, so only
    schemas, docs and messages use it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    docs: dict[str, str] = {}
    for before, node in itertools.pairwise(body):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            docs[before.target.id] = " ".join(node.value.value.split())
    return docs
