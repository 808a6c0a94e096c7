"""Rules that a schema cannot state: over several fields of one app, and over several units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import reconciler
from reconciler.apps import claims, overlays, sizes, workloads
from reconciler.apps.app import App, Foundation
from reconciler.apps.left_out import find_above
from reconciler.apps.messages import list_overridden
from reconciler.apps.repository import AppFiles, Layout
from reconciler.apps.workloads import check_unique
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.origin import Origin, Site, Value
from reconciler.spec.application import Application
from reconciler.spec.environment import Group
from reconciler.spec.model import VersionRecord
from reconciler.spec.serving import Serving
from reconciler.spec.training import Training
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["check_across", "check_app", "check_digests", "check_group"]


def check_app(
    files: AppFiles,
    spec: Application,
    records: Mapping[str, VersionRecord],
    layout: Layout,
) -> Iterator[Diagnostic]:
    """The mistakes of one app that schemas do not find."""
    if spec.training is not None:
        yield from _check_training(files.model, spec.training, layout)
        yield from workloads.check_training(spec.training, spec.dataset)
    if spec.serving is not None:
        yield from _check_serving(files, spec.serving, records, layout)
        yield from workloads.check_serving(spec.serving)
    yield from check_group(spec.group)
    yield from overlays.check_app(spec)
    yield from _check_slugs(records)
    yield from _check_dataset(spec)
    yield from workloads.check_labels(spec.labels)
    if spec.moved is not None:
        yield from _check_moved(files, spec.moved.from_, layout)


def check_group(spec: Group) -> Iterator[Diagnostic]:
    """The mistakes in the `group:` block of one group."""
    for name, amount in spec.quota.items():
        yield from workloads.check_name(name, amount, "group.quota", "a resource")
    for pool, given in spec.pools.items():
        if given.gpu_resource is not None:
            yield from sizes.check_extended(given.gpu_resource, f"group.pools.{pool}.gpuResource")
        path = f"group.pools.{pool}.nodeSelector"
        for name, value in given.node_selector.items():
            yield from workloads.check_name(name, value, path, "a label")
            yield from workloads.check_label_value(value, f'{path}."{name}"')
    yield from claims.check_group(spec)


def _check_groups(
    model: str, groups: Iterable[Value[str]], path: str, layout: Layout
) -> Iterator[Diagnostic]:
    homes = layout.homes.get(model, frozenset())
    for entry in groups:
        folder = f"environments/{entry.value}"
        if entry.value in homes or (layout.hidden and find_above(folder, layout.hidden)):
            continue
        known = [f"{env}/{group}" for env, group in layout.groups]
        if entry.value not in known:
            yield error(
                "E_GROUP_UNKNOWN",
                f"there is no group {entry.value!r}",
                entry.site,
                path=path,
                help=did_you_mean(entry.value, known) or f"groups: {', '.join(known)}",
            )
        else:
            yield warning(
                "W_RUN_NOWHERE",
                f"{model} is not in the group {entry.value!r}, so nothing runs there",
                entry.site,
                path=path,
                help=f"add environments/{entry.value}/{model}.yaml; it may be empty",
            )


def _check_training(model: str, training: Training, layout: Layout) -> Iterator[Diagnostic]:
    yield from _check_groups(model, training.run_in, "training.runIn", layout)
    yield from check_unique("training.candidates", [c.name for c in training.candidates])
    yield from check_unique("training.schedules", [s.name for s in training.schedules])
    if not training.run_in:
        yield warning(
            "W_RUN_NOWHERE",
            "no group trains this model",
            training.framework.site,
            path="training.runIn",
            help="name the groups as environment/group",
        )
    if len(training.candidates) > 1 and training.select is None:
        yield error(
            "E_MISSING",
            "several candidates need `select` to say which one wins",
            training.candidates[0].name.site,
            path="training.select",
            help="set training.select.metric",
        )
    if training.select is not None:
        wanted, count = training.select.candidates, len(training.candidates) or 1
        if wanted.value > count:
            yield error(
                "E_VALUE",
                f"{wanted.value} candidates must have finished, and there "
                + ("is only one" if count == 1 else f"are only {count}"),
                wanted.site,
                path="training.select.candidates",
                related=list_overridden(wanted.origin),
                help="nothing would ever be published",
            )
    if not training.command:
        yield error(
            "E_VALUE",
            "an empty command would make the controller ask the registry for one",
            training.image.site,
            path="training.command",
            help="name the program to run",
        )


def _check_serving(
    files: AppFiles, serving: Serving, records: Mapping[str, VersionRecord], layout: Layout
) -> Iterator[Diagnostic]:
    yield from _check_groups(files.model, serving.run_in, "serving.runIn", layout)
    if serving.version is not None and serving.traffic:
        first = next(iter(serving.traffic.values()))
        yield error(
            "E_EXCLUDES",
            "`version` and `traffic` exclude each other",
            first.site,
            path="serving.traffic",
            related=[
                Related(serving.version.site, "the version is set here"),
                *list_overridden(first.origin),
            ],
            help="keep the pointer for rollouts, the split for a static test; "
            "`version: null` takes the pointer away",
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
                help=f"{abs(100 - total)} too {'few' if total < 100 else 'many'}; "
                "layers merge this map version by version, `!replace` takes it whole",
            )
        for version, weight in serving.traffic.items():
            path = f"serving.traffic.{version}"
            yield from _check_version(files.model, version, path, weight.origin, records)
    if serving.version is not None:
        named = serving.version
        yield from _check_version(
            files.model, named.value, "serving.version", named.origin, records
        )
    yield from _check_rollout(serving)


def _check_version(
    model: str, version: str, path: str, origin: Origin, records: Mapping[str, VersionRecord]
) -> Iterator[Diagnostic]:
    if version in records:
        return
    known = ", ".join(sorted(records)) or "none yet"
    yield error(
        "E_VERSION_UNKNOWN",
        f"there is no record of version {version!r}: "
        f"models/{model}/versions/{version}.yaml does not exist",
        origin.site,
        path=path,
        related=list_overridden(origin),
        help=did_you_mean(version, records, also=f"recorded: {known}"),
    )


def _check_slugs(records: Mapping[str, VersionRecord]) -> Iterator[Diagnostic]:
    """Errors for versions whose objects would have the same names: dots become dashes there, so
    `v1.0` and `v1-0` would be one object."""
    by_slug: dict[str, VersionRecord] = {}
    for version, record in records.items():
        slug = version.replace(".", "-")
        if slug in by_slug:
            yield error(
                "E_NAME",
                f"versions {by_slug[slug].version.value!r} and {version!r} would have the same "
                "object names",
                record.version.site,
                path="version",
                related=[Related(by_slug[slug].version.site, "the other version")],
                help="name versions so that they differ in more than dots and dashes",
            )
        by_slug.setdefault(slug, record)


def check_digests(records: Mapping[str, VersionRecord]) -> Iterator[Diagnostic]:
    """Errors for two records of one artefact: an approval is bound to a digest, so that of one
    version would be that of the other."""
    first: dict[str, VersionRecord] = {}
    for version, record in records.items():
        other = first.setdefault(record.digest.value, record)
        if other is not record:
            yield error(
                "E_RECORD",
                f"{version} and {other.version.value} have one digest, so they are one artefact",
                record.digest.site,
                path="digest",
                related=[Related(other.digest.site, f"the digest of {other.version.value}")],
                help="delete one of the records, or correct the digest",
            )


def _check_rollout(serving: Serving) -> Iterator[Diagnostic]:
    if serving.rollout is None:
        return
    path = "serving.rollout.steps"
    before: Value[int] | None = None
    paused = True
    for index, step in enumerate(serving.rollout.steps):
        if (step.weight is None) == (step.pause is None):
            given = step.weight if step.weight is not None else serving.rollout.progress_deadline
            yield error(
                "E_ROLLOUT",
                f"step {index + 1} has "
                + ("neither" if step.weight is None else "both")
                + ": a step is either a `weight` or a `pause`",
                given.site if step.weight is not None else _line_near_step(serving),
                path=f"{path}[{index}]",
                help="e.g. [{weight: 10}, {pause: 10m}, {weight: 50}, {pause: 10m}]",
            )
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
            paused = True
            continue
        if before is not None and step.weight.value <= before.value:
            yield error(
                "E_ROLLOUT",
                f"weights rise from step to step; {step.weight.value} follows {before.value}",
                step.weight.site,
                path=path,
                related=[
                    Related(before.site, "the step before"),
                    *list_overridden(step.weight.origin),
                ],
            )
        elif before is not None and not paused:
            yield _no_pause(before, f"{step.weight.value} %", path)
        before, paused = step.weight, False
    if before is not None and not paused and before.value < 100:
        yield _no_pause(before, "all traffic", path)


def _line_near_step(serving: Serving) -> Site:
    """A line near an empty step, which has no line of its own: that of the first leaf of the steps,
    else of `serving.backend`."""
    assert serving.rollout is not None
    for step in serving.rollout.steps:
        leaf = step.pause if step.weight is None else step.weight
        if leaf is not None:
            return leaf.site
    return serving.backend.site


def _no_pause(weight: Value[int], onward: str, path: str) -> Diagnostic:
    return warning(
        "W_ROLLOUT",
        f"no pause follows the weight {weight.value}: the next run goes on to {onward}",
        weight.site,
        path=path,
        help="add {pause: 10m} after it, or leave the step out",
    )


def _check_dataset(spec: Application) -> Iterator[Diagnostic]:
    dataset = spec.dataset
    if dataset is None:
        return
    claim = dataset.claim if dataset.claim is not None else dataset.pvc
    if dataset.uri is not None and claim is not None:
        yield warning(
            "W_DATASET",
            "both a claim and a uri are given; training mounts the claim",
            dataset.uri.site,
            path="dataset.uri",
        )
    if (claim is None) != (dataset.path is None) and dataset.uri is None:
        given = dataset.path if claim is None else claim
        assert given is not None
        other = "claim" if claim is None else "path"
        yield error(
            "E_MISSING",
            "a dataset on a claim needs a `claim` (or `pvc`) and a `path`; "
            + ("neither claim nor pvc is there" if claim is None else "`path` is missing"),
            given.site,
            path=f"dataset.{other}",
            help=f"set dataset.{other}",
        )


def _check_moved(files: AppFiles, origin: Value[str], layout: Layout) -> Iterator[Diagnostic]:
    known = {str(app.id) for app in layout.apps}
    if origin.value.count("/") != 2:
        message = f"expected an app's id, <environment>/<group>/<model>, found {origin.value!r}"
        hint = f"e.g. {files.environment}/{files.group}/<old name>"
    elif origin.value == str(files.id):
        message, hint = "an app cannot be moved from itself", "name the id that it had before"
    elif origin.value in known:
        message = f"{origin.value} still exists: its objects cannot be handed over"
        folder, _, model = origin.value.rpartition("/")
        hint = f"delete environments/{folder}/{model}.yaml in the same commit"
    else:
        return
    related = list_overridden(origin.origin)
    yield error("E_MOVED", message, origin.site, path="moved.from", related=related, help=hint)


def check_across(
    foundations: Sequence[Foundation], apps: Sequence[App]
) -> list[tuple[Diagnostic, tuple[UnitId, ...]]]:
    """The mistakes between units, each with the ids of the units that it affects: reserved or
    shared namespaces, equal ranks, two apps that take over the same objects."""
    out: list[tuple[Diagnostic, tuple[UnitId, ...]]] = []
    homes: dict[tuple[str, str], Foundation] = {}
    members: dict[str, list[UnitId]] = {}
    for app in apps:
        members.setdefault(app.group_id, []).append(app.id)
    for unit in foundations:
        reached = (unit.id, *members.get(unit.group_id, ()))
        namespace = unit.spec.namespace
        own = namespace.value == reconciler.TOOL_NAMESPACE
        if own or namespace.value.startswith("kube-"):
            use = "keeps the tool's own state" if own else "belongs to Kubernetes itself"
            out.append(
                (
                    error(
                        "E_NAMESPACE_RESERVED",
                        f"no group may live in {namespace.value!r}: it {use}",
                        namespace.site,
                        path="group.namespace",
                        related=list_overridden(namespace.origin),
                        help="give the group a namespace of its own",
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
                        related=[
                            Related(first.spec.namespace.site, first.group_id),
                            *list_overridden(namespace.origin),
                        ],
                        help="give each group a namespace of its own",
                    ),
                    both,
                )
            )
    out += _check_ranks(foundations, members)
    out += _check_takeovers(apps)
    return out


def _check_ranks(
    foundations: Iterable[Foundation], members: Mapping[str, list[UnitId]]
) -> Iterator[tuple[Diagnostic, tuple[UnitId, ...]]]:
    """Errors for two environments of the same rank: a promotion needs an order."""
    reached: dict[str, list[UnitId]] = {}
    rungs: dict[int, Foundation] = {}
    for unit in foundations:
        ids = reached.setdefault(unit.environment, [])
        ids += (unit.id, *members.get(unit.group_id, ()))
    reported: set[str] = set()
    for unit in foundations:
        rank = unit.environment_spec.rank
        first = rungs.setdefault(rank.value, unit)
        if first.environment == unit.environment or unit.environment in reported:
            continue
        reported.add(unit.environment)
        yield (
            error(
                "E_RANK",
                f"{first.environment} and {unit.environment} both have rank {rank.value}: "
                "a promotion could not tell which comes first",
                rank.site,
                path="environment.rank",
                related=[Related(first.environment_spec.rank.site, first.environment)],
                help="give each environment a rank of its own",
            ),
            (*reached[unit.environment], *reached[first.environment]),
        )


def _check_takeovers(apps: Iterable[App]) -> Iterator[tuple[Diagnostic, tuple[UnitId, ...]]]:
    takers: dict[str, App] = {}
    for app in apps:
        if app.spec.moved is None:
            continue
        origin = app.spec.moved.from_
        first = takers.setdefault(origin.value, app)
        if first is not app and first.spec.moved is not None:
            yield (
                error(
                    "E_MOVED",
                    f"{first.id} and {app.id} both take the objects of {origin.value}",
                    origin.site,
                    path="moved.from",
                    related=[Related(first.spec.moved.from_.site, str(first.id))],
                    help="let only one app take them: delete `moved` in the other",
                ),
                (first.id, app.id),
            )
