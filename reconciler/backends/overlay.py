"""Joins what a backend draws of a pod with the overlays of the config.

Lowest first: the overlays of the environment, the group, the pool and the workload, then what the
backend draws. Lists merge by the keys of Kubernetes' own schema; tolerations and envFrom add up,
because each entry stands for itself; any other list is one value. A literal null removes a field of
the levels below, and an element with `$patch: delete` an element, as in Kubernetes' merge patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.apps import overlays
from reconciler.apps.app import App
from reconciler.backends import pod
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.objects.draft import Tree
from reconciler.objects.listkeys import POD_LISTS, keys_of
from reconciler.origin import BUILT_IN, Branch, Items, Node, Origin, Value, plain
from reconciler.spec.environment import Pool
from reconciler.spec.overlay import Overlay

__all__ = ["Parts", "check", "join", "parts_of"]

#: (record, field) of Kubernetes' pod schema.
Lacks: TypeAlias = frozenset[tuple[str, str]]
_UNION = frozenset({"tolerations", "envFrom"})


@dataclass(frozen=True, slots=True)
class Parts:
    """The joined overlays of one pod: `spec` holds fields of the PodSpec, `container` those of the
    main container."""

    spec: Mapping[str, Tree] = field(default_factory=dict)
    container: Mapping[str, Tree] = field(default_factory=dict)
    labels: Mapping[str, Tree] = field(default_factory=dict)
    annotations: Mapping[str, Tree] = field(default_factory=dict)

    def over_spec(self, drawn: dict[str, Tree]) -> dict[str, Tree]:
        """A drawn pod spec with its main container first; the overlay's containers follow it."""
        if not self.spec and not self.container:
            return drawn
        main, *others = drawn["containers"]
        rest = {key: value for key, value in drawn.items() if key != "containers"}
        more = _children(self.spec.get("containers")) or ()
        joined: dict[str, Tree] = join(
            {key: value for key, value in self.spec.items() if key != "containers"}, rest
        )
        return {"containers": [self.over_container(main), *others, *more], **joined}

    def over_container(self, drawn: dict[str, Tree]) -> dict[str, Tree]:
        """A drawn main container."""
        joined: dict[str, Tree] = join(self.container, drawn)
        if "ports" in drawn and "ports" in self.container:
            joined["ports"] = _in_order(drawn["ports"], joined["ports"])
        return {**dict.fromkeys(drawn), **joined}  # what the backend draws stands first

    def metadata(self, labels: Mapping[str, Tree], **annotations: Tree) -> dict[str, Tree]:
        """The metadata of a pod template with the drawn labels and annotations."""
        out: dict[str, Tree] = {"labels": {**self.labels, **labels}}
        if notes := {**self.annotations, **annotations}:
            out["annotations"] = notes
        return out


def parts_of(app: App, pool: Pool | None, own: Overlay | None) -> Parts:
    """The joined overlays of a workload of an app; `own` is that of `training` or `serving`."""
    tree: dict[str, Tree] = {}
    for overlay, _ in _levels(app, pool, own, ""):
        tree = _as_map(join(tree, overlay.tree))
    if not tree:
        return _NOTHING
    blocks = {key: _as_map(tree.pop(key, {})) for key in ("container", "labels", "annotations")}
    return Parts(tree, **blocks)


def _levels(
    app: App, pool: Pool | None, own: Overlay | None, path: str
) -> Iterator[tuple[Overlay, str]]:
    """The overlays of a workload with their paths, lowest first."""
    group = app.spec.group
    name = next((n for n, p in group.pools.items() if pool is not None and p is pool), "")
    levels = (
        (app.spec.environment.pod, "environment.pod"),
        (group.pod, "group.pod"),
        (pool.pod if pool is not None else None, f"group.pools.{name}.pod"),
        (own, path),
    )
    yield from ((overlay, at) for overlay, at in levels if overlay is not None)


def check(app: App, of_job: Lacks, of_server: Lacks) -> Iterator[Diagnostic]:
    """The mistakes in the joined overlays of an app's jobs and servers. `of_job` and `of_server`
    are the fields that the schemas of their kinds lack."""
    training, serving = app.spec.training, app.spec.serving
    if training is not None and app.trains:
        parts = parts_of(app, pod.pool_of(app, training.pool), training.pod)
        yield from _check_removals(app, training.pool, training.pod, "training.pod")
        yield from _check_parts(parts, "training.pod", of_job, training.framework)
        for container in _children(parts.spec.get("containers")) or ():
            name = _as_map(container).get("name")
            if isinstance(name, Value):
                yield error(
                    "E_POD_SIDECAR",
                    f"the container {name.value!r} runs beside the trainer, so the pod, and with "
                    "it the run, would never end",
                    name.site,
                    path="training.pod.containers",
                    help="write it under initContainers with `restartPolicy: Always`: Kubernetes "
                    "then ends it with the trainer",
                )
    if serving is not None and app.serves:
        parts = parts_of(app, pod.pool_of(app, serving.pool), serving.pod)
        yield from _check_removals(app, serving.pool, serving.pod, "serving.pod")
        yield from _check_parts(parts, "serving.pod", of_server, serving.backend)


def _check_parts(
    parts: Parts, path: str, lacks: Lacks, backend: Value[str]
) -> Iterator[Diagnostic]:
    # The backend adds the main container, and its name and image.
    yield from overlays.find_missing({"containers": (), **parts.spec}, "PodSpec", path)
    main = {"name": "", "image": "", **parts.container}
    yield from overlays.find_missing(main, "Container", f"{path}.container")
    both = ((parts.spec, "PodSpec", path), (parts.container, "Container", f"{path}.container"))
    for tree, record, at in both if lacks else ():
        for place, name, site in overlays.find_lacking(tree, record, lacks, at):
            yield error(
                "E_POD_FIELD",
                f"{backend.value} cannot have {name!r} here: the pods of its kind have an older "
                "schema, and the API server refuses the field",
                site,
                path=place,
                related=[Related(backend.site, f"the pods are those of {backend.value}")],
                help="leave it out for this app (`!null`, or `$patch: delete` in an element), or "
                "use another backend",
            )


def _check_removals(
    app: App, pool: Value[str] | None, own: Overlay | None, path: str
) -> Iterator[Diagnostic]:
    """Warnings for a removal of what no level below has."""
    named = app.spec.group.pools.get(pool.value) if pool is not None else None
    tree: dict[str, Tree] = {}
    for overlay, at in _levels(app, named, own, path):
        for step, node in _idle_removals(tree, overlay.tree, at, ""):
            yield warning(
                "W_NO_EFFECT",
                "this removes a part of the pod that no level below has",
                node.origin.site,
                path=step,
                help="delete this line",
            )
        tree = _as_map(join(tree, overlay.tree))


def _idle_removals(low: Tree, high: Tree, path: str, name: str) -> Iterator[tuple[str, Node]]:
    if isinstance(high, Branch):
        below = _as_map(low) if _is_map(low) else {}
        for key, child in high.children.items():
            step = f"{path}.{key}"
            if isinstance(child, Value) and child.value is None and key not in below:
                yield step, child
            yield from _idle_removals(below.get(key), child, step, key)
    elif isinstance(high, Items):
        keys = POD_LISTS.get(name)
        elements = _children(low) or []
        if keys is None:
            return
        found = {keys_of(plain(element), keys): element for element in elements}
        for index, child in enumerate(high.children):
            step = f"{path}[{index}]"
            element = found.get(keys_of(plain(child), keys))
            if _deletes(child) and element is None:
                yield step, child
            yield from _idle_removals(element, child, step, "")


def join(low: Tree, high: Tree, name: str = "") -> Tree:
    """Two trees, of which `high` wins. `name` is the field that they are the values of."""
    if _is_map(low) and _is_map(high):
        if not _as_map(high):
            return low if _as_map(low) else high
        out = _as_map(low)
        for key, child in _as_map(high).items():
            if isinstance(child, Value) and child.value is None:
                out.pop(key, None)
            else:
                out[key] = join(out.get(key, _empty_of(child)), child, key)
        return out
    below, above = _children(low), _children(high)
    if below is not None and above is not None:
        return _join_lists(below, above, name)
    if isinstance(low, Value) and isinstance(high, Value):
        return Value(high.value, _over(high.origin, low.origin))
    return high


def _join_lists(low: list[Tree], high: list[Tree], name: str) -> list[Tree]:
    if name in _UNION:
        seen = [plain(element) for element in low]
        return [*low, *(element for element in high if plain(element) not in seen)]
    keys = POD_LISTS.get(name)
    if keys is None:
        return high
    out = list(low)
    places = {keys_of(plain(element), keys): index for index, element in enumerate(low)}
    gone: set[int] = set()
    for element in high:
        index = places.get(keys_of(plain(element), keys))
        if _deletes(element):
            gone |= set() if index is None else {index}
        elif index is None:
            out.append(element)
        else:
            out[index] = join(out[index], element)
    return [element for index, element in enumerate(out) if index not in gone]


def _in_order(drawn: list[Tree], joined: Tree) -> list[Tree]:
    """Joined ports with the drawn ones first: KServe leads its Service to the first port."""
    keys = POD_LISTS["ports"]
    order = [keys_of(plain(port), keys) for port in drawn]

    def place(port: Tree) -> int:
        key = keys_of(plain(port), keys)
        return order.index(key) if key in order else len(order)

    return sorted(_children(joined) or [], key=place)


def _deletes(element: Tree) -> bool:
    return _is_map(element) and plain(_as_map(element).get("$patch")) == "delete"


def _empty_of(tree: Tree) -> Tree:
    """What a tree is joined with where the levels below have nothing: its removals act too."""
    if _is_map(tree):
        return {}
    return [] if _children(tree) is not None else None


def _over(high: Origin, low: Origin) -> Origin:
    """The chain of the value that won, with the chain of the other under it."""
    under = low
    for link in reversed(list(high.chain())):
        if link is BUILT_IN:
            return high
        under = Origin(
            link.site,
            link.layer,
            link.op,
            link.value,
            under,
            link.through,
            is_scalar=link.is_scalar,
        )
    return under


def _is_map(tree: Any) -> bool:
    return isinstance(tree, Branch | Mapping)


def _as_map(tree: Any) -> dict[str, Tree]:
    return dict(tree.children if isinstance(tree, Branch) else tree)


def _children(tree: Any) -> list[Tree] | None:
    if isinstance(tree, Items):
        return list(tree.children)
    return list(tree) if isinstance(tree, list | tuple) else None


_NOTHING = Parts()
