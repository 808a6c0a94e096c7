"""Puts the claims of a group in place of their logical names: `claim: models` becomes the
PersistentVolumeClaim that `group.claims.models` names, and `claim://models/v1` its `pvc://` URI.

A value that comes of this names the line in `group.claims` and, in `through`, the line that asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from reconciler.apps.app import App
from reconciler.apps.messages import list_overridden
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.objects.key import is_dns_label, is_object_name
from reconciler.objects.quantity import amount
from reconciler.origin import Value, derive
from reconciler.spec.application import Application
from reconciler.spec.environment import Claim, Group
from reconciler.spec.model import Dataset, Storage, VersionRecord
from reconciler.spec.workload import Volume

__all__ = [
    "Reference",
    "check_group",
    "check_named_once",
    "list_mounts",
    "list_references",
    "refer_of_uri",
    "resolve",
    "resolve_record",
]

_SCHEME = "claim://"
_Named = TypeVar("_Named", Dataset, Storage, Volume)


@dataclass(frozen=True, slots=True)
class Reference:
    """A use of a claim's logical name. `at` is the value that names the claim, `path` the config
    path of that value."""

    name: str
    at: Value[Any]
    path: str


# -- putting claims in place -----------------------------------------------------------------------


def resolve(spec: Application) -> Application:
    """The values of an app with the group's claims in place of logical names. A name that the group
    does not have stays without a claim; `backends.claims` reports it where it is used."""
    group = spec.group
    if not group.claims:
        return spec
    dataset, training, serving, versions = spec.dataset, spec.training, spec.serving, spec.versions
    if dataset is not None:
        uri = dataset.uri if dataset.uri is None else _resolve_uri(group, dataset.uri)
        dataset = replace(_resolve(group, dataset), uri=uri)
    if training is not None and training.volumes:
        mounts = tuple(_resolve(group, volume) for volume in training.volumes)
        training = replace(training, volumes=mounts)
    if serving is not None and serving.volumes:
        mounts = tuple(_resolve(group, volume) for volume in serving.volumes)
        serving = replace(serving, volumes=mounts)
    if versions is not None and versions.storage is not None:
        versions = replace(versions, storage=_resolve(group, versions.storage))
    return replace(spec, dataset=dataset, training=training, serving=serving, versions=versions)


def resolve_record(group: Group, record: VersionRecord) -> VersionRecord:
    """The record with the group's claim in place of a logical name in `storageUri`."""
    uri = record.storage_uri
    if uri is None or not uri.value.startswith(_SCHEME):
        return record
    return replace(record, storage_uri=_resolve_uri(group, uri))


def _resolve(group: Group, one: _Named) -> _Named:
    name = one.claim
    entry = group.claims.get(name.value) if name is not None else None
    if name is None or entry is None or one.pvc is not None:
        return one
    return replace(one, pvc=derive(entry.claim.value, entry.claim, name))


def _resolve_uri(group: Group, uri: Value[str]) -> Value[str]:
    name, slash, path = uri.value.removeprefix(_SCHEME).partition("/")
    entry = group.claims.get(name) if uri.value.startswith(_SCHEME) else None
    if entry is None:
        return uri
    return derive(f"pvc://{entry.claim.value}{slash}{path}", entry.claim, uri)


# -- who asks --------------------------------------------------------------------------------------


def list_references(app: App) -> Iterator[Reference]:
    """The logical names that an app uses in its group: those of its training where it trains, those
    of its volumes where it serves. The URIs of its records are `refer_of_uri`'s."""
    spec = app.spec
    if app.trains and spec.training is not None:
        if spec.dataset is not None:
            yield from _named("dataset", spec.dataset)
            yield from refer_of_uri("dataset.uri", app.find("dataset.uri"))
        for index, volume in enumerate(spec.training.volumes):
            yield from _named(f"training.volumes[{index}]", volume)
        if spec.versions is not None and spec.versions.storage is not None:
            yield from _named("versions.storage", spec.versions.storage)
    if app.serves and spec.serving is not None:
        for index, volume in enumerate(spec.serving.volumes):
            yield from _named(f"serving.volumes[{index}]", volume)


def refer_of_uri(path: str, uri: Any) -> Iterator[Reference]:
    """The claim that a URI of the files names by its logical name; none for any other URI."""
    if isinstance(uri, Value) and str(uri.value).startswith(_SCHEME):
        yield Reference(uri.value.removeprefix(_SCHEME).partition("/")[0], uri, path)


def _named(path: str, one: Dataset | Storage | Volume) -> Iterator[Reference]:
    if one.claim is not None:
        yield Reference(one.claim.value, one.claim, f"{path}.claim")


def list_mounts(app: App) -> Iterator[tuple[str, Volume]]:
    """The claims that the app's pods mount in its group, each with the block (`training` or
    `serving`) whose pods these are."""
    spec = app.spec
    if app.trains and spec.training is not None:
        dataset = spec.dataset
        if dataset is not None and dataset.pvc is not None and dataset.path is not None:
            yield "training", Volume(dataset.path, dataset.pvc)
        yield from (("training", volume) for volume in spec.training.volumes)
    if app.serves and spec.serving is not None:
        yield from (("serving", volume) for volume in spec.serving.volumes)


# -- checks ----------------------------------------------------------------------------------------


def check_named_once(spec: Application) -> Iterator[Diagnostic]:
    """Errors for a claim that is named both physically and logically, and for a volume that names
    none."""
    blocks: list[tuple[str, Dataset | Storage | Volume | None]] = [("dataset", spec.dataset)]
    if spec.versions is not None:
        blocks.append(("versions.storage", spec.versions.storage))
    for block, given in (("training", spec.training), ("serving", spec.serving)):
        for index, volume in enumerate(given.volumes if given is not None else ()):
            blocks.append((f"{block}.volumes[{index}]", volume))
            if volume.pvc is None and volume.claim is None:
                yield error(
                    "E_MISSING",
                    "a volume needs `claim` or `pvc`, and has neither",
                    volume.path.site,
                    path=f"{block}.volumes[{index}]",
                    related=list_overridden(volume.path.origin),
                    help="name the claim: {claim: <a name of group.claims>, path: …}, or {pvc: …}",
                )
    for path, one in blocks:
        if one is not None and one.pvc is not None and one.claim is not None:
            yield error(
                "E_EXCLUDES",
                "`pvc` and `claim` exclude each other",
                one.claim.site,
                path=f"{path}.claim",
                related=[
                    Related(one.pvc.site, f"pvc: {one.pvc.value}"),
                    *list_overridden(one.claim.origin),
                ],
                help="keep `claim`, an entry of group.claims, or `pvc`, a claim of the namespace; "
                "`pvc: null` takes a lower layer's away",
            )


def check_group(group: Group) -> Iterator[Diagnostic]:
    """The mistakes in `group.claims`."""
    created: dict[str, Value[str]] = {}
    for name, entry in group.claims.items():
        path = f"group.claims.{name}"
        if not is_dns_label(name):
            yield error(
                "E_NAME",
                f"{name!r} cannot be the name of a claim: a-z, 0-9 and - inside, at most 63 "
                "characters",
                entry.claim.site,
                path=path,
                help="rename the entry; `claim: …` and `claim://…` name it",
            )
        yield from _check_modes(entry, path)
        if entry.create is None:
            continue
        first = created.setdefault(entry.claim.value, entry.claim)
        if first is not entry.claim:
            yield error(
                "E_NAME_CLASH",
                f"two entries create the claim {entry.claim.value!r}",
                entry.claim.site,
                path=f"{path}.claim",
                related=[Related(first.site, "the other entry")],
                help="leave `create` out of one of them: two names may stand for one claim",
            )
        yield from _check_creation(entry, path)


def _check_modes(entry: Claim, path: str) -> Iterator[Diagnostic]:
    modes = [mode.value for mode in entry.access_modes]
    if not modes:
        yield error(
            "E_VALUE",
            "a claim needs at least one access mode",
            entry.claim.site,
            path=f"{path}.accessModes",
            help="e.g. [ReadWriteMany], which is the default",
        )
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        alone = entry.access_modes[modes.index("ReadWriteOncePod")]
        yield error(
            "E_EXCLUDES",
            "ReadWriteOncePod excludes every other access mode",
            alone.site,
            path=f"{path}.accessModes",
            help="leave out ReadWriteOncePod, or the others",
        )


def _check_creation(entry: Claim, path: str) -> Iterator[Diagnostic]:
    assert entry.create is not None
    size, storage_class = entry.create.size, entry.create.storage_class
    if amount(size.value) <= 0:
        yield error(
            "E_VALUE",
            f"a claim of size {size.value} holds nothing",
            size.site,
            path=f"{path}.create.size",
            related=list_overridden(size.origin),
            help="e.g. 100Gi",
        )
    if storage_class is not None and not is_object_name(storage_class.value):
        yield error(
            "E_NAME",
            f"{storage_class.value!r} cannot be the name of a StorageClass: RFC 1123, at most 253 "
            "characters",
            storage_class.site,
            path=f"{path}.create.storageClass",
            related=list_overridden(storage_class.origin),
            help="leave it out for the default class of the cluster",
        )
