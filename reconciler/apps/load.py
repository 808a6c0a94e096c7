"""Loads a Fleet of typed apps from the files of one revision: parses, folds and validates them, and
collects all mistakes.

The bytes come through `Files`, so this module does no I/O. An error in a file blocks only the apps
that read the file; an error in layers.yaml blocks all apps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from reconciler.apps import (
    claims,
    left_out,
    missing,
    overlays,
    patterns,
    plain_secrets,
    reach,
    repository,
    rules,
    shared,
    validate,
    workloads,
)
from reconciler.apps import shape as shapes
from reconciler.apps.app import App, Fleet, Foundation, PlainManifest, Selection
from reconciler.apps.layer_reader import LayerReader, Mistakes
from reconciler.apps.manifest_reader import ManifestReader
from reconciler.apps.messages import show_node
from reconciler.apps.repository import LAYERS_FILE, AppFiles, Files, Layout
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.layers import document, merge, stack
from reconciler.origin import Branch, Node, Site, Value, plain
from reconciler.spec.application import Application
from reconciler.spec.environment import Environment, Group
from reconciler.spec.model import VersionRecord
from reconciler.unit import FOUNDATION, UnitId

__all__ = ["Capabilities", "load"]

_ALONE = stack.Stack(())

#: Block (`training`, `serving`) → capability → the dataclass of the capability's own block, or
#: None.
Capabilities: TypeAlias = Mapping[str, Mapping[str, type | None]]


def load(
    files: Files,
    capabilities: Capabilities,
    selection: Selection | None = None,
    *,
    label: str = "",
    commit: str = "",
) -> Fleet:
    """All selected units of a tree, typed, with all mistakes in their files. `label` and `commit`
    name the revision in the Fleet.

    Cost: one parse per file, one merge step per app for each layer that it does not share with the
    app before, one validation per app. Raises SourceError when the tree cannot be read. A mistake
    of a user never raises.
    """
    return _Loader(files, capabilities, selection or Selection(), label, commit).run()


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
        self.mistakes = Mistakes()
        self.left_out = left_out.LeftOut(files.faults())
        layout = repository.read_layout([*self.blobs, *self.left_out.names()])
        self.layout: Layout = replace(layout, hidden=self.left_out.paths)
        self.groups: dict[tuple[str, str], Branch] = {}
        self.records: dict[str, dict[str, VersionRecord]] = {}
        self.bad_records: dict[str, tuple[Diagnostic, ...]] = {}
        self.manifests = ManifestReader(files, self.layout, self.left_out)

    def run(self) -> Fleet:
        unit_ids = frozenset(app.id for app in self.layout.apps) | frozenset(
            UnitId.foundation(env, group) for env, group in self.layout.groups
        )
        order = self._stack()
        if order is not None:
            order = replace(
                order,
                mixed=shapes.mixed(Application, self.capabilities),
                lists={**overlays.list_strategies(), **order.lists},
            )
        if order is None:
            self.mistakes.add(self.left_out.errors.values())
            return self._fleet((), (), unit_ids, dict.fromkeys(unit_ids, ("E_LAYERS",)))
        self.mistakes.add(patterns.check(order, self.capabilities))
        selected = [
            app
            for app in self.layout.apps
            if self.selection.takes(app.environment, app.group, app.model)
        ]
        groups = sorted({(a.environment, a.group) for a in selected})
        if not self.selection.names_models or self._selects_foundations():
            groups = [g for g in self.layout.groups if self.selection.takes(*g)]
        reader = LayerReader(self.files, self.layout, order, self.mistakes)
        reader.parse(selected, groups, everything=self.selection.is_everything)
        stopped = reach.stop_readers(self.left_out, reader, selected, groups)
        if self.selection.is_everything:
            self.mistakes.add(self.left_out.errors.values())
        mistakes = reach.layout_mistakes(self.layout, self.selection, selected)
        for item, reached in mistakes:
            if not (item.code in reach.NOT_FOUND and stopped and stopped.issuperset(reached)):
                self.mistakes.add((item,), *reached)
        selected = [app for app in selected if app.id not in stopped]
        groups = [group for group in groups if UnitId.foundation(*group) not in stopped]
        self.manifests.fetch(selected)
        foundations = [f for g in groups if (f := self._foundation(reader, *g)) is not None]
        apps = [app for files in selected if (app := self._app(reader, files)) is not None]
        for item, ids in (*rules.check_across(foundations, apps), *shared.check(apps)):
            self.mistakes.add((item,), *ids)
        for app in apps:
            self.mistakes.add(shared.check_storage_mounted(app), app.id)
        if self.selection.is_everything:
            for item, ids in self.manifests.check_places():
                self.mistakes.add((item,), *ids)
            self.mistakes.add(self._unread_files(reader))
        return self._fleet(tuple(apps), tuple(foundations), unit_ids, {})

    def _selects_foundations(self) -> bool:
        return FOUNDATION in self.selection.models or any(
            unit.is_foundation for unit in self.selection.units
        )

    def _fleet(
        self,
        apps: tuple[App, ...],
        foundations: tuple[Foundation, ...],
        unit_ids: frozenset[UnitId],
        blocked: Mapping[UnitId, tuple[str, ...]],
    ) -> Fleet:
        codes = {app: tuple(sorted(found)) for app, found in self.mistakes.blocked.items()}
        codes |= blocked
        # An app needs the namespace of its group, so a blocked foundation blocks the group's apps.
        for app in apps:
            group = codes.get(app.id.foundation_id)
            if group is not None and app.id not in codes:
                codes[app.id] = group
        return Fleet(
            tuple(a for a in apps if a.id not in codes),
            tuple(f for f in foundations if f.id not in codes),
            self.mistakes.in_order(),
            dict(sorted(codes.items())),
            unit_ids,
            self.label,
            self.commit,
            self.left_out.paths,
        )

    def _unread_files(self, reader: LayerReader) -> Iterator[Diagnostic]:
        """Warnings for YAML files that nothing reads. Nothing is said of a model with a mistake:
        its list of manifests may be the mistake."""
        told = {d.site.file for d in self.mistakes.found.values() if d.site is not None}
        blocked = {unit.model for unit in self.mistakes.blocked}
        read = {path for _, path in reader.all_paths()} | self.manifests.contents.keys()
        read |= {path for paths in self.layout.records.values() for path in paths}
        for path in self.blobs:
            folder, model, *rest = (*path.split("/"), "", "")
            is_ours = folder in ("environments", "models") and path.endswith((".yaml", ".yml"))
            if not is_ours or path in read or path in told or path == LAYERS_FILE:
                continue
            if folder == "models" and (model in blocked or rest[0] == "model.yaml"):
                continue
            if folder == "environments" and (blocked or reader.is_of_a_layer(path)):
                continue
            yield warning(
                "W_UNUSED_FILE",
                "nothing reads this file: no layer has this path, and no app lists it",
                Site(path, 0, 0),
                help="list it under `manifests:`, move it to the path of a layer, or delete it",
            )

    # -- reading -----------------------------------------------------------------------------------

    def _stack(self) -> stack.Stack | None:
        if self.left_out.find(LAYERS_FILE) is not None:
            return None
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

    # -- one unit ----------------------------------------------------------------------------------

    def _foundation(self, reader: LayerReader, environment: str, group: str) -> Foundation | None:
        unit = UnitId.foundation(environment, group)
        folded = reader.fold(reader.group_paths(environment, group), unit)
        if folded is None:
            return None
        tree = folded.tree
        self.groups[environment, group] = tree
        typed: dict[str, Any] = {}
        bad = not folded.is_sound
        for block, cls in (("environment", Environment), ("group", Group)):
            node = tree.children.get(block)
            if not isinstance(node, Branch):
                self.mistakes.add((_no_block(environment, group, block, node),), unit)
                bad = True
                continue
            value, found = validate.validate(cls, node, at=block)
            bad |= self.mistakes.add(found, unit)
            typed[block] = value
        if bad:
            return None
        found = (
            *rules.check_group(typed["group"]),
            *overlays.check_environment(typed["environment"]),
            *overlays.check_group(typed["group"]),
        )
        if self.mistakes.add(found, unit):
            return None
        return Foundation(
            environment,
            group,
            typed["environment"],
            typed["group"],
            tree,
            folded.files,
            self._inputs(folded.files),
            folded.locks,
        )

    def _app(self, reader: LayerReader, files: AppFiles) -> App | None:
        if files.model not in self.layout.models:
            return None
        folded = reader.fold(reader.paths(files), files.id, files.model)
        if folded is None:
            return None
        tree, used = folded.tree, folded.files
        bad = not folded.is_sound
        bad |= self.mistakes.add(self._check_references(reader, files, tree), files.id)
        for block in ("environment", "group"):
            node = tree.children.get(block)
            if not isinstance(node, Branch):
                # One error at the group's file, and no second one for a missing field of the app.
                self.mistakes.add(
                    (_no_block(files.environment, files.group, block, node),), files.id
                )
                return None
        core, blocks, wrong = _split_options(tree, self.capabilities)
        bad |= self.mistakes.add(wrong, files.id)
        spec, found = validate.validate(Application, core, elsewhere=self.capabilities)
        found = missing.fold(d for d in found if d.site not in folded.unresolved)
        bad |= self.mistakes.add(found, files.id) or spec is None
        options: dict[str, Any] = {}
        for path, name, cls, node in blocks:
            value, found = validate.validate(cls, node, at=path)
            bad |= self.mistakes.add(found, files.id)
            options[name] = value
        records = self._records(files.model, files.id)
        if spec is None or bad or records is None:
            return None
        bad |= self.mistakes.add(claims.check_named_once(spec), files.id)
        spec = claims.resolve(spec)
        manifests = self.manifests.read(spec, files, tree, reader.respelt)
        bad |= self.mistakes.add(manifests.diagnostics, files.id)
        bad |= self.mistakes.add(rules.check_app(files, spec, records, self.layout), files.id)
        bad |= self.mistakes.add(workloads.check_spelling(spec, reader.respelt), files.id)
        self.mistakes.add(self._plain_secrets(tree, manifests.objects), files.id)
        if bad:
            return None
        used += tuple(manifests.files)
        return App(
            files.environment,
            files.group,
            files.model,
            spec,
            tree,
            records,
            options,
            tuple(manifests.objects),
            used,
            self._inputs((*used, *self.layout.records.get(files.model, ()))),
            folded.locks,
        )

    def _check_references(
        self, reader: LayerReader, files: AppFiles, tree: Branch
    ) -> Iterator[Diagnostic]:
        """Errors when a model's layers change, through references, a block that they may not set:
        the `environment:` or `group:` block, or the type that named a layer."""
        home = self.groups.get((files.environment, files.group))
        for block in ("environment", "group"):
            before = home.children.get(block) if home is not None else None
            after = tree.children.get(block)
            if before is after or before is None or after is None:
                continue
            if plain(before) == plain(after):
                continue
            yield error(
                "E_LAYER_PATH",
                f"`{block}:` refers to values that a model's files change",
                after.origin.site,
                path=block,
                help="refer only to values of environment.yaml, group.yaml and layers below them",
            )
        model = tree.children.get("model")
        node = model.children.get("type") if isinstance(model, Branch) else None
        if isinstance(node, Value) and node.value != reader.type_of(files.model):
            yield error(
                "E_LAYER_PATH",
                "the application type is a plain text of model.yaml",
                node.origin.site,
                path="model.type",
                help="set it in models/<model>/model.yaml, without a reference",
            )

    def _records(self, model: str, unit: UnitId) -> Mapping[str, VersionRecord] | None:
        if model not in self.records:
            good: dict[str, VersionRecord] = {}
            found: list[Diagnostic] = []
            wanted = self.layout.records.get(model, ())
            for path, data in self.files.read(wanted):
                parsed = document.parse(data, path, "version-record")
                found += parsed.diagnostics
                if any(d.is_error for d in parsed.diagnostics):
                    continue
                if parsed.root is None:
                    found.append(
                        error(
                            "E_MISSING",
                            "a version record needs `version` and `digest`; this file is empty",
                            Site(path, 0, 0),
                            help="let `reconciler` write it, or delete the file",
                        )
                    )
                    continue
                merged = merge.fold((parsed,), _ALONE)
                found += merged.diagnostics
                record, mistakes = validate.validate(
                    VersionRecord, merged.tree, what="a version record"
                )
                found += mistakes
                stem = PurePosixPath(path).name.removesuffix(".yaml")
                if record is not None and record.version.value != stem:
                    found.append(
                        error(
                            "E_RECORD_NAME",
                            f"the record of version {record.version.value!r} lies in {stem}.yaml",
                            record.version.site,
                            path="version",
                            help=f"rename the file to {record.version.value}.yaml, "
                            "or correct the version",
                        )
                    )
                if record is not None:
                    good[stem] = record
            found += rules.check_digests(good)
            self.records[model] = good
            self.bad_records[model] = tuple(found)
        if self.mistakes.add(self.bad_records[model], unit):
            return None
        return self.records[model]

    @staticmethod
    def _plain_secrets(tree: Branch, manifests: Iterable[PlainManifest]) -> Iterator[Diagnostic]:
        yield from plain_secrets.check(tree)
        for manifest in manifests:
            yield from plain_secrets.check(manifest.root)

    def _inputs(self, files: Iterable[str]) -> str:
        names = hashlib.blake2b(digest_size=16)
        for path in (LAYERS_FILE, *files):
            names.update(f"{path}\0{self.blobs[path].blob_id}\n".encode())
        return names.hexdigest()


def _no_block(environment: str, group: str, block: str, node: Node | None) -> Diagnostic:
    name = "environment.yaml" if block == "environment" else f"{group}/group.yaml"
    if node is None:
        example = "{rank: 1}" if block == "environment" else "{namespace: …}"
        return error(
            "E_MISSING",
            f"the `{block}:` block is required here",
            Site(f"environments/{environment}/{name}", 0, 0),
            path=block,
            help=f"write e.g. {block}: {example}",
        )
    found = show_node(node)
    return error(
        "E_TYPE", f"expected a map, found {found}", node.origin.site, path=block, found=found
    )


def _split_options(
    tree: Branch, capabilities: Capabilities
) -> tuple[Branch, list[tuple[str, str, type, Branch]], list[Diagnostic]]:
    """The tree without the capabilities' own blocks; these blocks with path, name and dataclass;
    and errors for blocks that are no maps."""
    blocks: list[tuple[str, str, type, Branch]] = []
    wrong: list[Diagnostic] = []
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
            elif cls is not None:
                found = show_node(child)
                message = f"expected a map, found {found}"
                site, path = child.origin.site, f"{block}.{key}"
                wrong.append(error("E_TYPE", message, site, path=path, found=found))
            else:
                kept[key] = child
        children[block] = Branch(kept, node.origin, node.deleted)
    return Branch(children, tree.origin, tree.deleted), blocks, wrong
