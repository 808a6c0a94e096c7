"""Two drafts of one object: within an app (a user's manifest takes a drawn object's name) or
between apps of a group (`a-b` in version `c` and `a` in version `b-c`). The last one would win."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.apps.app import App
from reconciler.backends import contract, draw
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.objects.draft import origin_at
from reconciler.objects.key import ObjectKey
from reconciler.origin import Site
from reconciler.unit import UnitId

__all__ = ["find_clashes"]


def find_clashes(apps: Iterable[App]) -> Iterator[tuple[Diagnostic, tuple[UnitId, ...]]]:
    """Every clash, with the ids of the apps that it reaches.

    Cost: draws only apps with manifests of their own and those whose model's name begins another's
    in the same namespace: no others can clash.
    """
    groups: dict[tuple[str, str], list[App]] = {}
    for app in apps:
        groups.setdefault((app.cluster, app.namespace), []).append(app)
    for members in groups.values():
        owners: dict[ObjectKey, tuple[App, Site]] = {}
        for app in _suspects(members):
            for key, site in _keys(app):
                first, there = owners.setdefault(key, (app, site))
                if there is site:
                    continue
                who = "this app draws" if first is app else f"{first.id} draws"
                yield (
                    error(
                        "E_NAME_CLASH",
                        f"{key} is drawn twice: {who} it too",
                        site,
                        related=[Related(there, "the other one is named here")],
                        help="rename one of them",
                    ),
                    tuple(sorted({first.id, app.id})),
                )


def _suspects(members: list[App]) -> list[App]:
    names = {app.model for app in members}
    near: set[str] = set()
    for name in names:
        steps = name.split("-")
        shorter = {"-".join(steps[:n]) for n in range(1, len(steps))} & names
        near |= {name, *shorter} if shorter else set()
    return [app for app in members if app.manifests or app.model in near]


def _keys(app: App) -> Iterator[tuple[ObjectKey, Site]]:
    serving = app.spec.serving
    if serving is not None and app.serves:
        backend = contract.find_serving(serving.backend.value)
        for record in app.records.values():
            version = contract.Version(record.version, record, serving.replicas)
            for draft in backend.draw(app, version):
                yield draft.key, record.version.site
    for draft in draw.draw_fixed(app):
        origin = origin_at(draft.tree, ("metadata", "name"))
        site = origin.site if origin is not None else app.spec.model.owner.site
        yield draft.key, site
