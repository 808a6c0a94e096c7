"""Reads one YAML file into a tree in which every node has a place (merge rule M1). The rules are
strict and the size is limited. No content of a file makes this module raise.

The tree is built from PyYAML's events (of libyaml, if PyYAML has it). Limits are checked while the
tree is built, before any code recurses over the tree. Leaves are Values with the origin `set`, so a
layer with nothing below it is used without a copy.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from reconciler.diagnostics import Diagnostic, Related
from reconciler.layers import scalars, syntax_hints
from reconciler.layers.markers import Marked
from reconciler.layers.scalars import STANDARD_TAG, ScalarReader, StopReading
from reconciler.origin import Branch, Items, Origin, Site, Value

__all__ = ["Document", "parse", "split"]

FILE_BYTES = 1024 * 1024
DEPTH = 64
NODES = 100_000
ALIASES = 100
EXPANSION = 10
EXPANSION_FROM = 10_000

#: libyaml's parser if PyYAML has it, else the parser in Python, which gives the same events.
_PARSER: Any = getattr(getattr(yaml, "cyaml", None), "CParser", None) or yaml.BaseLoader
_SCALAR: Any = yaml.ScalarEvent
_MAP: Any = yaml.MappingStartEvent
_MAP_END: Any = yaml.MappingEndEvent
_LIST_END: Any = yaml.SequenceEndEvent
_new = tuple.__new__  # twice as fast as the constructor of a NamedTuple
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]"
)
_ASCII = bytes((9, 10, 13, *range(0x20, 0x7F)))
#: Only comments: most files of a fleet are like this and say that an app exists. The parser decides
#: about files with tabs or carriage returns.
_NOTHING = re.compile(r"(?: *(?:#[^\n\t\r]*)?\n)* *(?:#[^\n\t\r]*)?")
#: Errors that are not told beside a syntax error.
_DOUBTFUL = frozenset({"E_ROOT_TYPE", "E_KEY_TYPE", "E_AMBIGUOUS", "E_EMPTY", "E_TAG_PLACE"})
_START = re.compile(rb"^---(\s|$)", re.MULTILINE)
_LINE = re.compile(r"\r\n|\r|\n")
_LFS = b"version https://git-lfs.github.com/spec/"
_NO_KEY = ("expected key", "expected node content")

Tree = Any  # Node | Marked


class Document:
    """A parsed file. `root` is None for an empty file and for a file without a readable map.

    `simple`: the file has no markers and no nulls in maps, so its subtrees can be shared without a
    copy. `references`: a text in the file holds `${{`. `empty` holds the places of the keys without
    a value. `respelt` maps the place of each plain number or boolean that has another spelling as a
    text (`3.10`, `1e3`, `True`) to the spelling in the file.
    """

    __slots__ = (
        "diagnostics",
        "empty",
        "file",
        "layer",
        "references",
        "respelt",
        "root",
        "simple",
    )

    def __init__(
        self,
        file: str,
        layer: str,
        root: Any,
        diagnostics: tuple[Diagnostic, ...],
        *,
        simple: bool = True,
        references: bool = False,
    ) -> None:
        self.file = file
        self.layer = layer
        self.root: Branch | None = root
        self.diagnostics = diagnostics
        self.simple = simple
        self.references = references
        self.empty: tuple[Site, ...] = ()
        self.respelt: Mapping[Site, str] = {}


def parse(data: bytes, file: str, layer: str) -> Document:
    """The document of one file. All mistakes are in its `diagnostics`. Never raises. `layer` is the
    layer's name in origins."""
    builder = _Builder(file, layer)
    try:
        text = builder.decode(data)
        root = None if _NOTHING.fullmatch(text) else builder.read_document(text)
    except StopReading:
        root = None
    parsed = Document(
        file,
        layer,
        root,
        tuple(builder.found),
        simple=builder.simple,
        references=builder.references,
    )
    parsed.empty, parsed.respelt = tuple(builder.empty), builder.respelt
    return parsed


def split(data: bytes) -> Iterator[bytes]:
    """Splits a file into its documents, as chunks for `parse`. A chunk begins with as many line
    feeds as the file has lines before it, so that lines keep their numbers. Empty documents are
    left out."""
    starts = [match.start() for match in _START.finditer(data)]
    for begin, end in itertools.pairwise([0, *(start for start in starts if start), len(data)]):
        if data[begin:end].strip():
            yield b"\n" * data.count(b"\n", 0, begin) + data[begin:end]


def _is_empty_key(text: str, mark: Any) -> bool:
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    return line[mark.column : mark.column + 1] == ":" and line[mark.column + 1 :][:1] in ("", " ")


class _Builder(ScalarReader):
    """Builds the tree of one file from parser events and checks the limits."""

    def __init__(self, file: str, layer: str) -> None:
        super().__init__(file, layer)
        self.anchors: dict[str, tuple[Tree, int] | None] = {}
        self.nodes = 0
        self.expanded = 0
        self.aliases = 0
        self.next: Any = None
        """Returns the parser's next event."""

    # -- text --------------------------------------------------------------------------------------

    def decode(self, data: bytes) -> str:
        if len(data) > FILE_BYTES:
            message = f"the file has {len(data)} bytes; at most {FILE_BYTES} are read"
            self.stop("E_SIZE", message, Site(self.file, 1, 1))
        if data.startswith(_LFS):
            self.stop(
                "E_LFS_POINTER",
                "this is a Git LFS pointer, not the file itself",
                Site(self.file, 1, 1),
                help="keep config in Git proper: git lfs untrack",
            )
        if not data.translate(None, _ASCII):
            return data.decode("ascii")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as bad:
            before = data[: bad.start].decode("utf-8", "replace")
            self.stop("E_SYNTAX", "not UTF-8", self.place_after(before))
        text = text.removeprefix("\ufeff")
        forbidden = _FORBIDDEN.search(text)
        if forbidden is not None:
            code = f"U+{ord(forbidden.group()):04X}"
            self.stop(
                "E_SYNTAX",
                f"the character {code} cannot stand in a config file",
                self.place_after(text[: forbidden.start()]),
                help=f'write it as an escape in double quotes: "\\u{ord(forbidden.group()):04x}"',
            )
        return text

    def place_after(self, before: str) -> Site:
        """The place after a text that begins at the start of the file."""
        lines = _LINE.split(before)
        return Site(self.file, len(lines), len(lines[-1]) + 1)

    # -- events ------------------------------------------------------------------------------------

    def read_document(self, text: str) -> Branch | None:
        parser = _PARSER(text)
        self.next = parser.get_event
        try:
            return self._read_documents()
        except yaml.MarkedYAMLError as bad:
            mark = bad.problem_mark or bad.context_mark
            site = self.site(mark) if mark is not None else Site(self.file, 1, 1)
            words = ", ".join(w for w in (bad.context, bad.problem) if w)
            if "undefined alias" in words:
                self.error("E_ALIAS", "the alias has no anchor before it", site)
            elif mark is not None and words.endswith(_NO_KEY) and _is_empty_key(text, mark):
                # libyaml cannot read `: value`, a map with an empty plain key.
                self.error("E_KEY_TYPE", 'an empty key must be quoted: ""', site)
            else:
                self._report_syntax(text, words or "not YAML", site)
        except yaml.YAMLError as bad:
            self.error("E_SYNTAX", str(bad).splitlines()[0], Site(self.file, 1, 1))
        finally:
            dispose = getattr(parser, "dispose", None)
            if dispose is not None:
                dispose()
        return None

    def _report_syntax(self, text: str, words: str, site: Site) -> None:
        """Reports why the file is no YAML: one error, since what was read before it may be read
        wrongly for the same reason."""
        self.found = [d for d in self.found if d.code not in _DOUBTFUL]
        hint = syntax_hints.explain(text, site.line)
        if hint is None:
            self.error("E_SYNTAX", words, site)
            return
        place = Site(self.file, hint.line, hint.column)
        self.error("E_SYNTAX", hint.message, place, help=hint.help)

    def _read_documents(self) -> Branch | None:
        self.next()  # stream start
        event = self.next()
        root: Branch | None = None
        if isinstance(event, yaml.DocumentStartEvent):
            root = self._read_root(self.next())
            self.next()  # document end
            event = self.next()
        if isinstance(event, yaml.DocumentStartEvent):
            self.error(
                "E_MULTI_DOC",
                "a second document begins here; a layer is one document",
                self.site(event.start_mark),
                help="put it into a file of its own",
            )
        return root

    def _read_root(self, event: Any) -> Branch | None:
        site = self.site(event.start_mark)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.tag is None and event.style in (None, "")
            if plain and scalars.resolve(event.value) == scalars.Resolved(None):
                return None
            self.error("E_ROOT_TYPE", "a layer is a map, and this is a scalar", site)
            return None
        if isinstance(event, yaml.SequenceStartEvent):
            self.error("E_ROOT_TYPE", "a layer is a map, and this is a list", site)
            self.read_node(event, 0, None)
            return None
        node = self.read_node(event, 0, None)
        if isinstance(node, Marked):
            self.error("E_TAG_PLACE", "the whole file cannot be marked", node.tag)
            node = node.node
        return node if isinstance(node, Branch) else None

    # -- nodes -------------------------------------------------------------------------------------

    def read_node(self, event: Any, depth: int, key: Site | None) -> Tree:
        """The node that begins with an event. `key` is the place of the key whose value the node
        is; None for an element of a list and for the root."""
        kind = type(event)
        self.nodes += 1
        self.expanded += 1
        if self.expanded > NODES:
            self.stop_at_nodes(self.site(event.start_mark))
        if kind is _SCALAR:
            tree = self.read_scalar(event, key)
        elif kind is yaml.AliasEvent:
            return self.read_alias(event, key)
        else:
            if depth >= DEPTH:
                message = f"nested deeper than {DEPTH} levels"
                self.stop("E_DEPTH", message, self.site(event.start_mark))
            anchor = event.anchor
            size = self.expanded
            if anchor:
                self.anchors[anchor] = None  # not complete: an alias to it would be a cycle
            if kind is _MAP:
                tree = self.read_map(event, depth, key)
            else:
                tree = self.read_list(event, depth, key)
            if anchor:
                self.anchors[anchor] = (tree, self.expanded - size + 1)
            return tree
        if event.anchor:
            self.anchors[event.anchor] = (tree, 1)
        return tree

    def read_alias(self, event: Any, key: Site | None) -> Tree:
        site = self.site(event.start_mark)
        self.aliases += 1
        if self.aliases > ALIASES:
            self.stop("E_ALIAS_LIMIT", f"more than {ALIASES} aliases in one file", site)
        if event.anchor not in self.anchors:
            self.error("E_ALIAS", f"*{event.anchor} has no anchor before it", site)
            return Value(None, Origin(key or site, self.layer, "set"))
        found = self.anchors[event.anchor]
        if found is None:
            self.error("E_ALIAS", f"*{event.anchor} stands inside its own anchor", site)
            return Value(None, Origin(key or site, self.layer, "set"))
        tree, size = found
        self.expanded += size - 1
        if self.expanded > NODES:
            self.stop_at_nodes(site)
        if self.expanded > EXPANSION_FROM and self.expanded > EXPANSION * self.nodes:
            message = f"aliases expand the file to more than {EXPANSION} times its size"
            self.stop("E_ALIAS_LIMIT", message, site)
        if key is None:
            return tree
        if isinstance(tree, Value) and tree.value is None:
            self.simple = False
        return self.moved_to(tree, key)

    def moved_to(self, tree: Tree, key: Site) -> Tree:
        """The anchored node as the value of another key, with the place of that key."""
        if isinstance(tree, Marked):
            return Marked(self.moved_to(tree.node, key), tree.marks, tree.tag)
        before = tree.origin
        origin = Origin(key, self.layer, "set", before.value, is_scalar=before.is_scalar)
        if isinstance(tree, Value):
            if before.site in self.respelt:
                self.respelt[key] = self.respelt[before.site]
            return Value(tree.value, origin)
        if isinstance(tree, Branch):
            return Branch(tree.children, origin, tree.deleted)
        return Items(tree.children, origin, tree.keys, tree.deleted)

    def stop_at_nodes(self, site: Site) -> None:
        self.stop("E_ALIAS_LIMIT", f"more than {NODES} nodes after expansion", site)

    def read_list(self, event: Any, depth: int, key: Site | None) -> Tree:
        site = key or self.site(event.start_mark)
        marks = self.read_collection_tag(event, "list")
        children: list[Tree] = []
        following = self.next()
        while type(following) is not _LIST_END:
            children.append(self.read_node(following, depth + 1, None))
            following = self.next()
        items = Items(tuple(children), Origin(site, self.layer, "set", is_scalar=False))
        return items if marks is None else self.mark_node(items, marks, event.start_mark)

    def read_map(self, event: Any, depth: int, key: Site | None) -> Tree:
        site = key or self.site(event.start_mark)
        marks = self.read_collection_tag(event, "map")
        children: dict[str, Tree] = {}
        explicit: dict[str, Site] = {}
        following = self.next()
        file, after = self.file, self.next
        while type(following) is not _MAP_END:
            if (
                type(following) is _SCALAR
                and following.tag is None
                and following.anchor is None
                and not scalars.is_ambiguous_key(following.value)
                and following.value != "<<"
            ):
                # Nearly every key is like this. `read_key` checks all other keys.
                mark = following.start_mark
                name, merges = following.value, False
                place = _new(Site, (file, mark.line + 1, mark.column + 1))
                self.nodes += 1
                self.expanded += 1
            else:
                name, place, merges = self.read_key(following, depth)
            value = after()
            if merges:
                if "<<" in explicit:
                    self.report_duplicate("<<", place, explicit["<<"])
                explicit["<<"] = place
                self.merge_entries(
                    self.read_node(value, depth + 1, None), place, children, explicit
                )
            else:
                tree = self.read_node(value, depth + 1, place)
                if name is not None:
                    self.add_entry(name, place, tree, children, explicit)
            following = after()
        branch = Branch(children, Origin(site, self.layer, "set", is_scalar=False))
        return branch if marks is None else self.mark_node(branch, marks, event.start_mark)

    def read_key(self, event: Any, depth: int) -> tuple[str | None, Site, bool]:
        """A key's text and place, and whether it is the merge key `<<`. The text is None for a
        wrong key, which is then reported."""
        mark = event.start_mark
        site = Site(self.file, mark.line + 1, mark.column + 1)
        self.nodes += 1
        self.expanded += 1
        if type(event) is not _SCALAR:
            what = "an alias" if type(event) is yaml.AliasEvent else "a map or list"
            self.error("E_KEY_TYPE", f"a key is a text, and this is {what}", site)
            if type(event) is not yaml.AliasEvent:
                self.nodes -= 1
                self.expanded -= 1
                self.read_node(event, depth + 1, None)
            return None, site, False
        tag = event.tag
        plain = (event.style is None or event.style == "") and tag is None
        if tag is not None and tag not in ("!", STANDARD_TAG + "str"):
            code = "E_KEY_TYPE" if tag.startswith(STANDARD_TAG) else "E_TAG_PLACE"
            self.error(code, "a key cannot be tagged", site)
            return None, site, False
        text = event.value
        if event.anchor:
            self.anchors[event.anchor] = (Value(text, Origin(site, self.layer, "set", text)), 1)
        if plain and text == "<<":
            return text, site, True
        if plain and scalars.is_ambiguous_key(text):
            label = text or "an empty key"
            self.error(
                "E_KEY_TYPE",
                f"not every YAML reader takes the plain key {label} for a text",
                site,
                help=f'quote it: "{text}"',
            )
            return None, site, False
        return text, site, False

    def add_entry(
        self,
        name: str,
        site: Site,
        tree: Tree,
        children: dict[str, Tree],
        explicit: dict[str, Site],
    ) -> None:
        if name in explicit and name != "<<":
            self.report_duplicate(name, site, explicit[name])
            return
        if not name.isascii():
            self.check_normalised(name, site, explicit)
        explicit[name] = site
        children[name] = tree

    def report_duplicate(self, name: str, site: Site, first: Site) -> None:
        self.error(
            "E_DUP_KEY",
            f"the key {name!r} is given twice",
            site,
            related=[Related(first, "first here")],
            help="keep one of them",
        )

    def check_normalised(self, name: str, site: Site, explicit: dict[str, Site]) -> None:
        normal = unicodedata.normalize("NFC", name)
        for other, place in explicit.items():
            if other != name and unicodedata.normalize("NFC", other) == normal:
                self.error(
                    "E_KEY_NFC",
                    f"{name!r} and a sibling differ only in Unicode normalisation",
                    site,
                    related=[Related(place, "the sibling")],
                )

    def merge_entries(
        self, source: Tree, site: Site, children: dict[str, Tree], explicit: dict[str, Site]
    ) -> None:
        """Adds the entries of the maps under `<<`. A key of the map itself wins over a merged key,
        and an earlier map wins over a later one."""
        trees = list(source.children) if isinstance(source, Items) else [source]
        for tree in trees:
            node = tree.node if isinstance(tree, Marked) else tree
            if not isinstance(node, Branch):
                message = "`<<` takes a map or a list of maps"
                self.error("E_MERGE_KEY", message, site)
                return
            for name, child in node.children.items():
                if name not in explicit:
                    children.setdefault(name, child)
