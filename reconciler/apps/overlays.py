"""Checks overlays of pods against Kubernetes' schema of pods, and refuses what other fields of the
config set."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.apps import pod_schema
from reconciler.apps.messages import list_overridden, show_node
from reconciler.apps.pod_schema import Type
from reconciler.diagnostics import Diagnostic, error
from reconciler.layers.paths import Strategy
from reconciler.objects.listkeys import POD_LISTS
from reconciler.objects.quantity import is_quantity
from reconciler.origin import Branch, Items, Node, Site, Value
from reconciler.spec.application import Application
from reconciler.spec.environment import Environment, Group
from reconciler.spec.overlay import Overlay
from reconciler.suggest import did_you_mean

__all__ = [
    "CONTAINER_OWNED",
    "KINDS",
    "POD_OWNED",
    "check_app",
    "check_environment",
    "check_group",
    "find_lacking",
    "find_missing",
    "list_strategies",
]

#: Where overlays stand, as path patterns.
_PLACES = (
    ("environment", "pod"),
    ("group", "pod"),
    ("group", "pools", "*", "pod"),
    ("training", "pod"),
    ("serving", "pod"),
)
#: The lists of a container that layers merge by key. `ports` have a key that may be left out, so a
#: layer's list of ports replaces the one below.
_CONTAINER_LISTS = ("env", "volumeMounts", "volumeDevices")
_POD_ONLY = (
    "volumes",
    "imagePullSecrets",
    "hostAliases",
    "resourceClaims",
    "schedulingGates",
    "topologySpreadConstraints",
)

#: Fields of the pod that another field of the config sets.
POD_OWNED = {
    "restartPolicy": "the backend sets it; a framework has an option for it, "
    "e.g. training.kubedl-tfjob.restartPolicy",
    "serviceAccountName": "set group.serviceAccount",
    "serviceAccount": "set group.serviceAccount",
    "activeDeadlineSeconds": "set training.deadline",
    "ephemeralContainers": "they are added to a pod that runs: kubectl debug",
}
#: The same for the main container.
CONTAINER_OWNED = {
    "name": "the backend sets it",
    "image": "set training.image or serving.image",
    "command": "set training.command or serving.command",
    "args": "set training.args or serving.args",
}
_RESOURCES_OWNED = {
    "requests": "set training.resources or serving.resources",
    "limits": "set training.resources or serving.resources",
}
_LABELS_OWNED = ("app.kubernetes.io/name", "app.kubernetes.io/managed-by")
_DOMAIN = "ml-reconciler.dev/"
#: The names that backends give the main container.
_MAIN = frozenset({"main", "server", "trainer", "tensorflow", "pytorch", "kserve-container"})
_WORDS = {
    "text": "a text",
    "int": "a whole number",
    "bool": "true or false",
    "number": "a number",
    "quantity": "a quantity such as 4, 500m or 8Gi",
    "int-or-text": "a whole number or a text",
}
#: Scalar type → the Python types of its data.
KINDS: Mapping[str, tuple[Any, ...]] = {
    "text": (str,),
    "int": (int,),
    "bool": (bool,),
    "number": (int, float),
    "quantity": (str, int, float),
    "int-or-text": (int, str),
}
_INT64 = range(-(2**63), 2**63)


@functools.cache
def list_strategies() -> Mapping[tuple[str, ...], Strategy]:
    """How the lists of overlays meet those of lower layers: by the keys of the pod's schema."""
    out: dict[tuple[str, ...], Strategy] = {}
    for place in _PLACES:
        for name in _POD_ONLY:
            out[*place, name] = Strategy("by", POD_LISTS[name])
        containers = [(*place, "container")]
        for name in ("containers", "initContainers"):
            out[*place, name] = Strategy("by", POD_LISTS[name])
            containers.append((*place, name, "[]"))
        for container in containers:
            for name in _CONTAINER_LISTS:
                out[*container, name] = Strategy("by", POD_LISTS[name])
            out[*container, "resources", "claims"] = Strategy("by", POD_LISTS["claims"])
    return out


def check_environment(spec: Environment) -> Iterator[Diagnostic]:
    """The mistakes in the overlay of an environment."""
    yield from _check(spec.pod, "environment.pod")


def check_group(spec: Group) -> Iterator[Diagnostic]:
    """The mistakes in the overlays of a group and of its pools."""
    yield from _check(spec.pod, "group.pod")
    for name, pool in spec.pools.items():
        yield from _check(pool.pod, f"group.pools.{name}.pod")


def check_app(spec: Application) -> Iterator[Diagnostic]:
    """The mistakes in the overlays of an app, those of its environment and group included."""
    yield from check_environment(spec.environment)
    yield from check_group(spec.group)
    if spec.training is not None:
        yield from _check(spec.training.pod, "training.pod")
    if spec.serving is not None:
        yield from _check(spec.serving.pod, "serving.pod")


def find_missing(tree: Any, record: str, path: str) -> Iterator[Diagnostic]:
    """Errors for fields that the schema requires and that the joined overlays of a pod leave out.
    `tree` holds fields of the record, as nodes or as dicts and lists of nodes."""
    children: Mapping[str, Any] = tree.children if isinstance(tree, Branch) else tree
    fields = pod_schema.fields_of(record)
    absent = [name for name, known in fields.items() if known.required and name not in children]
    if record == "Container" and "image" not in children:
        absent.append("image")
    site = _site_of(tree)
    for name in absent if site is not None else ():
        yield error(
            "E_MISSING",
            f"`{name}` is required here, and no overlay sets it",
            site,
            path=_join(path, name),
            help=f"set {name}",
        )
    for inner, child, at in _records_inside(children, fields, path):
        yield from find_missing(child, inner, at)


def find_lacking(
    tree: Any, record: str, lacks: frozenset[tuple[str, str]], path: str
) -> Iterator[tuple[str, str, Site]]:
    """(path, field, place) of each field of joined overlays that a kind's own schema lacks. `lacks`
    holds (record, field). Built-in values are not looked at."""
    children: Mapping[str, Any] = tree.children if isinstance(tree, Branch) else tree
    for name, child in children.items():
        site = _site_of(child) if (record, name) in lacks else None
        if site is not None:
            yield _join(path, name), name, site
    for inner, child, at in _records_inside(children, pod_schema.fields_of(record), path):
        yield from find_lacking(child, inner, lacks, at)


def _records_inside(
    children: Mapping[str, Any], fields: Mapping[str, Type], path: str
) -> Iterator[tuple[str, Any, str]]:
    """(record, map, path) of each map that stands in a field, alone or in a list."""
    for name, child in children.items():
        known = fields.get(name)
        inner = known.item if known is not None and known.what == "list" else known
        if known is None or inner is None or inner.what != "record":
            continue
        place = _join(path, name)
        is_list = known.what == "list"
        for index, element in enumerate(_elements(child) if is_list else [child]):
            if isinstance(element, Branch | Mapping):
                yield inner.record, element, f"{place}[{index}]" if is_list else place


def _elements(tree: Any) -> Sequence[Any]:
    return tree.children if isinstance(tree, Items) else tree


def _site_of(tree: Any) -> Site | None:
    """The place of a map: its own, or that of its first leaf."""
    if isinstance(tree, Branch | Items | Value):
        return tree.origin.site
    inside = tree.values() if isinstance(tree, Mapping) else tree
    return next((site for child in inside if (site := _site_of(child)) is not None), None)


def _check(overlay: Overlay | None, path: str) -> Iterator[Diagnostic]:
    if overlay is None:
        return
    own = {"container": Type("record", "Container")}
    own |= dict.fromkeys(("labels", "annotations"), Type("map", item=Type("text")))
    fields = {**pod_schema.fields_of("PodSpec"), **own}
    yield from _check_fields(overlay.tree, fields, path, POD_OWNED)
    yield from _check_metadata(overlay.tree, path)
    containers = overlay.tree.get("containers")
    for element in containers.children if isinstance(containers, Items) else ():
        name = element.get("name") if isinstance(element, Branch) else None
        if isinstance(name, Value) and name.value in _MAIN:
            yield error(
                "E_POD_OWNED",
                f"{name.value!r} is the name of the main container",
                name.site,
                path=f"{path}.containers",
                related=list_overridden(name.origin),
                help=f"its fields stand under {path}.container",
            )


def _check_metadata(tree: Branch, path: str) -> Iterator[Diagnostic]:
    for block in ("labels", "annotations"):
        node = tree.get(block)
        for key, child in node.children.items() if isinstance(node, Branch) else ():
            if key.startswith(_DOMAIN) or (block == "labels" and key in _LABELS_OWNED):
                yield _owned(f"{path}.{block}", key, child, "the program finds its objects by it")


def _check_fields(
    node: Branch, fields: Mapping[str, Type], path: str, owned: Mapping[str, str]
) -> Iterator[Diagnostic]:
    for key, child in node.children.items():
        place = _join(path, key)
        known = fields.get(key)
        if _removes(path, key, child):
            continue
        if known is None:
            yield error(
                "E_UNKNOWN_KEY",
                f"{key!r} is not a field of {path}",
                child.origin.site,
                path=place,
                related=list_overridden(child.origin),
                help=("write $patch: delete" if key == "$patch" else "")
                or _find_home(path, key)
                or did_you_mean(key, fields)
                or f"known fields: {', '.join(sorted(fields))}",
            )
        elif key in owned:
            yield _owned(path, key, child, owned[key])
        else:
            inner = _owned_inside(path, key)
            yield from _check_node(child, known, place, inner)


def _removes(path: str, key: str, node: Node) -> bool:
    """Whether a field removes what a level below has: a literal null, or `$patch: delete` in an
    element of a list."""
    datum = node.value if isinstance(node, Value) else ...
    return datum is None or (path.endswith("]") and (key, datum) == ("$patch", "delete"))


def _find_home(path: str, key: str) -> str:
    """Where a field belongs that stands in the pod and is one of the container, or the reverse."""
    if path.endswith(".pod") and key in pod_schema.fields_of("Container"):
        return f"write it under {path}.container"
    if path.endswith(".pod.container") and key in pod_schema.fields_of("PodSpec"):
        return f"write it under {path.removesuffix('.container')}"
    return ""


def _owned_inside(path: str, key: str) -> Mapping[str, str]:
    """What is owned inside a field of an overlay."""
    if key == "container" and path.endswith(".pod"):
        return CONTAINER_OWNED
    if key == "resources" and path.endswith(".pod.container"):
        return _RESOURCES_OWNED
    return {}


def _owned(path: str, key: str, node: Node, help_text: str) -> Diagnostic:
    return error(
        "E_POD_OWNED",
        f"the program sets {key!r} itself",
        node.origin.site,
        path=_join(path, key),
        related=list_overridden(node.origin),
        help=help_text,
    )


def _check_node(
    node: Node, known: Type, path: str, owned: Mapping[str, str]
) -> Iterator[Diagnostic]:
    if known.what == "any":
        return
    if known.what == "record":
        if isinstance(node, Branch):
            yield from _check_fields(node, pod_schema.fields_of(known.record), path, owned)
        else:
            yield _wrong(node, "a map", path)
        return
    assert known.what not in ("list", "map") or known.item is not None
    if known.what == "map":
        assert known.item is not None
        if not isinstance(node, Branch):
            yield _wrong(node, "a map", path)
            return
        for key, child in node.children.items():
            if not _removes(path, key, child):
                yield from _check_node(child, known.item, _join(path, key), {})
    elif known.what == "list":
        assert known.item is not None
        if not isinstance(node, Items):
            yield _wrong(node, "a list", path)
            return
        yield from _check_keys(node, known, path)
        for index, child in enumerate(node.children):
            yield from _check_node(child, known.item, f"{path}[{index}]", {})
    else:
        yield from _check_scalar(node, known, path)


def _check_keys(node: Items, known: Type, path: str) -> Iterator[Diagnostic]:
    """Errors for elements without the keys by which they are matched, and with equal keys."""
    first: dict[tuple[object, ...], Node] = {}
    for index, child in enumerate(node.children):
        if not isinstance(child, Branch) or not known.keys:
            continue
        found = tuple(
            value.value if isinstance(value := child.get(key), Value) else None
            for key in known.keys
        )
        if found[0] is None:
            yield error(
                "E_MISSING",
                f"`{known.keys[0]}` is required here",
                child.origin.site,
                path=f"{path}[{index}]",
                help=f"elements of this list are matched by {' and '.join(known.keys)}",
            )
        elif found in first:
            yield error(
                "E_LIST_DUP",
                f"{found[0]!r} is used twice",
                child.origin.site,
                path=f"{path}[{index}]",
            )
        first.setdefault(found, child)


def _check_scalar(node: Node, known: Type, path: str) -> Iterator[Diagnostic]:
    datum: Any = node.value if isinstance(node, Value) else None
    if type(datum) not in KINDS[known.what]:
        yield _wrong(node, _WORDS[known.what], path)
        return
    if known.choices and datum not in known.choices:
        yield _wrong(node, " or ".join(known.choices), path, did_you_mean(datum, known.choices))
    if known.what == "quantity" and not is_quantity(datum):
        yield _wrong(node, _WORDS["quantity"], path)
    if isinstance(datum, int) and known.what == "int" and datum not in _INT64:
        yield _wrong(node, "a number of at most 64 bits", path)


def _wrong(node: Node, wanted: str, path: str, help_text: str = "") -> Diagnostic:
    found = show_node(node)
    datum = node.value if isinstance(node, Value) else None
    if not help_text and wanted == _WORDS["text"] and isinstance(datum, int | float | bool):
        help_text = f'quote it: "{found.split()[-1]}"'
    if not help_text and isinstance(datum, str) and re.fullmatch(r"-?\d+|true|false", datum):
        help_text = f"write {datum} without quotes"
    if wanted == "a list" and isinstance(node, Branch):
        help_text = "write each entry behind a dash: `- …`"
    return error(
        "E_TYPE" if not (isinstance(datum, str) and " or " in wanted) else "E_VALUE",
        f"expected {wanted}, found {found}",
        node.origin.site,
        path=path,
        related=list_overridden(node.origin),
        found=found,
        help=help_text,
    )


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if re.fullmatch(r'[^.\[\]"\s]+', key) else f'{path}."{key}"'
