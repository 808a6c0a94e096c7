"""Scalars and tags of one file: what a plain text stands for, and what its marker says (M1, M5)."""

from __future__ import annotations

from typing import Any

from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.layers import markers, scalars
from reconciler.layers.markers import Marked, Marks
from reconciler.origin import Node, Origin, SecretRef, Site, Value

__all__ = ["STANDARD", "Leaves", "Stopped"]

#: The prefix of YAML's own tags.
STANDARD = "tag:yaml.org,2002:"

Tree = Any  # Node | Marked


class Stopped(Exception):
    """A syntax error or a budget: the rest cannot be read. Reported already."""


class Leaves:
    """The state of one file's reading, as far as leaves need it.

    `simple` and `references` end up in the `Document`.
    """

    def __init__(self, file: str, layer: str) -> None:
        self.file = file
        self.layer = layer
        self.found: list[Diagnostic] = []
        self.simple = True
        self.references = False

    def scalar(self, event: Any, key: Site | None) -> Tree:
        """A scalar; `key` is the place of its map entry, which is then its own."""
        mark = event.start_mark
        site = key or Site(self.file, mark.line + 1, mark.column + 1)
        text = event.value
        tag = event.tag
        plain = not event.style
        if tag is None or tag == "!":
            value = text
            if plain and tag is None:
                value, problem = scalars.resolve(text)
                if problem:
                    self.disputed(text, problem, mark)
                elif value is None and key is not None:
                    self.simple = False
            if type(value) is str and "${{" in value:
                self.references = True
            return Value(value, Origin(site, self.layer, "set", value))
        if tag.startswith(STANDARD):
            return self.standard(tag, text, site, mark)
        marks = self.marks(tag, "scalar", mark)
        if marks is None:
            return Value(text, Origin(site, self.layer, "set", text))
        return self.marked_scalar(text, plain, marks, site, mark)

    def disputed(self, text: str, problem: str, mark: Any) -> None:
        """Reported at the scalar itself, also where its place is its key's."""
        place = self.site(mark)
        if problem == "W_LOSSY_NUMBER":
            self.found.append(
                warning(
                    problem,
                    f"the number {text} loses its last zero",
                    place,
                    help=f'quote it if it is a version: "{text}"',
                )
            )
        elif problem == "E_NUMBER":
            self.error(problem, f"{text[:40]} is not a finite number", place, found=text[:40])
        else:
            self.error(
                problem,
                f"YAML readers disagree about {text}",
                place,
                help=f'quote it: "{text}", or write the number or true/false',
            )

    def standard(self, tag: str, text: str, site: Site, mark: Any) -> Tree:
        kind = tag[len(STANDARD) :]
        value: Any = text
        wrong = False
        if kind == "null":
            value, wrong = None, scalars.resolve(text).value is not None
        elif kind in ("int", "float", "bool"):
            found = scalars.resolve(text)
            value = found.value
            if kind == "float" and type(value) is int:
                value = float(value)
            wanted: type = {"int": int, "float": float, "bool": bool}[kind]
            wrong = bool(found.problem.startswith("E")) or type(value) is not wanted
        elif kind != "str":
            self.error("E_TAG", f"!!{kind} is not a type of config values", self.site(mark))
        if wrong:
            self.error("E_TAG_TYPE", f"{text!r} is not a !!{kind}", self.site(mark))
        if type(value) is str and "${{" in value:
            self.references = True
        if value is None:
            self.simple = False
        return Value(value, Origin(site, self.layer, "set", value))

    def marked_scalar(self, text: str, plain: bool, marks: Marks, site: Site, mark: Any) -> Tree:
        if marks.secret:
            if not text:
                self.error("E_TAG_TYPE", "!secret needs a reference", self.site(mark))
            ref = SecretRef(text)
            return self.mark(Value(ref, Origin(site, self.layer, "set", ref)), marks, mark)
        value: Any = text
        if plain:
            value, problem = scalars.resolve(text)
            if problem:
                self.disputed(text, problem, mark)
        if marks.null and value is not None and text:
            self.error("E_TAG_TYPE", f"!null takes no value, found {text!r}", self.site(mark))
        if marks.null:
            value = None
        if marks.raw and not isinstance(value, str):
            self.error("E_TAG_TYPE", f"!raw is for text, found {text!r}", self.site(mark))
        if isinstance(value, str) and not marks.raw and "${{" in value:
            self.references = True
        origin = Origin(site, self.layer, "set", value)
        if marks.raw and isinstance(value, str):
            value = markers.Raw(value)
        return self.mark(Value(value, origin), marks, mark)

    def mark(self, node: Node, marks: Marks, mark: Any) -> Marked:
        self.simple = False
        if marks.raw:
            self.references = True
        return Marked(node, marks, self.site(mark))

    def marks(self, tag: str, kind: str, mark: Any) -> Marks | None:
        """The marks of a local tag; None when it is refused (and reported)."""
        site = self.site(mark)
        if not tag.startswith("!"):
            self.error("E_TAG", f"the tag {tag} is unknown; nothing here is ever executed", site)
            return None
        try:
            marks = markers.parse_tag(tag)
        except markers.TagInvalid as invalid:
            self.error("E_TAG", str(invalid), site)
            return None
        why = markers.wrong_kind(marks, kind)
        if why:
            self.error("E_TAG_TYPE", why, site)
            return None
        return marks

    def collection_tag(self, event: Any, kind: str) -> Marks | None:
        tag = event.tag
        if tag is None or tag == "!":
            return None
        if tag.startswith(STANDARD):
            wanted = {"map": "map", "list": "seq"}[kind]
            if tag != STANDARD + wanted:
                name = tag[len(STANDARD) :]
                known = name in ("map", "seq", "str", "int", "float", "bool", "null")
                code = "E_TAG_TYPE" if known else "E_TAG"
                self.error(code, f"!!{name} does not fit a {kind}", self.site(event.start_mark))
            return None
        return self.marks(tag, kind, event.start_mark)

    # -- reporting ---------------------------------------------------------------------------------

    def site(self, mark: Any) -> Site:
        return Site(self.file, mark.line + 1, mark.column + 1)

    def error(self, code: str, message: str, site: Site, **more: Any) -> None:
        self.found.append(error(code, message, site, **more))

    def stop_quietly(self, code: str, message: str, site: Site) -> None:
        self.error(code, message, site)

    def stop(self, code: str, message: str, site: Site, **more: Any) -> None:
        self.error(code, message, site, **more)
        raise Stopped
