"""Joins what a backend draws of a pod with the overlays of the config.

Lowest first: the overlays of the environment, the group, the pool and the workload, then what the
backend draws. Lists merge by the keys of Kubernetes' own schema; tolerations and envFrom add up,
because each entry stands for itself; any other list is one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.apps import overlays
from reconciler.apps.app import App
from reconciler.backends import pod
from reconciler.diagnostics import Diagnostic, error
from reconciler.objects.draft import Tree
from reconciler.objects.listkeys import POD_LISTS, keys_of
from reconciler.origin import BUILT_IN, Branch, Items, Origin, Value, plain
from reconciler.spec.environment import Pool
from reconciler.spec.overlay import Overlay

__all__ = ["Parts", "check", "join", "parts_of"]

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
        return {**dict.fromkeys(drawn), **joined}  # what the backend draws stands first

    def metadata(self, labels: Mapping[str, Tree], **annotations: Tree) -> dict[str, Tree]:
        """The metadata of a pod template with the drawn labels and annotations."""
        out: dict[str, Tree] = {"labels": {**self.labels, **labels}}
        if notes := {**self.annotations, **annotations}:
            out["annotations"] = notes
        return out


def parts_of(app: App, pool: Pool | None, own: Overlay | None) -> Parts:
    """The joined overlays of a workload of an app; `own` is that of `training` or `serving`."""
    layers = (app.spec.environment.pod, app.spec.group.pod, pool.pod if pool else None, own)
    tree: dict[str, Tree] = {}
    for overlay in layers:
        if overlay is not None:
            tree = join(tree, overlay.tree)
    if not tree:
        return _NOTHING
    blocks = {key: _as_map(tree.pop(key, {})) for key in ("container", "labels", "annotations")}
    return Parts(tree, **blocks)


def check(app: App) -> Iterator[Diagnostic]:
    """The mistakes in the joined overlays of an app's jobs and servers."""
    training, serving = app.spec.training, app.spec.serving
    if training is not None and app.trains:
        parts = parts_of(app, pod.pool_of(app, training.pool), training.pod)
        yield from _check_parts(parts, "training.pod")
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
        yield from _check_parts(
            parts_of(app, pod.pool_of(app, serving.pool), serving.pod), "serving.pod"
        )


def _check_parts(parts: Parts, path: str) -> Iterator[Diagnostic]:
    # The backend adds the main container, and its name and image.
    yield from overlays.find_missing({"containers": (), **parts.spec}, "PodSpec", path)
    main = {"name": "", "image": "", **parts.container}
    yield from overlays.find_missing(main, "Container", f"{path}.container")


def join(low: Tree, high: Tree, name: str = "") -> Tree:
    """Two trees, of which `high` wins. `name` is the field that they are the values of."""
    if _is_map(low) and _is_map(high):
        out = _as_map(low)
        for key, child in _as_map(high).items():
            out[key] = join(out[key], child, key) if key in out else child
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
    for element in high:
        index = places.get(keys_of(plain(element), keys))
        if index is None:
            out.append(element)
        else:
            out[index] = join(out[index], element)
    return out


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
