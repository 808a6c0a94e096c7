"""The files of a selection, read and parsed once, folded into one tree a unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from reconciler.apps.repository import LAYERS_FILE, AppFiles, Files, Layout
from reconciler.diagnostics import Diagnostic, error
from reconciler.layers import document, merge, stack
from reconciler.layers.locks import Lock
from reconciler.layers.markers import Marked
from reconciler.origin import Branch, Site, Value
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["FoldedLayers", "LayerReader", "Mistakes"]

_RESERVED = {
    "environment": "environment.yaml",
    "group": "group.yaml",
}


@dataclass(slots=True)
class Mistakes:
    """Collects diagnostics once each, with the apps that they reach."""

    found: dict[tuple[Any, ...], Diagnostic] = field(default_factory=dict)
    blocked: dict[UnitId, set[str]] = field(default_factory=dict)

    def add(self, diagnostics: Iterable[Diagnostic], *apps: UnitId) -> bool:
        """Whether an error was among them."""
        bad = False
        for item in diagnostics:
            key = (item.code, item.site, item.path, item.message)
            self.found[key] = self.found.get(key, item).reaching(*apps)
            if item.is_error:
                bad = True
                for app in apps:
                    self.blocked.setdefault(app, set()).add(item.code)
        return bad

    def in_order(self) -> tuple[Diagnostic, ...]:
        nowhere = Site("", 0, 0)
        return tuple(sorted(self.found.values(), key=lambda d: (d.site or nowhere, d.code, d.path)))


class FoldedLayers(NamedTuple):
    """One unit's merged values: the files that made them, lowest first, and what is locked."""

    tree: Branch
    files: tuple[str, ...]
    locks: tuple[Lock, ...]
    sound: bool = True
    """False: merging found errors. What is below stood in, so typing can still find others."""


class LayerReader:
    """Documents by path, and the fold of any unit's layers. `mistakes` collects what is wrong."""

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
        self._paths: dict[AppFiles, list[tuple[stack.Layer, str]]] = {}
        self.wrong: dict[str, tuple[Diagnostic, ...]] = {}
        """What each file read so far does wrong on its own, whoever reads it."""

    def parse(
        self, apps: list[AppFiles], groups: list[tuple[str, str]], *, everything: bool
    ) -> None:
        """Every file that the selection reads, once: models first, they name the types."""
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
        """Files that no app reads: a mistake in one is told when everything is asked about."""
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

    def paths(self, app: AppFiles) -> list[tuple[stack.Layer, str]]:
        """The layers of an app, lowest first; asked for once its model's file is read."""
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
        """The layers that speak of no model: what a foundation is made of."""
        names = _Blank(environment=environment, group=group)
        return [
            (layer, layer.file.format_map(names))
            for layer in self.order.layers
            if "{model}" not in layer.file and "{type}" not in layer.file
        ]

    def type_of(self, model: str) -> str:
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
        """None when a file could not be read; every error is then among the mistakes."""
        documents: list[document.Document] = []
        bad = False
        for layer, path in paths:
            parsed = self.documents.get(path)
            if parsed is None:
                if not layer.optional:
                    bad = True
                    if not self._told(path):
                        self.mistakes.add((self._absent(layer, path, model),), unit)
                continue
            if wrong := self._wrong(parsed, path):
                bad |= self.mistakes.add(wrong, unit)
            documents.append(parsed)
        if bad:
            return None
        merged = merge.fold(documents, self.order, self.prefixes)
        sound = not self.mistakes.add(merged.diagnostics, unit)
        return FoldedLayers(merged.tree, tuple(d.file for d in documents), merged.locks, sound)

    def _wrong(self, parsed: document.Document, path: str) -> tuple[Diagnostic, ...]:
        found = self.wrong.get(path)
        if found is None:
            found = self.wrong[path] = (*parsed.diagnostics, *_misplaced(parsed, path))
        return found

    def _told(self, path: str) -> bool:
        """Whether the layout has named this missing file already, for all that need it."""
        return any(
            d.code == "E_FILE_MISSING" and d.message.endswith(f" {path}")
            for d in self.layout.diagnostics
        )

    def _absent(self, layer: stack.Layer, path: str, model: str) -> Diagnostic:
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
        folder = PurePosixPath(path).parent
        names = [
            PurePosixPath(p).stem
            for p in self.blobs
            if PurePosixPath(p).parent == folder and p.endswith(".yaml")
        ]
        return ", ".join(sorted(names)) or "none"

    def _model_site(self, model: str, path: str) -> Site:
        """Where `type` would go: under `model:`, else somewhere in model.yaml."""
        file = self.layout.models.get(model, path)
        parsed = self.documents.get(file)
        block = parsed.root.children.get("model") if parsed is not None and parsed.root else None
        return block.origin.site if block is not None else Site(file, 0, 0)


class _Blank(dict[str, str]):
    """Template names that are not known here become the empty text, so no file matches."""

    def __missing__(self, key: str) -> str:
        return ""


def _misplaced(parsed: document.Document, path: str) -> list[Diagnostic]:
    """`environment:` and `group:` outside their files, `model.type` outside model.yaml."""
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
