"""Rules for the fields that training and serving share: variables, mounts, quantities, labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import reconciler
from reconciler.apps import sizes
from reconciler.apps.messages import list_overridden
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.origin import BUILT_IN, Site, Value
from reconciler.spec.application import Application
from reconciler.spec.model import Dataset
from reconciler.spec.serving import Serving
from reconciler.spec.training import Training
from reconciler.spec.workload import Resources, Volume

__all__ = [
    "check_label_value",
    "check_labels",
    "check_name",
    "check_serving",
    "check_spelling",
    "check_training",
    "check_unique",
]

#: The port of a Service that leads to `serving.port`.
_SERVICE_PORT = 80
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_PROGRAM_LABELS = ("app.kubernetes.io/managed-by", "applyset.kubernetes.io/part-of")


def check_unique(path: str, names: Iterable[Value[str]]) -> Iterator[Diagnostic]:
    """Errors for names that stand twice in a list."""
    first: dict[str, Value[str]] = {}
    for name in names:
        if name.value in first:
            yield error(
                "E_LIST_DUP",
                f"{name.value!r} is used twice",
                name.site,
                path=path,
                related=[Related(first[name.value].site, "first here")],
            )
        first.setdefault(name.value, name)


def check_training(spec: Training, dataset: Dataset | None) -> Iterator[Diagnostic]:
    """The mistakes in the variables, mounts and quantities of `training`. A dataset on a claim is a
    mount of the trainer too."""
    yield from check_unique("training.env", [v.name for v in spec.env])
    mounts = [v.path for v in spec.volumes]
    on_claim = dataset is not None and (dataset.pvc is not None or dataset.claim is not None)
    if dataset is not None and on_claim and dataset.path is not None:
        mounts.insert(0, dataset.path)
    yield from _check_mounts("training.volumes", mounts)
    if spec.shared_memory is not None:
        yield from sizes.check_bytes(spec.shared_memory, "memory", "training.sharedMemory")
        yield from _check_shm(spec.volumes)
    sized: tuple[tuple[str, Resources | None], ...] = (
        ("training", spec.resources),
        ("training.ingest", spec.ingest.resources if spec.ingest is not None else None),
        ("training.evaluate", spec.evaluate.resources if spec.evaluate is not None else None),
    )
    for path, resources in sized:
        yield from sizes.check_resources(resources, f"{path}.resources")
    yield from sizes.check_resources(spec.step_resources, "training.stepResources")


def check_serving(spec: Serving) -> Iterator[Diagnostic]:
    """The mistakes in the variables, host names, mounts and quantities of `serving`."""
    yield from check_unique("serving.env", [v.name for v in spec.env])
    yield from check_unique("serving.hostnames", spec.hostnames)
    yield from _check_mounts("serving.volumes", [v.path for v in spec.volumes])
    yield from sizes.check_resources(spec.resources, "serving.resources")
    yield from _check_ports(spec)


def check_spelling(spec: Application, respelt: Mapping[Site, str]) -> Iterator[Diagnostic]:
    """Errors for variables whose number or boolean would become another text than is written:
    `3.10` would be the text 3.1. `respelt`: as in `layers.document.Document`."""
    if not respelt:
        return
    blocks = (("training.env", spec.training), ("serving.env", spec.serving))
    for path, block in blocks:
        for index, variable in enumerate(block.env if block is not None else ()):
            datum = variable.value.value
            text = "" if isinstance(datum, str) else json.dumps(datum)
            for site in variable.value.origin.sites() if text else ():
                written = respelt.get(site, text)
                if written != text:
                    yield error(
                        "E_NUMBER",
                        f"{variable.name.value} would get the text {text}, and {written} is "
                        "written",
                        variable.value.site,
                        path=f"{path}[{index}].value",
                        related=list_overridden(variable.value.origin),
                        help=f'quote it: "{written}"',
                    )


def _check_ports(spec: Serving) -> Iterator[Diagnostic]:
    """Errors for ports that meet `serving.port` or one another, in the container or the Service."""
    yield from check_unique("serving.ports", [more.name for more in spec.ports])
    taken = {
        (spec.port.value, "TCP"): ("serving.port", spec.port),
        (_SERVICE_PORT, "TCP"): ("the Service's port of serving.port", spec.port),
    }
    for more in spec.ports:
        path = f"serving.ports[name={more.name.value}]"
        if more.name.value == "http":
            yield error(
                "E_LIST_DUP",
                "`http` is the name of `serving.port`",
                more.name.site,
                path=f"{path}.name",
                related=list_overridden(more.name.origin),
                help="choose another name, or set serving.port instead",
            )
        key = (more.port.value, more.protocol.value)
        if key in taken:
            what, other = taken[key]
            yield error(
                "E_LIST_DUP",
                f"the port {key[0]}/{key[1]} is {what} already",
                more.port.site,
                path=f"{path}.port",
                related=[*_first_at(other, what), *list_overridden(more.port.origin)],
                help="give each port a number of its own",
            )
        taken.setdefault(key, (f"{more.name.value} of serving.ports", more.port))


def _first_at(value: Value[int], what: str) -> list[Related]:
    return [] if value.origin is BUILT_IN else [Related(value.site, what)]


def _check_mounts(path: str, mounts: Iterable[Value[str]]) -> Iterator[Diagnostic]:
    yield from check_unique(path, [m.map(lambda text: text.rstrip("/") or "/") for m in mounts])


def _check_shm(volumes: Iterable[Volume]) -> Iterator[Diagnostic]:
    for volume in volumes:
        named = volume.pvc if volume.claim is None else volume.claim
        is_shm = volume.pvc is not None and volume.pvc.value == "shm"
        if is_shm or volume.path.value.rstrip("/") == "/dev/shm":
            yield error(
                "E_LIST_DUP",
                "`sharedMemory` mounts a volume `shm` at /dev/shm, and this one takes its place",
                (named if named is not None else volume.path).site,
                path="training.volumes",
            )


def check_labels(given: Mapping[str, Value[str]]) -> Iterator[Diagnostic]:
    """The mistakes in `labels`, which a user adds to every object of an app."""
    for name, value in given.items():
        path = "labels." + (name if re.fullmatch(r"[\w-]+", name) else f'"{name}"')
        yield from check_name(name, value, "labels", "a label")
        yield from check_label_value(value, path)
        if name in _PROGRAM_LABELS or name.startswith(f"{reconciler.API_DOMAIN}/"):
            yield error(
                "E_LABEL",
                f"the label {name!r} belongs to the program, which finds its objects by it",
                value.site,
                path=path,
                related=list_overridden(value.origin),
                help="choose another name",
            )


def check_name(name: str, at: Value[Any], path: str, what: str) -> Iterator[Diagnostic]:
    """An error when `name` cannot name a label or a resource: an optional DNS prefix with a slash,
    then at most 63 characters. `what` is `a label` or `a resource`."""
    prefix, slash, rest = name.rpartition("/")
    good = _NAME.fullmatch(rest) and (
        not slash or (_PREFIX.fullmatch(prefix) and len(prefix) < 254)
    )
    if not good:
        yield error(
            "E_NAME",
            f"{name!r} cannot be the name of {what}: letters, digits, -, _ and . inside, at most "
            "63 characters, after an optional `prefix.example/`",
            at.site,
            path=path,
        )


def check_label_value(value: Value[str], path: str) -> Iterator[Diagnostic]:
    if _LABEL_VALUE.fullmatch(value.value) is None:
        yield error(
            "E_VALUE",
            "expected a label's value (letters, digits, -, _ and . inside, at most 63 characters), "
            f"found {value.value!r}",
            value.site,
            path=path,
            related=list_overridden(value.origin),
        )
