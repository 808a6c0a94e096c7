"""Reads and parses the layer files of a selection, each once, and folds the layers of each unit
into one tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from reconciler.apps.repository import LAYERS_FILE, AppFiles, Files, Layout
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.layers import document, merge, paths, stack
from reconciler.layers.locks import Lock
from reconciler.layers.markers import Marked
from reconciler.origin import Branch, Items, Site, Value
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["FoldedLayers", "LayerReader", "Mistakes"]

_RESERVED = {
    "environment": "environment.yaml",
    "group": "group.yaml",
}


@dataclass(slots=True)
class Mistakes:
    """Collects diagnostics, each once, with the ids of the apps that it affects. `blocked` maps an
    app to the codes of its errors."""

    found: dict[tuple[Any, ...], Diagnostic] = field(default_factory=dict)
    blocked: dict[UnitId, set[str]] = field(default_factory=dict)

    def add(self, diagnostics: Iterable[Diagnostic], *apps: UnitId) -> bool:
        """Adds diagnostics that affect `apps`. Returns whether one of them is an error."""
        has_error = False
        for item in diagnostics:
            key = (item.code, item.site, item.path, item.message)
            self.found[key] = self.found.get(key, item).reaching(*apps)
            if item.is_error:
                has_error = True
                for app in apps:
                    self.blocked.setdefault(app, set()).add(item.code)
        return has_error

    def in_order(self) -> tuple[Diagnostic, ...]:
        """All diagnostics, sorted by place, code and path."""
        nowhere = Site("", 0, 0)
        return tuple(sorted(self.found.values(), key=lambda d: (d.site or nowhere, d.code, d.path)))


#: Errors after which a value is still a text with a reference in it.
_UNRESOLVED = frozenset({"E_REF_MISSING", "E_REF_SYNTAX", "E_CYCLE", "E_INTERP_TYPE"})


class FoldedLayers(NamedTuple):
    """The merged values of one unit, the layer files that they came from (lowest first), and the
    locks."""

    tree: Branch
    files: tuple[str, ...]
    locks: tuple[Lock, ...]
    is_sound: bool = True
    """False when merging found errors. A lower layer's value then stands in place of a wrong one,
    so that validation can find more errors."""
    unresolved: frozenset[Site] = frozenset()
    """The places of references that lead nowhere: what stands there says nothing more."""


class LayerReader:
    """Reads layer files and folds the layers of a unit. All mistakes go to `mistakes`."""

    def __init__(
        self, files: Files, layout: Layout, order: stack.Stack, mistakes: Mistakes
    ) -> None:
        self.files = files
        self.blobs = files.blobs()
        self.layout = layout
        self.order = order
        self.mistakes = mistakes
        self.documents: dict[str, document.Document] = {}
        self.prefixes = merge.Prefixes()
        self._names: dict[str, str] = {}
        self._hollow: dict[str, tuple[tuple[paths.Path, Site], ...]] = {}
        self._paths: dict[AppFiles, list[tuple[stack.Layer, str]]] = {}
        self.respelt: dict[Site, str] = {}
        """The numbers whose text differs from their spelling, as in `Document`, of all files."""
        self.wrong: dict[str, tuple[Diagnostic, ...]] = {}
        """Path → the diagnostics of that file alone, the same for every app that reads the file."""

    def parse(
        self, apps: list[AppFiles], groups: list[tuple[str, str]], *, everything: bool
    ) -> None:
        """Parses every file that the apps and groups read, once. Reads the model files first,
        because they name the type, and the type names a layer file. `everything`: parses also the
        files that no app reads, to find mistakes in them."""
        models = sorted({app.model for app in apps} & self.layout.models.keys())
        by_layer = {
            layer.file.format_map(_Blank(model=model)): layer.name
            for model in models
            for layer in self.order.layers
            if "{model}" in layer.file and "{environment}" not in layer.file
        }
        self._read({path: name for path, name in by_layer.items() if path in self.blobs})
        wanted: dict[str, str] = {}
        for app in apps:
            for layer, path in self.paths(app):
                wanted[path] = layer.name
        for environment, group in groups:
            for layer, path in self.group_paths(environment, group):
                wanted[path] = layer.name
        self._read({p: n for p, n in wanted.items() if p in self.blobs and p not in self.documents})
        if everything:
            rest = [p for p in self._values_files() if p not in self.documents]
            self._read(dict.fromkeys(rest, "unused"))
            for path in rest:
                self.mistakes.add(self.documents[path].diagnostics)

    def _values_files(self) -> Iterator[str]:
        """All files that may be layers, also those that no app reads."""
        for path in self.blobs:
            parts = path.split("/")
            if path == LAYERS_FILE or not path.endswith(".yaml"):
                continue
            if parts[0] == "environments" or (parts[0] == "models" and parts[-1] == "model.yaml"):
                yield path

    def _read(self, wanted: Mapping[str, str]) -> None:
        for path, data in self.files.read(wanted):
            parsed = document.parse(data, path, wanted[path])
            self.documents[path] = parsed
            self.respelt.update(parsed.respelt)

    def paths(self, app: AppFiles) -> list[tuple[stack.Layer, str]]:
        """The layers of an app with their file paths, the lowest first. Call this after the model's
        file is parsed."""
        if app not in self._paths:
            self._paths[app] = self._paths_of(app)
        return self._paths[app]

    def _paths_of(self, app: AppFiles) -> list[tuple[stack.Layer, str]]:
        names = _Blank(
            model=app.model,
            environment=app.environment,
            group=app.group,
            type=self.type_of(app.model),
        )
        return [(layer, layer.file.format_map(names)) for layer in self.order.layers]

    def group_paths(self, environment: str, group: str) -> list[tuple[stack.Layer, str]]:
        """The layers of a foundation: those whose file does not depend on a model or a type."""
        names = _Blank(environment=environment, group=group)
        return [
            (layer, layer.file.format_map(names))
            for layer in self.order.layers
            if "{model}" not in layer.file and "{type}" not in layer.file
        ]

    def all_paths(self) -> Iterator[tuple[stack.Layer, str]]:
        """Every layer file of every app and group of the layout, also those that do not exist."""
        for app in self.layout.apps:
            yield from self.paths(app)
        for environment, group in self.layout.groups:
            yield from self.group_paths(environment, group)

    def is_of_a_layer(self, path: str) -> bool:
        """Whether a layer for a type may have this path: a type may wait for its first model."""
        return any(
            re.fullmatch(re.escape(layer.file).replace(r"\{type\}", r"[^/]+"), path)
            for layer in self.order.layers
            if "{type}" in layer.file
        )

    def type_of(self, model: str) -> str:
        """The application type in a model's file, "" when there is none."""
        node = self._type_node(model)
        return node.value if node is not None and isinstance(node.value, str) else ""

    def _type_node(self, model: str) -> Value[Any] | None:
        parsed = self.documents.get(self.layout.models.get(model, ""))
        node: Any = parsed.root if parsed is not None else None
        for step in ("model", "type"):
            node = node.children.get(step) if isinstance(node, Branch) else None
            node = node.node if isinstance(node, Marked) else node
        return node if isinstance(node, Value) else None

    def fold(
        self, paths: list[tuple[stack.Layer, str]], unit: UnitId, model: str = ""
    ) -> FoldedLayers | None:
        """The merged values of a unit. None when a file is missing or has errors; these are then in
        `mistakes`. `model` is "" for a foundation."""
        documents: list[document.Document] = []
        has_error = False
        for layer, path in paths:
            parsed = self.documents.get(path)
            if parsed is None:
                if not layer.optional:
                    has_error = True
                    if not self._is_reported(path) and not self._is_type_unread(layer, model):
                        self.mistakes.add((self._missing(layer, path, model),), unit)
                continue
            if wrong := self._file_mistakes(parsed, path):
                has_error |= self.mistakes.add(wrong, unit)
            documents.append(parsed)
        if has_error:
            return None
        merged = merge.fold(documents, self.order, self.prefixes)
        is_sound = not self.mistakes.add(merged.diagnostics, unit)
        self.mistakes.add(self._warn_hollow(documents, merged.tree), unit)
        files = tuple(d.file for d in documents)
        broken = (d.site for d in merged.diagnostics if d.code in _UNRESOLVED)
        unresolved = frozenset(site for site in broken if site is not None)
        return FoldedLayers(merged.tree, files, merged.locks, is_sound, unresolved)

    def _warn_hollow(
        self, documents: Iterable[document.Document], tree: Branch
    ) -> Iterator[Diagnostic]:
        """Warnings for empty maps of layers, in place of which other layers have a filled one."""
        for parsed in documents:
            hollow = self._hollow.get(parsed.file)
            if hollow is None:
                hollow = self._hollow[parsed.file] = tuple(_empty_maps(parsed.root, ()))
            for path, site in hollow:
                merged: Any = tree
                for step in path:
                    merged = merged.children.get(str(step)) if isinstance(merged, Branch) else None
                if isinstance(merged, Branch) and merged.children:
                    yield warning(
                        "W_NO_EFFECT",
                        "an empty map sets nothing: the other layers' keys stay",
                        site,
                        path=paths.spell(path),
                        help="delete it; `null` deletes the block, `!replace {}` empties it",
                    )

    def _file_mistakes(self, parsed: document.Document, path: str) -> tuple[Diagnostic, ...]:
        found = self.wrong.get(path)
        if found is None:
            found = self.wrong[path] = (
                *parsed.diagnostics,
                *_empty(parsed),
                *_misplaced(parsed, path),
            )
        return found

    def _is_reported(self, path: str) -> bool:
        """Whether the layout's diagnostics already name this missing file."""
        return any(
            d.code == "E_FILE_MISSING"
            and (d.message.endswith(f" {path}") or (d.site is not None and d.site.file == path))
            for d in self.layout.diagnostics
        )

    def _is_type_unread(self, layer: stack.Layer, model: str) -> bool:
        """Whether the model's file is no YAML, so that nobody knows its type: the file's own error
        says enough."""
        parsed = self.documents.get(self.layout.models.get(model, ""))
        return (
            "{type}" in layer.file
            and parsed is not None
            and any(d.code == "E_SYNTAX" for d in parsed.diagnostics)
        )

    def _missing(self, layer: stack.Layer, path: str, model: str) -> Diagnostic:
        node = self._type_node(model) if "{type}" in layer.file else None
        if "{type}" in layer.file and node is None:
            return error(
                "E_MISSING",
                "`type` is required in model.yaml: it names the layer of the application type",
                self._model_site(model, path),
                path="model.type",
                help=f"set model.type; types here: {self._types(path)}",
            )
        if node is not None:
            types = self._types(path)
            known = types.split(", ")
            return error(
                "E_LAYER_FILE",
                f"there is no application type {node.value!r}: {path} does not exist",
                node.origin.site,
                path="model.type",
                help=did_you_mean(str(node.value), known, also=f"types here: {types}"),
            )
        return error(
            "E_LAYER_FILE",
            f"the layer {layer.name!r} needs {path}, which does not exist",
            Site(LAYERS_FILE, 0, 0),
            help="create the file, or declare the layer optional",
        )

    def _types(self, path: str) -> str:
        """The names of the YAML files beside `path`. Cost: one look at each file per folder."""
        folder = path.rpartition("/")[0]
        found = self._names.get(folder)
        if found is None:
            start = f"{folder}/"
            names = [
                PurePosixPath(p).stem
                for p in self.blobs
                if p.startswith(start) and p.endswith(".yaml") and "/" not in p[len(start) :]
            ]
            found = self._names[folder] = ", ".join(sorted(names)) or "none"
        return found

    def _model_site(self, model: str, path: str) -> Site:
        """The place where `type` is expected: the `model:` block, else the file model.yaml."""
        file = self.layout.models.get(model, path)
        parsed = self.documents.get(file)
        block = parsed.root.children.get("model") if parsed is not None and parsed.root else None
        return block.origin.site if block is not None else Site(file, 0, 0)


class _Blank(dict[str, str]):
    """Fills the names of a path template. An unknown name becomes "", so that no file matches."""

    def __missing__(self, key: str) -> str:
        return ""


def _empty(parsed: document.Document) -> Iterator[Diagnostic]:
    """Errors for keys without a value. To merging that is a null, which deletes the key (M3.2): a
    block whose only line is commented out would delete the objects of an app."""
    if not parsed.empty:
        return
    places = frozenset(parsed.empty)
    for path, site in _nulls(parsed.root, ()):
        if site not in places:
            continue
        yield error(
            "E_EMPTY",
            f"`{path[-1]}:` has no value, which would delete what the layers below set",
            site,
            path=paths.spell(path),
            help="delete the line, or write what is meant: `null` deletes the key, `{}` is an "
            'empty map, "" an empty text',
        )


def _empty_maps(tree: Any, path: paths.Path) -> Iterator[tuple[paths.Path, Site]]:
    """The maps without keys and without a marker, in maps."""
    if isinstance(tree, Branch):
        if path and not tree.children:
            yield path, tree.origin.site
        for key, child in tree.children.items():
            yield from _empty_maps(child, (*path, key))


def _nulls(tree: Any, path: paths.Path) -> Iterator[tuple[paths.Path, Site]]:
    node = tree.node if isinstance(tree, Marked) else tree
    if isinstance(node, Branch):
        for key, child in node.children.items():
            yield from _nulls(child, (*path, key))
    elif isinstance(node, Items):
        for index, child in enumerate(node.children):
            yield from _nulls(child, (*path, index))
    elif isinstance(node, Value) and node.value is None and path:
        yield path, node.origin.site


def _misplaced(parsed: document.Document, path: str) -> list[Diagnostic]:
    """Errors for `environment:` and `group:` outside of their files, and for `model.type` outside
    of model.yaml."""
    root = parsed.root
    if root is None:
        return []
    found = []
    name = path.rpartition("/")[2]
    for block, home in _RESERVED.items():
        node = root.children.get(block)
        if node is not None and (name != home or not path.startswith("environments/")):
            found.append(
                error(
                    "E_LAYER_PATH",
                    f"`{block}:` is legal only in {home}",
                    node.origin.site,
                    path=block,
                    help="a model's file can never move its app to another namespace or cluster",
                )
            )
    model: Any = root.children.get("model")
    model = model.node if isinstance(model, Marked) else model
    if isinstance(model, Branch) and "type" in model.children and name != "model.yaml":
        found.append(
            error(
                "E_LAYER_PATH",
                "the application type is read from model.yaml alone",
                model.children["type"].origin.site,
                path="model.type",
                help="set it in models/<model>/model.yaml",
            )
        )
    return found
