"""JSON Schemas (2020-12) for editors, from the same dataclasses that validate.

A layer is a part of the merged values, so nothing is required in it, null deletes, and a text
`${{ … }}` may stand for any scalar. A version record is whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import reconciler
from reconciler.apps import shape as shapes
from reconciler.origin import SecretRef, Value
from reconciler.spec import constraint
from reconciler.spec.application import Application
from reconciler.spec.model import VersionRecord

__all__ = ["documents"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"type": "string", "pattern": r"\$\{\{"}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}

Capabilities = Mapping[str, Mapping[str, type | None]]


def documents(capabilities: Capabilities) -> dict[str, dict[str, Any]]:
    """File name → schema. `capabilities` as `apps.load` takes them: the blocks of the backends in
    use are part of the layer."""
    return {
        "layer.json": _layer(capabilities),
        "layers.json": _layers(),
        "version-record.json": _version_record(),
    }


def _head(name: str, title: str, text: str) -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "$id": f"https://{reconciler.API_DOMAIN}/schemas/{name}",
        "title": title,
        "description": text,
    }


def _layer(capabilities: Capabilities) -> dict[str, Any]:
    writer = _Writer(partial=True)
    schema = writer.schema(shapes.record(Application))
    properties = schema["properties"]
    for block, known in capabilities.items():
        inner = writer.definitions[properties[block]["$ref"].rpartition("/")[2]]
        for name, options in known.items():
            if options is not None:
                own = writer.schema(shapes.record(options))
                inner["properties"][name] = {**own, "description": f"Options of {name}."}
        inner["properties"] = dict(sorted(inner["properties"].items()))
    head = _head("layer.json", "A layer of values", "One file of environments/ or models/.")
    return {**head, **schema, "$defs": dict(sorted(writer.definitions.items()))}


def _version_record() -> dict[str, Any]:
    writer = _Writer(partial=False)
    schema = writer.schema(shapes.record(VersionRecord))
    text = "models/<model>/versions/<version>.yaml: written by the tool, reviewed by people."
    head = _head("version-record.json", "A version record", text)
    return {**head, **schema, "$defs": dict(sorted(writer.definitions.items()))}


def _layers() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    layer = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "file"],
        "properties": {
            "name": {**text, "description": "How messages call the layer."},
            "file": {
                **text,
                "description": "Its file; {type}, {model}, {environment}, {group} are filled in.",
            },
            "owner": {**text, "description": "The team that answers for it."},
            "optional": {"type": "boolean", "description": "The file may be missing."},
            "overrideOnly": {
                "type": "boolean",
                "description": "It may change what layers below set, and add nothing.",
            },
            "allow": {
                "type": "array",
                "items": text,
                "description": "Path prefixes that it may set; nothing else.",
            },
        },
    }
    strategy = {
        "anyOf": [
            {"enum": ["replace", "append", "prepend", "union"]},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["by"],
                "properties": {"by": {**text, "description": "Key fields, joined by +."}},
            },
        ]
    }
    head = _head("layers.json", "The order of layers", "environments/layers.yaml")
    return {
        **head,
        "type": "object",
        "additionalProperties": False,
        "required": ["layers"],
        "properties": {
            "apiVersion": {"const": reconciler.API_VERSION},
            "requires": {
                "type": "string",
                "description": 'The versions of the program that read this: ">=0.1".',
            },
            "layers": {"type": "array", "items": layer, "description": "Lowest first."},
            "lists": {
                "type": "object",
                "additionalProperties": strategy,
                "description": "How lists meet, by path pattern; without an entry they replace.",
            },
        },
    }


class _Writer:
    """Schemas of records, each dataclass once under `$defs`."""

    def __init__(self, *, partial: bool) -> None:
        self.partial = partial
        self.definitions: dict[str, dict[str, Any]] = {}

    def schema(self, record: shapes.Record) -> dict[str, Any]:
        docs = shapes.field_docs(record.cls)
        properties = {}
        for field in record.fields:
            said = self.shape(field.shape)
            text = docs.get(field.name)
            default = _default(field.default)
            properties[field.alias] = {
                **said,
                **({"description": text} if text else {}),
                **({"default": default} if default is not None else {}),
            }
        out: dict[str, Any] = {"type": self.types("object"), "additionalProperties": False}
        required = [f.alias for f in record.fields if f.required]
        if required and not self.partial:
            out["required"] = required
        return {**out, "properties": dict(sorted(properties.items()))}

    def types(self, kind: str) -> Any:
        return [kind, "null"] if self.partial else kind

    def shape(self, shape: shapes.Shape) -> dict[str, Any]:
        match shape:
            case shapes.Leaf():
                return self.leaf(shape)
            case shapes.ListOf(item):
                return {"type": self.types("array"), "items": self.shape(item)}
            case shapes.MapOf(item):
                return {"type": self.types("object"), "additionalProperties": self.shape(item)}
            case shapes.Record(cls):
                name = cls.__name__
                if name not in self.definitions:
                    self.definitions[name] = {}
                    own = self.schema(shape)
                    doc = (cls.__doc__ or "").strip().split("\n\n")[0]
                    if doc and not doc.startswith(f"{name}("):
                        own = {"description": " ".join(doc.split()), **own}
                    self.definitions[name] = own
                return {"$ref": f"#/$defs/{name}"}
            case _:
                return {}

    def leaf(self, leaf: shapes.Leaf) -> dict[str, Any]:
        if leaf.choices:
            if not self.partial:
                return {"enum": list(leaf.choices)}
            return {"anyOf": [{"enum": [*leaf.choices, None]}, _REFERENCE]}
        kinds = sorted({_TYPES[k] for k in leaf.kinds if k is not SecretRef})
        if "number" in kinds and "integer" in kinds:
            kinds.remove("integer")
        types: Any = [*kinds, "null"] if self.partial else kinds
        out: dict[str, Any] = {"type": types if len(types) > 1 else types[0]}
        for item in leaf.constraints:
            out |= _constraint(item, partial=self.partial)
        if self.partial and "string" not in kinds:
            return {"anyOf": [out, _REFERENCE]}
        return out


def _constraint(item: Any, *, partial: bool) -> dict[str, Any]:
    match item:
        case constraint.AtLeast(least):
            return {"minimum": least}
        case constraint.AtMost(most):
            return {"maximum": most}
        case constraint.Pattern(regex, _, longest):
            if partial:
                return {"pattern": rf"^(?:{regex})$|\$\{{\{{"}
            return {"pattern": f"^(?:{regex})$", **({"maxLength": longest} if longest else {})}
        case _:
            return {}


def _default(default: Any) -> Any:
    """A default worth telling: a scalar that is not nothing."""
    if isinstance(default, Value):
        default = default.value
    return default if isinstance(default, bool | int | float | str) and default != "" else None
