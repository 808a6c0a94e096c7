"""Finds two drafts of the same object: in one app (a user's manifest has the name of a drawn
object), in two apps of a group (model `a-b`, version `c` and model `a`, version `b-c`), or in two
apps of one cluster when the object is cluster-scoped. Without this check the draft applied last
would win."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.apps.app import App, Foundation, Unit
from reconciler.backends import contract, draw, foundation
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.objects.draft import origin_at
from reconciler.objects.key import ObjectKey
from reconciler.origin import Site
from reconciler.unit import UnitId

__all__ = ["find_clashes"]


def find_clashes(
    apps: Iterable[App], foundations: Iterable[Foundation] = ()
) -> Iterator[tuple[Diagnostic, tuple[UnitId, ...]]]:
    """Every clash, with the ids of the apps that it affects.

    Cost: draws the apps that can clash. These are the apps with plain manifests, and the apps whose
    model's name begins with the name of another model in the same namespace, with that other app.
    """
    apps = tuple(apps)
    groups: dict[tuple[str, str], list[App]] = {}
    for app in apps:
        groups.setdefault((app.cluster, app.namespace), []).append(app)
    yield from _find_shared(apps, foundations)
    for members in groups.values():
        owners: dict[ObjectKey, tuple[App, Site]] = {}
        for app in _suspects(members):
            for key, site in _keys(app):
                first, first_site = owners.setdefault(key, (app, site))
                if first_site is site:
                    continue
                who = "this app draws" if first is app else f"{first.id} draws"
                yield (
                    error(
                        "E_NAME_CLASH",
                        f"{key} is drawn twice: {who} it too",
                        site,
                        related=[Related(first_site, "the other one is named here")],
                        help="rename one of them",
                    ),
                    tuple(sorted({first.id, app.id})),
                )


def _find_shared(
    apps: Iterable[App], foundations: Iterable[Foundation]
) -> Iterator[tuple[Diagnostic, tuple[UnitId, ...]]]:
    """The objects that an app and a group, or apps of several groups or environments of one
    cluster, draw. Only plain manifests draw such objects, so only apps with manifests are drawn."""
    owners: dict[tuple[str, ObjectKey], tuple[Unit, Site]] = {}
    for group in foundations:
        for draft in foundation.draw(group):
            origin = origin_at(draft.tree, ("metadata", "name"))
            site = origin.site if origin is not None else group.spec.namespace.site
            owners[group.cluster, draft.key] = (group, site)
    for app in (app for app in apps if app.manifests):
        for key, site in _fixed_keys(app):
            slot = (app.cluster, key)
            if key.namespace and slot not in owners:
                continue
            first, first_site = owners.setdefault(slot, (app, site))
            is_of_namespace = (first.cluster, first.namespace) == (app.cluster, app.namespace)
            if is_of_namespace and not isinstance(first, Foundation):
                continue  # found by the look at one namespace
            yield (
                error(
                    "E_NAME_CLASH",
                    f"{key} is one object and is drawn twice: {first.id} and {app.id} draw it",
                    site,
                    related=[Related(first_site, f"{first.id} names it here")],
                    help="let one of them own it, or give the objects names of their own",
                ),
                tuple(sorted({first.id, app.id})),
            )


def _suspects(members: list[App]) -> list[App]:
    names = {app.model for app in members}
    suspects: set[str] = set()
    for name in names:
        steps = name.split("-")
        shorter = {"-".join(steps[:n]) for n in range(1, len(steps))} & names
        suspects |= {name, *shorter} if shorter else set()
    return [app for app in members if app.manifests or app.model in suspects]


def _keys(app: App) -> Iterator[tuple[ObjectKey, Site]]:
    serving = app.spec.serving
    if serving is not None and app.serves:
        backend = contract.find_serving(serving.backend.value)
        for record in app.records.values():
            version = contract.Version(record.version, record, serving.replicas)
            for draft in backend.draw(app, version):
                yield draft.key, record.version.site
    yield from _fixed_keys(app)


def _fixed_keys(app: App) -> Iterator[tuple[ObjectKey, Site]]:
    for draft in draw.draw_fixed(app):
        origin = origin_at(draft.tree, ("metadata", "name"))
        site = origin.site if origin is not None else app.spec.model.owner.site
        yield draft.key, site
