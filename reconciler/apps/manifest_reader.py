"""Reads the plain manifests of apps: each file is read and parsed once, and resolved for each app
whose values it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.apps import manifest_files
from reconciler.apps.app import PlainManifest
from reconciler.apps.left_out import LeftOut
from reconciler.apps.manifest_files import Home, ManifestFile
from reconciler.apps.repository import AppFiles, Files, Layout
from reconciler.diagnostics import Diagnostic, warning
from reconciler.origin import Branch, Origin, Site, Value
from reconciler.spec.application import Application, Manifest
from reconciler.unit import UnitId

__all__ = ["ManifestReader", "Manifests"]


@dataclass(slots=True)
class Manifests:
    """The objects of one app's files, the files that the app lists, and the mistakes in them."""

    objects: list[PlainManifest] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


class ManifestReader:
    """Reads and parses the files, each once. `contents` maps the path of each parsed file to its
    documents."""

    def __init__(self, files: Files, layout: Layout, left_out: LeftOut) -> None:
        self.files = files
        self.left_out = left_out
        self.blobs = files.blobs()
        self.layout = layout
        self.contents: dict[str, ManifestFile] = {}
        self._bytes: dict[str, bytes] = {}
        self._placed: dict[Site, tuple[Manifest, list[UnitId]]] = {}
        self._drawn: set[Site] = set()

    def fetch(self, selected: Iterable[AppFiles]) -> None:
        """Reads the plain files of the selected models at once, because each read costs a process.
        A file that no app lists is not parsed."""
        folders = {f"models/{app.model}" for app in selected}
        layered = ("model.yaml", "model.yml")
        paths = [
            path
            for path in self.blobs
            if path.rpartition("/")[0] in folders
            and path.endswith((".yaml", ".yml"))
            and path.rpartition("/")[2] not in layered
        ]
        self._bytes = dict(self.files.read(paths)) if paths else {}

    def read(
        self, spec: Application, app: AppFiles, values: Branch, respelt: Mapping[Site, str]
    ) -> Manifests:
        """The manifests of one app. `values` is the app's merged tree, to which they may refer.
        `respelt`: as in `layers.document.Document`."""
        out = Manifests()
        allowed = frozenset(kind.value for kind in spec.group.cluster_scoped)
        home = Home(spec.group.namespace.value, allowed, _name_values(app, values), respelt)
        for entry in spec.manifests:
            path, found = manifest_files.find_file(
                entry.file, self.blobs, app, self.layout, self.left_out
            )
            out.diagnostics += found
            if path is None:
                continue
            contents = self._parse(path)
            out.files.append(path)
            if self._is_here(entry, spec, app):
                objects, found = manifest_files.check_documents(contents, home)
                out.objects += objects
            else:
                found = contents.diagnostics
            out.diagnostics += found
        return out

    def _parse(self, path: str) -> ManifestFile:
        if path not in self.contents:
            data = self._bytes.get(path)
            if data is None:
                ((_, data),) = self.files.read((path,))
            self.contents[path] = manifest_files.parse_documents(data, path)
        return self.contents[path]

    def _is_here(self, entry: Manifest, spec: Application, app: AppFiles) -> bool:
        if entry.where is None:
            return True
        group = f"{app.environment}/{app.group}"
        is_here = (
            spec.trains_in(group) if entry.where.value == "training" else spec.serves_in(group)
        )
        _, apps = self._placed.setdefault(entry.where.site, (entry, []))
        apps.append(app.id)
        if is_here:
            self._drawn.add(entry.where.site)
        return is_here

    def check_places(self) -> Iterator[tuple[Diagnostic, tuple[UnitId, ...]]]:
        """Warnings for entries of which no app draws the objects, when all apps are read, each with
        the apps that have the entry."""
        for site, (entry, apps) in self._placed.items():
            if site in self._drawn or entry.where is None:
                continue
            verb = "trains" if entry.where.value == "training" else "serves"
            yield (
                warning(
                    "W_RUN_NOWHERE",
                    f"no group {verb} the model, so the objects of {entry.file.value} are drawn "
                    "nowhere",
                    site,
                    path="manifests",
                    help=f"name the groups in {entry.where.value}.runIn, or leave out `where`",
                ),
                tuple(apps),
            )


def _name_values(app: AppFiles, values: Branch) -> Branch:
    """What a manifest may refer to: the app's merged values under `app`, and the parts of the app's
    id under `app.id`."""
    origin = Origin(Site(app.file, 0, 0), "path", "set")
    parts = {"environment": app.environment, "group": app.group, "model": app.model}
    identity = Branch({name: Value(text, origin) for name, text in parts.items()}, origin)
    inside = Branch({**values.children, "id": identity}, values.origin, values.deleted)
    return Branch({"app": inside}, values.origin)
