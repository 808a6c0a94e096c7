"""Reads layers.yaml: the order of layers, list strategies and layer options (merge rules M2, M4,
M8)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import reconciler
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.layers import document, paths
from reconciler.layers.markers import Marked
from reconciler.layers.paths import PathInvalid, Patterns, Strategy
from reconciler.origin import Branch, Items, Site, Value, plain
from reconciler.suggest import did_you_mean

__all__ = ["Layer", "Stack", "load"]

#: People cannot follow more layers, and each app is merged from all of them.
_MOST = 64
_TOP = ("apiVersion", "requires", "layers", "lists")
_LAYER = ("name", "file", "owner", "optional", "overrideOnly", "allow")
_NAMES = ("type", "model", "environment", "group")
_STRATEGIES = ("replace", "append", "prepend", "union")


NOWHERE = Site("", 0, 0)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. `file` is a path, in which {type}, {model}, {environment} and {group} may stand.
    `allow` holds the prefixes of the paths that the layer may set; empty for all paths. `site` is
    the layer's entry in layers.yaml."""

    name: str
    file: str
    owner: str = ""
    optional: bool = False
    override_only: bool = False
    allow: tuple[tuple[str | int, ...], ...] = ()
    site: Site = NOWHERE


@dataclass(frozen=True, slots=True)
class Stack:
    """The content of layers.yaml. `layers` has the lowest layer first. `lists` maps the segments of
    a path pattern to the strategy of the lists there. `requires` is a version constraint."""

    layers: tuple[Layer, ...]
    lists: Mapping[tuple[str, ...], Strategy] = field(default_factory=dict)
    requires: str | None = None
    mixed: Mapping[tuple[str, ...], frozenset[str]] = field(default_factory=dict)
    """Path pattern → the kinds that a schema allows there, if there are several (M3.6)."""
    places: Mapping[tuple[str, ...], Site] = field(default_factory=dict)
    """Path pattern of `lists` → its line."""

    def layer(self, name: str) -> Layer | None:
        return next((layer for layer in self.layers if layer.name == name), None)

    def patterns(self) -> Patterns:
        return Patterns.of(self.lists)


def load(data: bytes, file: str) -> tuple[Stack | None, tuple[Diagnostic, ...]]:
    """The stack of a layers.yaml, or None and all mistakes in it."""
    parsed = document.parse(data, file, "layers")
    reader = _Reader(file)
    reader.found += parsed.diagnostics
    stack = reader.read_stack(parsed.root) if parsed.root is not None else None
    if parsed.root is None and not reader.found:
        reader.report("the file is empty; it lists the layers", Site(file, 1, 1))
    bad = any(d.is_error for d in reader.found)
    return (None if bad else stack), tuple(reader.found)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Diagnostic] = []
        self.places: dict[tuple[str, ...], Site] = {}

    def report(self, message: str, site: Site, **more: Any) -> None:
        self.found.append(error("E_LAYERS", message, site, **more))

    def read_stack(self, root: Branch) -> Stack | None:
        self.check_keys(root, _TOP, "layers.yaml")
        self.check_version(root)
        layers = tuple(self.read_layers(root))
        self.check_repeats(layers)
        if len(layers) > _MOST:
            message = f"{len(layers)} layers; at most {_MOST} are read"
            self.report(message, layers[_MOST].site, path="layers")
        lists = dict(self.read_lists(root))
        requires = root.get("requires")
        text = requires.value if isinstance(requires, Value) else None
        return Stack(layers, lists, text, places=self.places)

    def check_keys(self, branch: Branch, known: tuple[str, ...], where: str) -> None:
        for key, child in branch.children.items():
            if key in known:
                continue
            hint = did_you_mean(key, known) or f"known: {', '.join(known)}"
            self.report(f"{key!r} is not known in {where}", child.origin.site, path=key, help=hint)

    def check_version(self, root: Branch) -> None:
        api = root.get("apiVersion")
        if api is not None and not (isinstance(api, Value) and api.value == reconciler.API_VERSION):
            message = f"expected apiVersion: {reconciler.API_VERSION}"
            self.report(message, api.origin.site, path="apiVersion")
        requires = root.get("requires")
        if requires is None:
            return
        text = requires.value if isinstance(requires, Value) else None
        holds = _satisfied(text) if isinstance(text, str) else None
        if holds is None:
            message = 'expected a version constraint such as ">=0.1"'
            self.report(message, requires.origin.site, path="requires")
        elif not holds:
            self.found.append(
                error(
                    "E_REQUIRES",
                    f"this config needs {text}, and this is {reconciler.__version__}",
                    requires.origin.site,
                    path="requires",
                    help=f"install another version of {reconciler.DISTRIBUTION}",
                )
            )

    def read_layers(self, root: Branch) -> Iterator[Layer]:
        node = root.get("layers")
        if not isinstance(node, Items):
            site = node.origin.site if node is not None else root.origin.site
            self.report("`layers` is required: a list, lowest first", site, path="layers")
            return
        child: Any
        for index, child in enumerate(node.children):
            entry = child.node if isinstance(child, Marked) else child
            if isinstance(entry, Branch):
                yield self.read_layer(entry, f"layers[{index}]")
            else:
                message = "a layer is a map: {name: …, file: …}"
                self.report(message, child.origin.site, path=f"layers[{index}]")

    def read_layer(self, entry: Branch, path: str) -> Layer:
        self.check_keys(entry, _LAYER, "a layer")
        self.check_file(entry, path)
        return Layer(
            name=self.read_text(entry, "name", path),
            file=self.read_text(entry, "file", path),
            owner=self.read_text(entry, "owner", path, required=False),
            optional=self.read_flag(entry, "optional", path),
            override_only=self.read_flag(entry, "overrideOnly", path),
            allow=tuple(self.read_allow(entry, path)),
            site=entry.origin.site,
        )

    def check_file(self, entry: Branch, path: str) -> None:
        """The path is plain, and each name in braces is one that is filled in."""
        node = entry.get("file")
        if not isinstance(node, Value) or not isinstance(node.value, str):
            return
        text = node.value
        if text.startswith("/") or posixpath.normpath(text) != text or text.startswith(".."):
            message = f"`file` is a plain path inside the repository, found {text!r}"
            self.report(message, node.origin.site, path=f"{path}.file")
        for name in re.findall(r"\{([^{}]*)\}", text):
            if name not in _NAMES:
                self.report(
                    f"{{{name}}} is not filled in",
                    node.origin.site,
                    path=f"{path}.file",
                    help=did_you_mean(name, _NAMES, also=f"filled in: {', '.join(_NAMES)}"),
                )

    def read_text(self, entry: Branch, key: str, path: str, *, required: bool = True) -> str:
        node = entry.get(key)
        if isinstance(node, Value) and isinstance(node.value, str) and node.value:
            return node.value
        if node is not None or required:
            site = node.origin.site if node is not None else entry.origin.site
            self.report(f"`{key}` is a text" + " and required" * required, site, path=path)
        return ""

    def read_flag(self, entry: Branch, key: str, path: str) -> bool:
        node = entry.get(key)
        if node is None:
            return False
        if isinstance(node, Value) and isinstance(node.value, bool):
            return node.value
        self.report(f"`{key}` is true or false", node.origin.site, path=path)
        return False

    def read_allow(self, entry: Branch, path: str) -> Iterator[tuple[Any, ...]]:
        node = entry.get("allow")
        if node is None:
            return
        if not isinstance(node, Items):
            self.report("`allow` is a list of path prefixes", node.origin.site, path=path)
            return
        for child in node.children:
            text = child.value if isinstance(child, Value) else None
            try:
                yield paths.parse(text if isinstance(text, str) else "")
            except PathInvalid as invalid:
                self.report(f"`allow`: {invalid}", child.origin.site, path=path)

    def check_repeats(self, layers: tuple[Layer, ...]) -> None:
        for key in ("name", "file"):
            first: dict[str, Layer] = {}
            for layer in layers:
                text = getattr(layer, key)
                if text and text in first:
                    self.report(
                        f"the {key} {text!r} is listed twice",
                        layer.site,
                        path="layers",
                        related=[Related(first[text].site, "first here")],
                    )
                first.setdefault(text, layer)

    def read_lists(self, root: Branch) -> Iterator[tuple[tuple[str, ...], Strategy]]:
        node = root.get("lists")
        if node is None:
            return
        if not isinstance(node, Branch):
            self.report("`lists` maps path patterns to strategies", node.origin.site, path="lists")
            return
        for pattern, child in node.children.items():
            strategy = self.read_strategy(child, pattern)
            try:
                segments = paths.parse_pattern(pattern)
            except PathInvalid as invalid:
                self.report(str(invalid), child.origin.site, path="lists")
                continue
            self.places[segments] = child.origin.site
            if strategy is not None:
                yield segments, strategy

    def read_strategy(self, child: Any, pattern: str) -> Strategy | None:
        datum = plain(child.node if isinstance(child, Marked) else child)
        if datum in _STRATEGIES:
            return Strategy(datum)
        if isinstance(datum, dict) and set(datum) == {"by"} and isinstance(datum["by"], str):
            keys = tuple(datum["by"].split("+"))
            if all(keys) and len(set(keys)) == len(keys):
                return Strategy("by", keys)
        expected = ", ".join(_STRATEGIES)
        self.report(
            f"expected one of {expected} or {{by: key}} or {{by: key+key}}",
            child.origin.site,
            path=f"lists.{pattern}",
        )
        return None


def _satisfied(constraint: str) -> bool | None:
    """Whether this version of the program satisfies a constraint (PEP 440). None for a text that is
    no constraint."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if not constraint.strip():
        return None
    try:
        wanted = SpecifierSet(constraint)
    except InvalidSpecifier:
        return None
    return wanted.contains(reconciler.__version__, prereleases=True)
