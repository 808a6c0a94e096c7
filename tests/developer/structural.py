"""A small validator of structural OpenAPI v3 schemas, as strict as server-side apply: an unknown
field is a mistake. CEL rules (`x-kubernetes-validations`) are left out."""

import re

_PRIMITIVES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
}
_ANY_INT = {"int32": 2**31, "int64": 2**63}


def mistakes(schema, value, path=""):
    """Every place where `value` breaks `schema`, in words."""
    if schema.get("x-kubernetes-int-or-string"):
        if type(value) not in (int, str):
            yield f"{path}: neither a number nor a text: {value!r}"
        elif "pattern" in schema and not re.search(schema["pattern"], str(value)):
            yield f"{path}: {value!r} does not match {schema['pattern']}"
        return
    kind = schema.get("type")
    if value is None:
        if not schema.get("nullable"):
            yield f"{path}: null"
        return
    if kind and not _is(kind, value):
        yield f"{path}: {value!r} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    yield from _bounds(schema, value, path)
    if isinstance(value, dict):
        yield from _map(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)
    yield from _combined(schema, value, path)


def _is(kind, value):
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _PRIMITIVES[kind])


def _bounds(schema, value, path):
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path}: {value!r} does not match {schema['pattern']}"
        if len(value) > schema.get("maxLength", len(value)):
            yield f"{path}: longer than {schema['maxLength']}"
        if len(value) < schema.get("minLength", 0):
            yield f"{path}: shorter than {schema['minLength']}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value > schema.get("maximum", value) or value < schema.get("minimum", value):
            yield f"{path}: {value} is out of bounds"
        most = _ANY_INT.get(schema.get("format", ""))
        if most is not None and not -most <= value < most:
            yield f"{path}: {value} is no {schema['format']}"


def _map(schema, value, path):
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}: `{name}` is required"
    known = schema.get("properties", {})
    more = schema.get("additionalProperties")
    loose = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("x-kubernetes-embedded-resource"):
        known = {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}, **known}
    for name, child in value.items():
        here = f"{path}.{name}" if path else name
        if name in known:
            inner = known[name]
            if name == "metadata" and not inner.get("properties"):
                continue
            yield from mistakes(inner, child, here)
        elif isinstance(more, dict):
            yield from mistakes(more, child, here)
        elif not loose and more is not True:
            yield f"{here}: unknown field"


def _list(schema, value, path):
    if len(value) > schema.get("maxItems", len(value)) or len(value) < schema.get("minItems", 0):
        yield f"{path}: {len(value)} items"
    if "items" not in schema and schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen = set()
    for index, child in enumerate(value):
        yield from mistakes(schema.get("items", {}), child, f"{path}[{index}]")
        if keys and isinstance(child, dict):
            identity = tuple(str(child.get(key)) for key in keys)
            if identity in seen:
                yield f"{path}[{index}]: {identity} stands twice"
            seen.add(identity)


def _combined(schema, value, path):
    """In a structural schema these only narrow: they define no fields of their own."""
    for part in schema.get("allOf", ()):
        yield from _narrow(part, value, path)
    for word in ("anyOf", "oneOf"):
        parts = schema.get(word)
        if parts and all(list(_narrow(part, value, path)) for part in parts):
            yield f"{path}: breaks every part of {word}"


def _narrow(part, value, path):
    open_ended = {**part, "x-kubernetes-preserve-unknown-fields": True}
    yield from mistakes(open_ended, value, path)
