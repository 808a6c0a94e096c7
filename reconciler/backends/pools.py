"""Checks the pools that the workloads of an app name, and that each GPU has a pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.apps.app import App
from reconciler.apps.messages import list_overridden
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.origin import Value
from reconciler.spec.workload import Resources

__all__ = ["check_pools"]


@dataclass(frozen=True, slots=True)
class _Workload:
    """The pool of a workload, and the blocks `resources` of its containers by path."""

    pool: Value[str] | None
    path: str
    sized: tuple[tuple[str, Resources | None], ...]


def check_pools(app: App) -> Iterator[Diagnostic]:
    """Errors for a pool that the group does not have, and for GPUs without a pool that has some.
    Workloads that do not run in the group are left out."""
    for workload in _workloads(app):
        name = workload.pool
        if name is not None and name.value not in app.spec.group.pools:
            yield error(
                "E_POOL_UNKNOWN",
                f"the group {app.group_id} has no pool {name.value!r}",
                name.site,
                path=workload.path,
                related=list_overridden(name.origin),
                help=f"pools of the group: {', '.join(app.spec.group.pools) or 'none'}",
            )
            continue
        for path, resources in workload.sized:
            if resources is not None:
                yield from _check_gpus(app, workload, resources, path)


def _workloads(app: App) -> Iterator[_Workload]:
    training, serving = app.spec.training, app.spec.serving
    if training is not None and app.trains:
        ingest, evaluate = training.ingest, training.evaluate
        yield _Workload(
            training.pool,
            "training.pool",
            (
                ("training.resources", training.resources),
                ("training.ingest.resources", ingest.resources if ingest is not None else None),
                (
                    "training.evaluate.resources",
                    evaluate.resources if evaluate is not None else None,
                ),
                ("training.stepResources", training.step_resources),
            ),
        )
    if serving is not None and app.serves:
        sized = (("serving.resources", serving.resources),)
        yield _Workload(serving.pool, "serving.pool", sized)


def _check_gpus(
    app: App, workload: _Workload, resources: Resources, path: str
) -> Iterator[Diagnostic]:
    number = resources.gpu
    if number is None or number.value <= 0:
        return
    pools = app.spec.group.pools
    able = [name for name, pool in pools.items() if pool.gpu_resource is not None]
    name = workload.pool
    resource = pools[name.value].gpu_resource if name is not None else None
    if resource is not None:
        yield from _check_twice(resources, number, resource, path)
        return
    gpus = "1 GPU is" if number.value == 1 else f"{number.value} GPUs are"
    related = list_overridden(number.origin)
    if name is None:
        message = f"{gpus} asked for, and {workload.path} is not set"
    else:
        message = f"{gpus} asked for, and the pool {name.value!r} has none"
        related = [Related(name.site, f"{workload.path}: {name.value}"), *related]
    some = f"pools of {app.group_id} with GPUs: {', '.join(able)}"
    none = f"no pool of {app.group_id} has `gpuResource`; set it, e.g. nvidia.com/gpu"
    yield error(
        "E_POOL_GPU",
        message,
        number.site,
        path=f"{path}.gpu",
        related=related,
        help=f"set {workload.path}; {some}" if able else none,
    )


def _check_twice(
    resources: Resources, number: Value[int], resource: Value[str], path: str
) -> Iterator[Diagnostic]:
    """Errors for the pool's GPUs that are named beside the short form."""
    for block, amounts in (("requests", resources.requests), ("limits", resources.limits)):
        if (named := amounts.get(resource.value)) is not None:
            yield error(
                "E_EXCLUDES",
                f"{resource.value} is given twice: `{path}.gpu` sets its request and its limit "
                "already",
                named.site,
                path=f'{path}.{block}."{resource.value}"',
                related=[
                    Related(number.site, f"{path}.gpu"),
                    Related(resource.site, "the pool says what a GPU is"),
                ],
                help="leave one of them out (`gpu: null` removes that of a lower layer)",
            )
