"""Writes `reconciler/apps/pod_schema.json`: the fields of a pod as a real API server publishes them
(`make pod-schema`). A test on the real server holds the file to it.

A type is a text: `text`, `int`, `bool`, `number`, `quantity`, `int-or-text`, `any`; `text:A|B` with
the values that are allowed; the name of a record; `[T]` a list and `[T]name` one whose elements are
matched by `name`; `{T}` a map. A field with `!` is required.
"""

import json
import sys
from pathlib import Path

from tests.controlplane import fixtures, plane, programs

FILE = Path(__file__).resolve().parent.parent / "reconciler/apps/pod_schema.json"
_ROOT = "io.k8s.api.core.v1.PodSpec"
_SCALARS = {"string": "text", "boolean": "bool", "integer": "int", "number": "number"}
_KNOWN = {"Quantity": "quantity", "IntOrString": "int-or-text", "Time": "text", "FieldsV1": "any"}


def records(document):
    """Record → field → type, of everything that a PodSpec holds, from the OpenAPI of `core/v1`."""
    schemas = document["components"]["schemas"]
    found, waiting = {}, [_ROOT]
    while waiting:
        name = waiting.pop()
        if _short(name) in found:
            continue
        schema = schemas[name]
        required = schema.get("required", ())
        fields = {}
        for field, shape in sorted(schema.get("properties", {}).items()):
            fields[field] = _type(shape, waiting) + ("!" if field in required else "")
        found[_short(name)] = fields
    return dict(sorted(found.items()))


def _short(name):
    return name.rpartition(".")[2]


def _type(shape, waiting):
    (reference,) = [part["$ref"] for part in shape.get("allOf", [shape]) if "$ref" in part] or [""]
    if reference:
        name = reference.rpartition("/")[2]
        if _short(name) in _KNOWN:
            return _KNOWN[_short(name)]
        waiting.append(name)
        return _short(name)
    match shape.get("type"):
        case "array":
            return f"[{_type(shape['items'], waiting)}]" + "+".join(
                shape.get("x-kubernetes-list-map-keys", ())
            )
        case "object" if "additionalProperties" in shape:
            return f"{{{_type(shape['additionalProperties'], waiting)}}}"
        case "string" if "enum" in shape:
            return f"text:{'|'.join(shape['enum'])}"
        case kind:
            return _SCALARS.get(kind, "any")


def published(client):
    """The records that a server publishes."""
    answer = client._transport.request("GET", "/openapi/v3/api/v1")
    return records(json.loads(answer.data))


def text(found):
    return json.dumps(found, indent=1) + "\n"


def main():
    running = plane.Plane(
        programs.ensured(lambda line: print(line, file=sys.stderr)), plane.WORKLOAD_CONTROLLERS
    ).start()
    try:
        FILE.write_text(text(published(fixtures.client(running))), encoding="utf-8")
    finally:
        running.stop()


if __name__ == "__main__":
    main()
