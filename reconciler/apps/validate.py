"""Merged trees straight into the dataclasses of `spec`, by pydantic's validator.

There are no twin types: the core schema is made from the dataclasses themselves (`apps.shape`), a
leaf keeps its `Value`, and each mistake is mapped back to the winning config line. Only
`pydantic_core` is imported: the rest of pydantic costs more than validating a fleet.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic_core import PydanticCustomError, SchemaValidator, ValidationError, core_schema

from reconciler.apps import shape as shapes
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.objects.quantity import is_quantity
from reconciler.origin import Branch, Items, Node, Origin, SecretRef, Value
from reconciler.spec import constraint

__all__ = ["show", "validate"]

T = TypeVar("T")

_KIND_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def validate(
    cls: type[T], tree: Branch, *, at: str = "", ignore: Iterable[str] = ()
) -> tuple[T | None, tuple[Diagnostic, ...]]:
    """The typed value, or None with every mistake in the tree.

    `at` is the config path of the tree, for messages; keys named in `ignore` are left out (other
    rooms validate them). Cost: about 1 µs a leaf.
    """
    left_out = frozenset(ignore)
    if left_out & tree.children.keys():
        kept = {k: v for k, v in tree.children.items() if k not in left_out}
        tree = Branch(kept, tree.origin, tree.gone)
    try:
        value: T = _validator(cast(type, cls)).validate_python(tree)
    except ValidationError as mistakes:
        found = [_diagnostic(cls, tree, e, at) for e in mistakes.errors(include_url=False)]
        return None, tuple(found)
    return value, ()


# -- building the schema ---------------------------------------------------------------------------


@functools.cache
def _validator(cls: type) -> SchemaValidator:
    return SchemaValidator(_record_schema(shapes.record(cls)))


def _record_schema(record: shapes.Record) -> Any:
    fields = [
        core_schema.dataclass_field(
            field.name,
            _field_schema(field),
            validation_alias=field.alias if field.alias != field.name else None,
            init=True,
        )
        for field in record.fields
    ]
    inner = core_schema.dataclass_schema(
        record.cls,
        core_schema.dataclass_args_schema(record.cls.__name__, fields, extra_behavior="forbid"),
        [field.name for field in record.fields],
        slots=True,
    )
    return core_schema.no_info_before_validator_function(_children_of_map, inner)


def _field_schema(field: shapes.Field) -> Any:
    schema = _schema(field.shape)
    if field.required:
        return schema
    if isinstance(field.shape, shapes.MapOf):
        return core_schema.with_default_schema(schema, default_factory=dict)
    return core_schema.with_default_schema(schema, default=field.default)


def _schema(shape: shapes.Shape) -> Any:
    match shape:
        case shapes.Leaf():
            return core_schema.no_info_plain_validator_function(_leaf_check(shape))
        case shapes.ListOf(item):
            return core_schema.no_info_before_validator_function(
                _children_of_list, core_schema.tuple_variable_schema(_schema(item))
            )
        case shapes.MapOf(item):
            return core_schema.no_info_before_validator_function(
                _children_of_map, core_schema.dict_schema(core_schema.str_schema(), _schema(item))
            )
        case shapes.Record():
            return _record_schema(shape)
        case _:
            return core_schema.any_schema()


def _children_of_map(node: Any) -> Any:
    if isinstance(node, Branch):
        return node.children
    raise PydanticCustomError("shape", "expected a map, found {found}", {"found": show(node)})


def _children_of_list(node: Any) -> Any:
    if isinstance(node, Items):
        return node.children
    raise PydanticCustomError("shape", "expected a list, found {found}", {"found": show(node)})


def _leaf_check(leaf: shapes.Leaf) -> Callable[[Any], Any]:
    kinds = leaf.kinds + ((int,) if float in leaf.kinds and int not in leaf.kinds else ())
    accepted = frozenset(kinds)
    choices = frozenset(leaf.choices)
    checks = tuple(_constraint_check(c) for c in leaf.constraints)
    wanted = _wanted(leaf)

    def check(node: Any) -> Any:
        if type(node) is not Value:
            raise PydanticCustomError(
                "kind", "expected {wanted}, found {found}", {"wanted": wanted, "found": show(node)}
            )
        datum = node.value
        if type(datum) not in accepted:
            raise PydanticCustomError(
                "secret" if type(datum) is SecretRef else "kind",
                "expected {wanted}, found {found}",
                {"wanted": wanted, "found": show(node)},
            )
        if choices and datum not in choices:
            close = difflib.get_close_matches(datum, choices, n=1)
            raise PydanticCustomError(
                "choice",
                "expected {wanted}, found {found}",
                {"wanted": wanted, "found": show(node), "close": close[0] if close else ""},
            )
        for constrained in checks:
            constrained(datum)
        return node

    return check


def _wanted(leaf: shapes.Leaf) -> str:
    if leaf.choices:
        return " or ".join(leaf.choices)
    for item in leaf.constraints:
        if isinstance(item, constraint.QuantityText):
            return "a quantity such as 4, 500m or 8Gi"
    words = [_KIND_WORDS[k] for k in leaf.kinds if k in _KIND_WORDS]
    if SecretRef in leaf.kinds:
        words.append("!secret")
    return " or ".join(words)


def _constraint_check(item: Any) -> Callable[[Any], None]:
    match item:
        case constraint.Pattern(regex, what, longest):
            compiled = re.compile(regex)

            def pattern(datum: Any) -> None:
                if compiled.fullmatch(datum) is None or (longest and len(datum) > longest):
                    raise PydanticCustomError(
                        "pattern",
                        "expected {wanted}, found {found}",
                        {"wanted": what, "found": repr(datum)},
                    )

            return pattern
        case constraint.AtLeast(least):
            return _bound(lambda datum: datum >= least, f"at least {least}")
        case constraint.AtMost(most):
            return _bound(lambda datum: datum <= most, f"at most {most}")
        case constraint.QuantityText():
            return _bound(is_quantity, "a quantity such as 4, 500m or 8Gi")
        case _:
            raise TypeError(f"{item!r} is not a constraint")


def _bound(holds: Callable[[Any], bool], wanted: str) -> Callable[[Any], None]:
    def check(datum: Any) -> None:
        if not holds(datum):
            raise PydanticCustomError(
                "bound",
                "expected {wanted}, found {found}",
                {"wanted": wanted, "found": repr(datum)},
            )

    return check


# -- mapping mistakes back -------------------------------------------------------------------------

_CODES = {
    "missing": "E_MISSING",
    "unexpected_keyword_argument": "E_UNKNOWN_KEY",
    "kind": "E_TYPE",
    "shape": "E_TYPE",
    "secret": "E_SECRET_PLACE",
    "choice": "E_VALUE",
    "pattern": "E_VALUE",
    "bound": "E_VALUE",
}


def _diagnostic(cls: type, tree: Branch, mistake: Mapping[str, Any], at: str) -> Diagnostic:
    steps, node, parent = _follow(tree, tuple(mistake["loc"]))
    path = _spell(at, steps)
    kind = str(mistake["type"])
    code = _CODES.get(kind, "E_VALUE")
    context = mistake.get("ctx") or {}
    if kind == "missing":
        last = steps[-1] if steps else ""
        return error(
            code,
            f"{last!r} is required and no layer sets it",
            parent.origin.site,
            path=_spell(at, steps[:-1]),
            help=f"set {path}",
        )
    origin = node.origin if node is not None else parent.origin
    if kind == "unexpected_keyword_argument":
        return _unknown_key(cls, steps, origin, at)
    hint = f"did you mean {context['close']!r}?" if context.get("close") else ""
    if kind == "secret":
        hint = "a secret can only be the value of an environment variable"
    return error(
        code,
        str(mistake["msg"]),
        origin.site,
        path=path,
        related=_overridden(origin),
        found=show(node) if node is not None else "",
        help=hint,
    )


def _unknown_key(cls: type, steps: tuple[str | int, ...], origin: Origin, at: str) -> Diagnostic:
    record = _record_at(shapes.record(cls), steps[:-1])
    known = [field.alias for field in record.fields] if record is not None else []
    close = difflib.get_close_matches(str(steps[-1]), known, n=1)
    return error(
        "E_UNKNOWN_KEY",
        f"{steps[-1]!r} is not a field of {_spell(at, steps[:-1]) or 'an app'}",
        origin.site,
        path=_spell(at, steps),
        help=f"did you mean {close[0]!r}?" if close else f"known fields: {', '.join(known)}",
    )


def _overridden(origin: Origin) -> list[Related]:
    return [
        Related(link.site, f"below: layer {link.layer} had {link.value!r}")
        if link.is_scalar
        else Related(link.site, f"below: layer {link.layer}")
        for link in list(origin.chain())[1:4]
    ]


def _follow(
    tree: Branch, location: tuple[str | int, ...]
) -> tuple[tuple[str | int, ...], Node | None, Branch | Items]:
    """The steps of an error's location that exist in the tree (pydantic's own words left out),
    the node there, and the nearest map or list around it."""
    steps: list[str | int] = []
    parent: Branch | Items = tree
    node: Node | None = tree
    for step in location:
        if isinstance(node, Branch) and isinstance(step, str):
            parent, node = node, node.children.get(step)
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.children):
            parent, node = node, node.children[step]
        else:
            continue
        steps.append(step)
    return tuple(steps), node, parent


def _record_at(record: shapes.Record | None, steps: tuple[str | int, ...]) -> shapes.Record | None:
    shape: shapes.Shape | None = record
    for step in steps:
        if isinstance(shape, shapes.ListOf | shapes.MapOf):
            shape = shape.item
        elif isinstance(shape, shapes.Record):
            shape = next((f.shape for f in shape.fields if f.alias == step), None)
    return shape if isinstance(shape, shapes.Record) else None


def _spell(at: str, steps: Iterable[str | int]) -> str:
    out = at
    for step in steps:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            name = step if re.fullmatch(r"[^.\[\]\"\s]+", step) else f'"{step}"'
            out += f".{name}" if out else name
    return out


def show(node: Any) -> str:
    """What was found, in a user's words."""
    if isinstance(node, Branch):
        return "a map"
    if isinstance(node, Items):
        return "a list"
    datum = node.value if isinstance(node, Value) else node
    match datum:
        case None:
            return "null"
        case bool():
            return "true" if datum else "false"
        case SecretRef():
            return "a secret"
        case str():
            text = datum if len(datum) <= 40 else datum[:37] + "…"
            return f"the text {text!r}"
        case int() | float():
            return f"the number {datum}"
        case _:
            return type(datum).__name__
