"""Rules over several fields of one app, and over all apps: what a schema cannot say."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

import reconciler
from reconciler.apps.app import App, Foundation
from reconciler.apps.repository import AppFiles, Layout
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.origin import Origin, Value
from reconciler.spec.application import Application
from reconciler.spec.model import VersionRecord
from reconciler.spec.serving import Serving
from reconciler.spec.training import Training

__all__ = ["across", "check"]


def check(
    files: AppFiles,
    spec: Application,
    records: Mapping[str, VersionRecord],
    layout: Layout,
) -> Iterator[Diagnostic]:
    """Every mistake of one app."""
    if spec.training is not None:
        yield from _training(spec.training, layout)
    if spec.serving is not None:
        yield from _serving(files, spec.serving, records, layout)
    yield from _dataset(spec)


def _groups(groups: Iterable[Value[str]], path: str, layout: Layout) -> Iterator[Diagnostic]:
    known = [f"{env}/{group}" for env, group in layout.groups]
    for entry in groups:
        if entry.value not in known:
            close = difflib.get_close_matches(entry.value, known, n=1)
            yield error(
                "E_GROUP_UNKNOWN",
                f"there is no group {entry.value!r}",
                entry.site,
                path=path,
                help=f"did you mean {close[0]!r}?" if close else f"groups: {', '.join(known)}",
            )


def _training(training: Training, layout: Layout) -> Iterator[Diagnostic]:
    yield from _groups(training.run_in, "training.runIn", layout)
    yield from _unique("training.candidates", [c.name for c in training.candidates])
    yield from _unique("training.schedules", [s.name for s in training.schedules])
    if training.candidates and training.select is None:
        yield error(
            "E_MISSING",
            "several candidates need `select` to say which one wins",
            training.candidates[0].name.site,
            path="training.select",
            help="set training.select.metric",
        )
    if not training.command:
        yield error(
            "E_VALUE",
            "an empty command would make the controller ask the registry for one",
            training.image.site,
            path="training.command",
            help="name the program to run",
        )


def _unique(path: str, names: list[Value[str]]) -> Iterator[Diagnostic]:
    seen: dict[str, Value[str]] = {}
    for name in names:
        if name.value in seen:
            yield error(
                "E_LIST_DUP",
                f"the name {name.value!r} is used twice",
                name.site,
                path=path,
                related=[Related(seen[name.value].site, "first here")],
            )
        seen.setdefault(name.value, name)


def _serving(
    files: AppFiles, serving: Serving, records: Mapping[str, VersionRecord], layout: Layout
) -> Iterator[Diagnostic]:
    yield from _groups(serving.run_in, "serving.runIn", layout)
    if serving.version is not None and serving.traffic:
        first = next(iter(serving.traffic.values()))
        yield error(
            "E_EXCLUDES",
            "`version` and `traffic` exclude each other",
            first.site,
            path="serving.traffic",
            related=[Related(serving.version.site, "the version is set here")],
            help="keep the pointer for rollouts, the split for a static test",
        )
    if serving.traffic:
        total = sum(weight.value for weight in serving.traffic.values())
        if total != 100:
            yield error(
                "E_TRAFFIC",
                f"the weights add up to {total}, not to 100",
                next(iter(serving.traffic.values())).site,
                path="serving.traffic",
                related=[
                    Related(weight.site, f"{version}: {weight.value}")
                    for version, weight in list(serving.traffic.items())[1:]
                ],
            )
        for version, weight in serving.traffic.items():
            yield from _version(files.model, version, weight.origin, records)
    if serving.version is not None:
        yield from _version(files.model, serving.version.value, serving.version.origin, records)
    yield from _rollout(serving)


def _version(
    model: str, version: str, origin: Origin, records: Mapping[str, VersionRecord]
) -> Iterator[Diagnostic]:
    if version in records:
        return
    close = difflib.get_close_matches(version, records, n=1)
    known = ", ".join(sorted(records)) or "none yet"
    yield error(
        "E_VERSION_UNKNOWN",
        f"there is no record of version {version!r}: "
        f"models/{model}/versions/{version}.yaml does not exist",
        origin.site,
        path="serving.version",
        help=f"did you mean {close[0]!r}? recorded: {known}" if close else f"recorded: {known}",
    )


def _rollout(serving: Serving) -> Iterator[Diagnostic]:
    if serving.rollout is None:
        return
    path = "serving.rollout.steps"
    before: Value[int] | None = None
    for step in serving.rollout.steps:
        if (step.weight is None) == (step.pause is None):
            node = step.weight or step.pause
            where = node.site if node is not None else None
            message = "a step is either a `weight` or a `pause`"
            yield error("E_ROLLOUT", message, where, path=path)
            continue
        if step.weight is None:
            assert step.pause is not None
            if before is None:
                yield error(
                    "E_ROLLOUT",
                    "a pause before the first weight has nothing to wait for",
                    step.pause.site,
                    path=path,
                    help="start with a weight",
                )
            continue
        if before is not None and step.weight.value <= before.value:
            yield error(
                "E_ROLLOUT",
                f"weights rise from step to step; {step.weight.value} follows {before.value}",
                step.weight.site,
                path=path,
                related=[Related(before.site, "the step before")],
            )
        before = step.weight


def _dataset(spec: Application) -> Iterator[Diagnostic]:
    dataset = spec.dataset
    if dataset is None or dataset.uri is None or dataset.pvc is None:
        return
    yield warning(
        "W_DATASET",
        "both a claim and a uri are given; training mounts the claim",
        dataset.uri.site,
        path="dataset.uri",
    )


def across(
    foundations: Iterable[Foundation], apps: Iterable[App]
) -> list[tuple[Diagnostic, tuple[str, ...]]]:
    """Mistakes between units: shared namespaces, the tool's own namespace."""
    out: list[tuple[Diagnostic, tuple[str, ...]]] = []
    homes: dict[tuple[str, str], Foundation] = {}
    members: dict[str, list[str]] = {}
    for app in apps:
        members.setdefault(app.group_id, []).append(app.id)
    for unit in foundations:
        reached = (unit.id, *members.get(unit.group_id, ()))
        namespace = unit.spec.namespace
        if namespace.value in (reconciler.TOOL_NAMESPACE, "kube-system", "kube-public"):
            out.append(
                (
                    error(
                        "E_NAMESPACE_RESERVED",
                        f"no group may live in {namespace.value!r}",
                        namespace.site,
                        path="group.namespace",
                    ),
                    reached,
                )
            )
        home = (unit.cluster, namespace.value)
        first = homes.setdefault(home, unit)
        if first is not unit:
            both = (*reached, first.id, *members.get(first.group_id, ()))
            out.append(
                (
                    error(
                        "E_NAMESPACE_SHARED",
                        f"{unit.group_id} and {first.group_id} are both in the namespace "
                        f"{namespace.value!r} of cluster {unit.cluster or 'default'!r}",
                        namespace.site,
                        path="group.namespace",
                        related=[Related(first.spec.namespace.site, first.group_id)],
                        help="give each group a namespace of its own",
                    ),
                    both,
                )
            )
    return out
