"""JSON Schemas (2020-12) for editors, made from the dataclasses that validation uses.

A layer holds a part of the values: no key is required in it, null deletes a key, and a text
`${{ … }}` may stand in place of any scalar. A version record is complete, so its keys are required.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import reconciler
from reconciler.apps import overlays, pod_schema
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
    """File name → schema. `capabilities` is the same as in `apps.load`: the blocks of the backends
    are a part of the layer's schema."""
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
            "name": {**text, "description": "The layer's name in messages."},
            "file": {
                **text,
                "description": "The layer's file. {type}, {model}, {environment} and {group} are "
                "filled in.",
            },
            "owner": {**text, "description": "The team that is responsible for the layer."},
            "optional": {"type": "boolean", "description": "The file may be missing."},
            "overrideOnly": {
                "type": "boolean",
                "description": "The layer may change values of lower layers, and add none.",
            },
            "allow": {
                "type": "array",
                "items": text,
                "description": "Path prefixes; the layer may set only paths that begin with one.",
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
                "description": 'The versions of the program that can read this config: ">=0.1".',
            },
            "layers": {"type": "array", "items": layer, "description": "Lowest first."},
            "lists": {
                "type": "object",
                "additionalProperties": strategy,
                "description": "Path pattern → how a layer's list meets the list below. "
                "Without an entry it replaces that list.",
            },
        },
    }


class _Writer:
    """Writes the schemas of dataclasses, each once under `$defs`. `partial`: for a layer."""

    def __init__(self, *, partial: bool) -> None:
        self.partial = partial
        self.definitions: dict[str, dict[str, Any]] = {}

    def schema(self, record: shapes.Record) -> dict[str, Any]:
        docs = shapes.field_docs(record.cls)
        properties = {}
        for field in record.fields:
            base = self.shape(field.shape)
            text = docs.get(field.name)
            default = _default(field.default)
            properties[field.alias] = {
                **base,
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
            case shapes.PodTree():
                return self.pod()
            case shapes.Record(cls, short_form=short):
                name = cls.__name__
                if name not in self.definitions:
                    self.definitions[name] = {}
                    own = self.schema(shape)
                    doc = (cls.__doc__ or "").strip().split("\n\n")[0]
                    if doc and not doc.startswith(f"{name}("):
                        own = {"description": " ".join(doc.split()), **own}
                    self.definitions[name] = own
                reference = {"$ref": f"#/$defs/{name}"}
                if not short:
                    return reference
                scalar = next(field.shape for field in shape.fields if field.alias == short)
                return {"anyOf": [self.shape(scalar), reference]}
            case _:
                return {}

    def pod(self) -> dict[str, Any]:
        """The schema of an overlay: Kubernetes' PodSpec, without what the program sets itself."""
        texts = self.shape(shapes.MapOf(shapes.Leaf((str,))))
        self.overlay("Pod", "PodSpec", overlays.POD_OWNED)
        self.overlay("PodContainer", "Container", overlays.CONTAINER_OWNED)
        properties = self.definitions["Pod"]["properties"]
        properties |= {"labels": texts, "annotations": texts}
        properties["container"] = {"$ref": "#/$defs/PodContainer"}
        return {"$ref": "#/$defs/Pod"}

    def overlay(self, name: str, record: str, owned: Mapping[str, str]) -> None:
        base = self.definitions[self.pod_record(record)]
        fields = {k: v for k, v in base["properties"].items() if k not in owned}
        self.definitions[name] = {**base, "properties": fields}

    def pod_record(self, record: str) -> str:
        """The name of the definition of a record of Kubernetes' schema, which is written once."""
        name = f"k8s.{record}"
        if name not in self.definitions:
            out: dict[str, Any] = {"type": self.types("object"), "additionalProperties": False}
            self.definitions[name] = out
            fields = pod_schema.fields_of(record)
            out["properties"] = {field: self.pod_type(known) for field, known in fields.items()}
        return name

    def pod_type(self, known: pod_schema.Type) -> dict[str, Any]:
        match known.what:
            case "record":
                return {"$ref": f"#/$defs/{self.pod_record(known.record)}"}
            case "list" if known.item is not None:
                return {"type": self.types("array"), "items": self.pod_type(known.item)}
            case "map" if known.item is not None:
                inner = self.pod_type(known.item)
                return {"type": self.types("object"), "additionalProperties": inner}
            case what:
                leaf = shapes.Leaf(overlays.KINDS.get(what, ()), known.choices)
                return self.leaf(leaf) if leaf.kinds else {}

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
    """The default as a scalar; None for a default that is no scalar or an empty text."""
    if isinstance(default, Value):
        default = default.value
    return default if isinstance(default, bool | int | float | str) and default != "" else None
