"""From one revision's files to a Fleet of typed apps: parse, fold, validate; all mistakes at once.

Pure: the bytes come through `Files`. An error blocks the apps that read the faulty file and no
other; layers.yaml blocks all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from reconciler.apps import plainfile, repository, rules, validate
from reconciler.apps.app import GROUP_APP, App, Fleet, Foundation, PlainManifest, Selection
from reconciler.apps.repository import LAYERS_FILE, AppFiles, Files, Layout
from reconciler.diagnostics import Diagnostic, error
from reconciler.layers import document, merge, stack
from reconciler.origin import Branch, Node, Site, Value
from reconciler.spec.application import Application
from reconciler.spec.environment import Environment, Group
from reconciler.spec.model import VersionRecord

__all__ = ["Capabilities", "load"]

#: Per block (`training`, `serving`) the capabilities and the dataclass of their own block, if any.
Capabilities: TypeAlias = Mapping[str, Mapping[str, type | None]]

_RESERVED = {
    "environment": "environment.yaml",
    "group": "group.yaml",
}


def load(
    files: Files,
    capabilities: Capabilities,
    selection: Selection | None = None,
    *,
    label: str = "",
    commit: str = "",
) -> Fleet:
    """All selected apps of a tree, typed, with every mistake found on the way.

    Cost: one parse a file, one merge step an app and changed layer, one validation an app.
    Raises SourceError when the tree cannot be read, and nothing for what users wrote.
    """
    return _Loader(files, capabilities, selection or Selection(), label, commit).run()


@dataclass(slots=True)
class _Mistakes:
    """Collects diagnostics once each, with the apps that they reach."""

    found: dict[tuple[Any, ...], Diagnostic] = field(default_factory=dict)
    blocked: dict[str, set[str]] = field(default_factory=dict)

    def add(self, diagnostics: Iterable[Diagnostic], *apps: str) -> bool:
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

    def sorted(self) -> tuple[Diagnostic, ...]:
        nowhere = Site("", 0, 0)
        return tuple(sorted(self.found.values(), key=lambda d: (d.site or nowhere, d.code, d.path)))


class _Loader:
    def __init__(
        self,
        files: Files,
        capabilities: Capabilities,
        selection: Selection,
        label: str,
        commit: str,
    ) -> None:
        self.files = files
        self.blobs = files.blobs()
        self.capabilities = capabilities
        self.selection = selection
        self.label = label
        self.commit = commit
        self.mistakes = _Mistakes()
        self.documents: dict[str, document.Document] = {}
        self.prefixes = merge.Prefixes()
        self.layout: Layout = repository.read_layout(self.blobs)
        self.records: dict[str, dict[str, VersionRecord]] = {}
        self.bad_records: dict[str, tuple[Diagnostic, ...]] = {}

    def run(self) -> Fleet:
        known = frozenset(app.id for app in self.layout.apps) | frozenset(
            f"{env}/{group}/{GROUP_APP}" for env, group in self.layout.groups
        )
        order = self._stack()
        if order is None:
            return self._fleet((), (), known, dict.fromkeys(known, ("E_LAYERS",)))
        selected = [
            app
            for app in self.layout.apps
            if self.selection.takes(app.environment, app.group, app.model)
        ]
        self._layout_mistakes(selected)
        groups = sorted({(a.environment, a.group) for a in selected})
        if not self.selection.models:
            groups = [g for g in self.layout.groups if self.selection.takes(*g)]
        self._parse(order, selected, groups)
        foundations = [f for g in groups if (f := self._foundation(order, *g)) is not None]
        apps = [app for files in selected if (app := self._app(order, files)) is not None]
        shared = rules.across(foundations, apps)
        for item, ids in shared:
            self.mistakes.add((item,), *ids)
        return self._fleet(tuple(apps), tuple(foundations), known, {})

    def _fleet(
        self,
        apps: tuple[App, ...],
        foundations: tuple[Foundation, ...],
        known: frozenset[str],
        blocked: Mapping[str, tuple[str, ...]],
    ) -> Fleet:
        codes = {app: tuple(sorted(found)) for app, found in self.mistakes.blocked.items()}
        codes |= blocked
        # A group without a foundation has nowhere to live: its apps wait with it.
        for app in apps:
            group = codes.get(f"{app.group_id}/{GROUP_APP}")
            if group is not None and app.id not in codes:
                codes[app.id] = group
        return Fleet(
            tuple(a for a in apps if a.id not in codes),
            tuple(f for f in foundations if f.id not in codes),
            self.mistakes.sorted(),
            dict(sorted(codes.items())),
            known,
            self.label,
            self.commit,
        )

    # -- reading -----------------------------------------------------------------------------------

    def _stack(self) -> stack.Stack | None:
        if LAYERS_FILE not in self.blobs:
            self.mistakes.add(
                (
                    error(
                        "E_LAYERS",
                        "the order of layers is missing",
                        Site(LAYERS_FILE, 0, 0),
                        help="a config repo has environments/layers.yaml; is this the root of one?",
                    ),
                )
            )
            return None
        ((_, data),) = self.files.read((LAYERS_FILE,))
        order, found = stack.load(data, LAYERS_FILE)
        self.mistakes.add(found)
        return None if any(d.is_error for d in found) else order

    def _layout_mistakes(self, selected: list[AppFiles]) -> None:
        for item in self.layout.diagnostics:
            path = item.site.file if item.site else ""
            folder = path.rpartition("/")[0]
            reached = [
                app.id
                for app in selected
                if path == app.file
                or folder == f"models/{app.model}"
                or path == f"environments/{app.environment}/{app.group}/group.yaml"
                or path == f"environments/{app.environment}/environment.yaml"
            ]
            self.mistakes.add((item,), *reached)

    def _parse(
        self, order: stack.Stack, apps: list[AppFiles], groups: list[tuple[str, str]]
    ) -> None:
        """Every file that the selection reads, once: models first, they name the types."""
        models = sorted({app.model for app in apps} & self.layout.models.keys())
        by_layer = {
            layer.file.format_map(_Blank(model=model)): layer.name
            for model in models
            for layer in order.layers
            if "{model}" in layer.file and "{environment}" not in layer.file
        }
        self._read({path: name for path, name in by_layer.items() if path in self.blobs})
        wanted: dict[str, str] = {}
        for app in apps:
            for layer, path in self._paths(order, app):
                wanted[path] = layer.name
        for environment, group in groups:
            for layer, path in self._group_paths(order, environment, group):
                wanted[path] = layer.name
        self._read({p: n for p, n in wanted.items() if p in self.blobs and p not in self.documents})

    def _read(self, wanted: Mapping[str, str]) -> None:
        for path, data in self.files.read(wanted):
            parsed = document.parse(data, path, wanted[path])
            self.documents[path] = parsed

    def _paths(self, order: stack.Stack, app: AppFiles) -> list[tuple[stack.Layer, str]]:
        names = _Blank(
            model=app.model,
            environment=app.environment,
            group=app.group,
            type=self._type_of(app.model),
        )
        return [(layer, layer.file.format_map(names)) for layer in order.layers]

    def _group_paths(
        self, order: stack.Stack, environment: str, group: str
    ) -> list[tuple[stack.Layer, str]]:
        """The layers that speak of no model: what a foundation is made of."""
        names = _Blank(environment=environment, group=group)
        return [
            (layer, layer.file.format_map(names))
            for layer in order.layers
            if "{model}" not in layer.file and "{type}" not in layer.file
        ]

    def _type_of(self, model: str) -> str:
        node = self._type_node(model)
        return node.value if node is not None and isinstance(node.value, str) else ""

    def _type_node(self, model: str) -> Value[Any] | None:
        parsed = self.documents.get(self.layout.models.get(model, ""))
        root: Node | None = parsed.root if parsed is not None else None
        for step in ("model", "type"):
            root = root.children.get(step) if isinstance(root, Branch) else None
        return root if isinstance(root, Value) else None

    # -- one unit ----------------------------------------------------------------------------------

    def _foundation(self, order: stack.Stack, environment: str, group: str) -> Foundation | None:
        unit = f"{environment}/{group}/{GROUP_APP}"
        tree, files = self._fold(order, self._group_paths(order, environment, group), unit)
        if tree is None:
            return None
        typed: dict[str, Any] = {}
        bad = False
        for block, cls in (("environment", Environment), ("group", Group)):
            node = tree.children.get(block)
            if not isinstance(node, Branch):
                home = f"environments/{environment}/" + (
                    "environment.yaml" if block == "environment" else f"{group}/group.yaml"
                )
                site = Site(home, 0, 0) if node is None else node.origin.site
                self.mistakes.add(
                    (error("E_MISSING", f"the `{block}:` block is required here", site),), unit
                )
                bad = True
                continue
            value, found = validate.validate(cls, node, at=block)
            bad |= self.mistakes.add(found, unit)
            typed[block] = value
        if bad:
            return None
        return Foundation(
            environment,
            group,
            typed["environment"],
            typed["group"],
            tree,
            files,
            self._inputs(files),
        )

    def _app(self, order: stack.Stack, files: AppFiles) -> App | None:
        if files.model not in self.layout.models:
            return None
        tree, used = self._fold(order, self._paths(order, files), files.id, files.model)
        if tree is None:
            return None
        bad = False
        core, blocks = _split_options(tree, self.capabilities)
        spec, found = validate.validate(Application, core)
        bad |= self.mistakes.add(found, files.id)
        options: dict[str, Any] = {}
        for path, name, cls, node in blocks:
            value, found = validate.validate(cls, node, at=path)
            bad |= self.mistakes.add(found, files.id)
            options[name] = value
        records = self._records(files.model, files.id)
        if spec is None or bad or records is None:
            return None
        manifests, more = self._manifests(spec, files.id)
        bad |= self.mistakes.add(rules.check(files, spec, records, self.layout), files.id)
        if bad or manifests is None:
            return None
        used += more
        return App(
            files.environment,
            files.group,
            files.model,
            spec,
            tree,
            records,
            options,
            manifests,
            used,
            self._inputs((*used, *self.layout.records.get(files.model, ()))),
        )

    def _fold(
        self,
        order: stack.Stack,
        paths: list[tuple[stack.Layer, str]],
        unit: str,
        model: str = "",
    ) -> tuple[Branch | None, tuple[str, ...]]:
        documents: list[document.Document] = []
        bad = False
        for layer, path in paths:
            parsed = self.documents.get(path)
            if parsed is None:
                if not layer.optional:
                    bad |= self.mistakes.add((self._absent(layer, path, model),), unit)
                continue
            bad |= self.mistakes.add(parsed.diagnostics, unit)
            bad |= self.mistakes.add(_misplaced(parsed, path), unit)
            documents.append(parsed)
        if bad:
            return None, ()
        merged = merge.fold(documents, order, self.prefixes)
        if self.mistakes.add(merged.diagnostics, unit):
            return None, ()
        return merged.tree, tuple(d.file for d in documents)

    def _absent(self, layer: stack.Layer, path: str, model: str) -> Diagnostic:
        node = self._type_node(model) if "{type}" in layer.file else None
        if "{type}" in layer.file and node is None:
            return error(
                "E_MISSING",
                "model.type is required: it names the layer of the application type",
                Site(self.layout.models.get(model, path), 0, 0),
                path="model.type",
            )
        if node is not None:
            folder = str(PurePosixPath(path).parent)
            names = [
                PurePosixPath(p).stem
                for p in self.blobs
                if str(PurePosixPath(p).parent) == folder and p.endswith(".yaml")
            ]
            return error(
                "E_LAYER_FILE",
                f"there is no application type {node.value!r}: {path} does not exist",
                node.origin.site,
                path="model.type",
                help=f"types here: {', '.join(sorted(names)) or 'none'}",
            )
        return error(
            "E_LAYER_FILE",
            f"the layer {layer.name!r} needs {path}, which does not exist",
            Site(LAYERS_FILE, 0, 0),
            help="create the file, or declare the layer optional",
        )

    def _records(self, model: str, unit: str) -> Mapping[str, VersionRecord] | None:
        if model not in self.records:
            good: dict[str, VersionRecord] = {}
            found: list[Diagnostic] = []
            wanted = self.layout.records.get(model, ())
            for path, data in self.files.read(wanted):
                parsed = document.parse(data, path, "version-record")
                found += parsed.diagnostics
                if parsed.root is None or any(d.is_error for d in parsed.diagnostics):
                    continue
                record, mistakes = validate.validate(VersionRecord, parsed.root)
                found += mistakes
                stem = PurePosixPath(path).name.removesuffix(".yaml")
                if record is not None and record.version.value != stem:
                    found.append(
                        error(
                            "E_RECORD_NAME",
                            f"the record of version {record.version.value!r} lies in {stem}.yaml",
                            record.version.site,
                            path="version",
                            help="a record's file carries its version's name",
                        )
                    )
                if record is not None:
                    good[stem] = record
            self.records[model] = good
            self.bad_records[model] = tuple(found)
        if self.mistakes.add(self.bad_records[model], unit):
            return None
        return self.records[model]

    def _manifests(
        self, spec: Application, unit: str
    ) -> tuple[tuple[PlainManifest, ...] | None, tuple[str, ...]]:
        out: list[PlainManifest] = []
        used: list[str] = []
        bad = False
        for entry in spec.manifests:
            path, found = plainfile.locate(entry, self.blobs)
            bad |= self.mistakes.add(found, unit)
            if path is None:
                continue
            ((_, data),) = self.files.read((path,))
            parsed, found = plainfile.parse(data, path, entry, spec.group.namespace.value)
            bad |= self.mistakes.add(found, unit)
            out += parsed
            used.append(path)
        return (None if bad else tuple(out)), tuple(used)

    def _inputs(self, files: Iterable[str]) -> str:
        names = hashlib.blake2b(digest_size=16)
        for path in (LAYERS_FILE, *files):
            names.update(f"{path}\0{self.blobs[path].blob_id}\n".encode())
        return names.hexdigest()


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
    name = PurePosixPath(path).name
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
    model = root.children.get("model")
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


def _split_options(
    tree: Branch, capabilities: Capabilities
) -> tuple[Branch, list[tuple[str, str, type, Branch]]]:
    """The tree without the capabilities' own blocks, and those blocks with their classes."""
    blocks: list[tuple[str, str, type, Branch]] = []
    children = dict(tree.children)
    for block, known in capabilities.items():
        node = children.get(block)
        if not isinstance(node, Branch) or not known.keys() & node.children.keys():
            continue
        kept: dict[str, Node] = {}
        for key, child in node.children.items():
            cls = known.get(key)
            if cls is not None and isinstance(child, Branch):
                blocks.append((f"{block}.{key}", key, cls, child))
            else:
                kept[key] = child
        children[block] = Branch(kept, node.origin, node.gone)
    return Branch(children, tree.origin, tree.gone), blocks
