"""Turns the validator's findings into messages for users: at the config line that won, with the
lines that it overrode, what is expected, and how to correct it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.apps import shape as shapes
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.origin import Branch, Items, Node, Origin, SecretRef, Value
from reconciler.suggest import did_you_mean, question

__all__ = ["MessageWriter", "list_overridden", "show_node"]

_CODES = {
    "missing": "E_MISSING",
    "unexpected_keyword_argument": "E_UNKNOWN_KEY",
    "kind": "E_TYPE",
    "shape": "E_TYPE",
    "secret": "E_SECRET_PLACE",
    "secret_form": "E_SECRET_REF",
    "choice": "E_VALUE",
    "pattern": "E_VALUE",
    "bound": "E_VALUE",
}


#: Keys of a pod's spec that are written otherwise here.
_AS_IN_PODS = {"valueFrom": "a secret is written value: !secret name/key"}


class MessageWriter:
    """Turns pydantic's findings about one tree into diagnostics.

    `cls` is the dataclass that the tree is validated as. `at` is the config path of the tree, and
    `what` the name of its root in messages (`an app`). `elsewhere` maps a path to more keys that
    are known there, for `did you mean`.
    """

    def __init__(
        self,
        cls: type,
        tree: Branch,
        at: str,
        what: str,
        elsewhere: Mapping[str, Iterable[str]],
    ) -> None:
        self.cls = cls
        self.tree = tree
        self.at = at
        self.what = what
        self.elsewhere = elsewhere

    def write(self, mistake: Mapping[str, Any]) -> Diagnostic:
        """The diagnostic of one finding, an entry of `ValidationError.errors()`."""
        steps, node, parent = _follow(self.tree, tuple(mistake["loc"]))
        path = _spell(self.at, steps)
        kind = str(mistake["type"])
        context = mistake.get("ctx") or {}
        if kind == "missing":
            return self.missing(steps, parent)
        origin = node.origin if node is not None else parent.origin
        if kind == "unexpected_keyword_argument":
            return self.unknown(steps, origin)
        message, found = str(mistake["msg"]), show_node(node) if node is not None else ""
        if kind == "secret":
            message = "a secret cannot stand here: this field is written out as plain text"
        if kind in ("secret", "secret_form"):
            found = "a secret"
        return error(
            _CODES.get(kind, "E_VALUE"),
            message,
            origin.site,
            path=path,
            related=list_overridden(origin),
            found=found,
            help=_hint(kind, context, node),
        )

    def missing(self, steps: tuple[str | int, ...], parent: Branch | Items) -> Diagnostic:
        path = _spell(self.at, steps)
        outer = _record_at(shapes.record(self.cls), steps[:-1])
        field = next((f for f in outer.fields if f.alias == steps[-1]), None) if outer else None
        text = shapes.field_docs(outer.cls).get(field.name, "") if outer and field else ""
        meaning = text.split(". ")[0].rstrip(".")
        layered = self.what == "an app"
        return error(
            "E_MISSING",
            f"`{steps[-1]}` is required here" + (", and no layer sets it" if layered else ""),
            parent.origin.site,
            path=path,
            help=f"set {path}" + (f": {_lower_first(meaning)}" if meaning else ""),
        )

    def unknown(self, steps: tuple[str | int, ...], origin: Origin) -> Diagnostic:
        place = _spell(self.at, steps[:-1])
        record = _record_at(shapes.record(self.cls), steps[:-1])
        known = [field.alias for field in record.fields] if record is not None else []
        known += sorted(self.elsewhere.get(place, ()))
        return error(
            "E_UNKNOWN_KEY",
            f"{steps[-1]!r} is not a field of {place or self.what}",
            origin.site,
            path=_spell(self.at, steps),
            related=list_overridden(origin),
            help=_AS_IN_PODS.get(str(steps[-1]))
            or did_you_mean(str(steps[-1]), known)
            or f"known fields: {', '.join(known)}",
        )


def _lower_first(sentence: str) -> str:
    """The sentence with a small first letter, unless it begins with an acronym."""
    return sentence if sentence[1:2].isupper() else sentence[0].lower() + sentence[1:]


def _hint(kind: str, context: Mapping[str, Any], node: Node | None) -> str:
    datum = node.value if isinstance(node, Value) else None
    if context.get("close"):
        return question(context["close"])
    if kind in ("secret", "secret_form"):
        return (
            "a secret is the value of an environment variable: {name: …, value: !secret name/key}"
        )
    if isinstance(node, Branch) and (reference := node.get("secretKeyRef")) is not None:
        names = (
            [reference.get(key) for key in ("name", "key")] if isinstance(reference, Branch) else []
        )
        words = [str(n.value) for n in names if isinstance(n, Value)]
        return f"write !secret {'/'.join(words) if len(words) == 2 else 'name/key'}"
    if kind == "kind" and isinstance(datum, str):
        wanted = str(context.get("wanted", ""))
        looks_right = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|true|false", datum) is not None
        if looks_right and wanted.startswith(("a whole number", "a number", "true")):
            return f"write {datum} without quotes"
    if kind == "kind" and isinstance(datum, int | float | bool):
        wanted = str(context.get("wanted", ""))
        if "duration" in wanted and not isinstance(datum, bool):
            return f"give it a unit: {datum}s"
        if not wanted.startswith(("a whole number", "a number", "true")):
            return f'quote it: "{show_node(node).split()[-1]}"'
    if kind == "shape" and "list" in str(context.get("wanted", "")) and isinstance(datum, str):
        return f"a list of one: [{datum}]"
    return ""


def list_overridden(origin: Origin) -> list[Related]:
    """The places of the values that a value overrode: the three nearest."""
    return [
        Related(link.site, f"below: layer {link.layer} had {link.value!r}")
        if link.is_scalar
        else Related(link.site, f"below: layer {link.layer}")
        for link in list(origin.chain())[1:4]
    ]


def _follow(
    tree: Branch, location: tuple[str | int, ...]
) -> tuple[tuple[str | int, ...], Node | None, Branch | Items]:
    """The steps of a finding's location that exist in the tree, the node there, and the map or list
    around it. Steps that pydantic adds (names of validators) are left out."""
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


def show_node(node: Any) -> str:
    """A node or datum as a message names it: `a map`, `the text 'x'`, `the number 3`."""
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
