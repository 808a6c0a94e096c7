"""Markers: YAML tags such as `!append` that say how a node meets the node below it (merge rule
M5)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from reconciler.origin import Node, Site
from reconciler.suggest import did_you_mean

__all__ = ["LIST_OPERATIONS", "Marked", "Marks", "Raw", "TagInvalid", "parse_tag", "wrong_kind"]

LIST_OPERATIONS = frozenset({"append", "prepend", "union", "remove", "by"})
_WORDS = LIST_OPERATIONS | {
    "replace",
    "delete",
    "force",
    "override",
    "default",
    "final",
    "null",
    "raw",
    "secret",
}
#: Pairs that contradict each other. Also, a tag may have at most one of the list operations and
#: `replace`.
_CONTRADICTIONS = (
    ("default", "override"),
    ("default", "force"),
    ("default", "replace"),
    ("null", "raw"),
    ("null", "secret"),
    ("raw", "secret"),
)
_WITH_DELETE = frozenset({"delete", "override"})


class Raw(str):
    """A text with `!raw`, in which `${{` is no reference. It becomes a plain str when references
    are resolved."""

    __slots__ = ()


class TagInvalid(Exception):
    """A tag is unknown or contradicts itself. The exception's text says why."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The markers of one tag. `operation` is a list operation or `replace`; "" for none. `keys` are
    the key fields of the operation `by`."""

    operation: str = ""
    keys: tuple[str, ...] = ()
    delete: bool = False
    force: bool = False
    override: bool = False
    default: bool = False
    final: bool = False
    null: bool = False
    raw: bool = False
    secret: bool = False


class Marked:
    """A node with its markers. The merge replaces it by a plain node. `tag` is the tag's place."""

    __slots__ = ("marks", "node", "tag")

    def __init__(self, node: Node, marks: Marks, tag: Site) -> None:
        self.node = node
        self.marks = marks
        self.tag = tag

    @property
    def origin(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        return self.node.origin


@functools.lru_cache(maxsize=1024)
def parse_tag(tag: str) -> Marks:
    """The markers of a tag such as `!final.replace` or `!by:port+protocol`. Raises TagInvalid."""
    words: list[str] = []
    keys: tuple[str, ...] = ()
    for part in tag[1:].split("."):
        word, colon, argument = part.partition(":")
        if word not in _WORDS:
            close = did_you_mean(word, sorted(_WORDS))
            raise TagInvalid(
                f"{tag} is not a marker: there is no {word!r}{'; ' * bool(close)}{close}"
            )
        if (word == "by") != bool(colon):
            reason = "needs its key: !by:name" if word == "by" else "takes no argument"
            raise TagInvalid(f"{tag}: {word!r} {reason}")
        if word == "by":
            keys = tuple(argument.split("+"))
            if not all(keys) or len(set(keys)) != len(keys):
                raise TagInvalid(f"{tag}: {argument!r} is not a list of keys")
        if word in words:
            raise TagInvalid(f"{tag} holds {word!r} twice")
        words.append(word)
    word_set = frozenset(words)
    operations = [w for w in words if w in LIST_OPERATIONS or w == "replace"]
    if len(operations) > 1:
        raise TagInvalid(f"{tag}: {' and '.join(operations)} exclude each other")
    for first, second in _CONTRADICTIONS:
        if first in word_set and second in word_set:
            raise TagInvalid(f"{tag}: {first} and {second} contradict each other")
    if "delete" in word_set and not word_set <= _WITH_DELETE:
        raise TagInvalid(f"{tag}: only override may stand beside delete")
    if operations and operations[0] in LIST_OPERATIONS and word_set & {"default", "force"}:
        other = "default" if "default" in word_set else "force"
        raise TagInvalid(f"{tag}: {other} and {operations[0]} contradict each other")
    flags = {w: True for w in words if w not in LIST_OPERATIONS and w != "replace"}
    return Marks(operation=operations[0] if operations else "", keys=keys, **flags)


def wrong_kind(marks: Marks, kind: str) -> str:
    """Why the markers cannot stand on a node of a kind (`map`, `list` or `scalar`); "" if they
    can."""
    if marks.operation in LIST_OPERATIONS and kind != "list":
        return f"!{marks.operation} is for lists, this is a {kind}"
    if marks.operation == "replace" and kind == "scalar":
        return "!replace is for maps and lists; a scalar replaces anyway"
    for name in ("null", "raw", "secret"):
        if getattr(marks, name) and kind != "scalar":
            return f"!{name} is for scalars, this is a {kind}"
    if marks.delete and kind != "map":
        return "!delete is for an element of a keyed list: a map with the element's key"
    return ""
