"""Where a value came from, carried by the value itself.

A leaf of a typed app is a `Value`: the datum and the chain of config lines that made it. Dropping
an origin must be harder than keeping it, so a `Value` refuses to be formatted, truth-tested or
compared with a plain value; `.value` is the one greppable way out and `derived` the one way to
make a new Value from several. This module imports nothing of the package and does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Literal, NamedTuple, NoReturn, TypeAlias, TypeVar

__all__ = [
    "BUILT_IN",
    "Branch",
    "Deletion",
    "Items",
    "Node",
    "Op",
    "Origin",
    "SecretRef",
    "Site",
    "Value",
    "built_in",
    "derive",
    "literal_node",
    "plain",
]

T = TypeVar("T")
U = TypeVar("U")

#: What a layer did at a path; the names of merge rule M10, and `default` for `!default`.
Op: TypeAlias = Literal[
    "set",
    "override",
    "merge",
    "replace",
    "force",
    "append",
    "prepend",
    "union",
    "remove",
    "delete",
    "default",
    "decided",
    "built-in",
]


class Site(NamedTuple):
    """A place in a file; line and column are 1-based and count code points. Line 0: the file."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class Origin:
    """One link of a provenance chain, newest first; apps share the tails.

    `site` points at the key (map entry), the element (list) or the anchored text. `value` is the
    scalar that the layer wrote, or None for maps and lists (`is_scalar` tells a null from a map).
    `under` is what this link overrode. `through` lists the origins of references followed and of
    the inputs of `derived`.
    """

    __slots__ = ("is_scalar", "layer", "op", "site", "through", "under", "value")

    def __init__(
        self,
        site: Site,
        layer: str,
        op: Op,
        value: Any = None,
        under: Origin | None = None,
        through: tuple[Origin, ...] = (),
        *,
        is_scalar: bool = True,
    ) -> None:
        self.site = site
        self.layer = layer
        self.op = op
        self.value = value
        self.under = under
        self.through = through
        self.is_scalar = is_scalar

    def chain(self) -> Iterator[Origin]:
        """This link and all that it overrode, newest first."""
        link: Origin | None = self
        while link is not None:
            yield link
            link = link.under

    def sites(self) -> Iterator[Site]:
        """Every place that had a say in the winning value: this link's and those it came through.

        Overridden places are not among them.
        """
        seen: set[int] = set()
        stack = [self]
        while stack:
            link = stack.pop()
            if id(link) in seen:
                continue
            seen.add(id(link))
            yield link.site
            stack.extend(reversed(link.through))

    def _key(self) -> tuple[Any, ...]:
        return (self.site, self.layer, self.op, repr(self.value), self.under, self.through)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.site, self.layer, self.op))

    def __repr__(self) -> str:
        return f"<{self.op} {self.site} ({self.layer})>"


class Deletion(Origin):
    """The link by which a layer took something away; `what` is the subtree that went, so that the
    paths inside it keep their chains too."""

    __slots__ = ("what",)

    def __init__(self, site: Site, layer: str, op: Op, what: Value[Any] | Branch | Items) -> None:
        super().__init__(site, layer, op, None, what.origin, is_scalar=False)
        self.what = what

    def inside(self) -> dict[str, Origin]:
        """The chains of the keys of a deleted map, each with this deletion on top."""
        if not isinstance(self.what, Branch):
            return {}
        inner: dict[str, Origin] = dict(self.what.gone)
        for key, child in self.what.children.items():
            inner[key] = Deletion(self.site, self.layer, self.op, child)
        return inner


#: The origin of values that no file gives: the dataclasses' own defaults.
BUILT_IN = Origin(Site("built-in default", 0, 0), "built-in", "built-in")


class SecretRef(NamedTuple):
    """An opaque reference to a secret (`!secret ref`); the secret's value is never known here."""

    ref: str


class Value(Generic[T]):
    """A leaf with its origin.

    Raises TypeError when formatted, truth-tested, or compared with anything but a Value: each of
    these would drop the origin without a trace. Write `.value` where the plain datum is meant.
    """

    __slots__ = ("origin", "value")

    def __init__(self, value: T, origin: Origin) -> None:
        self.value = value
        self.origin = origin

    @property
    def site(self) -> Site:
        """The winning config line."""
        return self.origin.site

    def map(self, function: Callable[[T], U]) -> Value[U]:
        """A new Value computed from this one alone."""
        return Value(function(self.value), self.origin)

    def __bool__(self) -> NoReturn:
        raise TypeError("a Value has no truth of its own: test `.value`")

    def __str__(self) -> NoReturn:
        raise TypeError("formatting a Value drops its origin: use `.value` or `derived`")

    def __format__(self, _spec: str) -> NoReturn:
        raise TypeError("formatting a Value drops its origin: use `.value` or `derived`")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value):
            raise TypeError("comparing a Value with a plain value: compare `.value`")
        return bool(self.value == other.value and self.origin == other.origin)

    def __hash__(self) -> int:
        return hash(repr(self.value))

    def __repr__(self) -> str:
        return f"Value({self.value!r} from {self.origin.site})"


class Branch:
    """A map of the merged tree. `gone` keeps the chains of keys that a layer deleted.

    `settled` is the resolver's mark: no reference is inside. Apps share subtrees, so each is
    looked through once a run.
    """

    __slots__ = ("children", "gone", "origin", "settled")

    def __init__(
        self,
        children: Mapping[str, Node],
        origin: Origin,
        gone: Mapping[str, Origin] | None = None,
    ) -> None:
        self.children = children
        self.origin = origin
        self.gone: Mapping[str, Origin] = gone if gone is not None else {}
        self.settled = False

    def get(self, key: str) -> Node | None:
        return self.children.get(key)

    def __repr__(self) -> str:
        return f"Branch({', '.join(self.children)} from {self.origin.site})"


class Items:
    """A list of the merged tree.

    `keys` names the fields that identify an element (a list merged by key), empty otherwise;
    `gone` keeps the chains of elements that a layer removed, under their spelled-out identity;
    `settled` is the same as a Branch's.
    """

    __slots__ = ("children", "gone", "keys", "origin", "settled")

    def __init__(
        self,
        children: tuple[Node, ...],
        origin: Origin,
        keys: tuple[str, ...] = (),
        gone: Mapping[str, Origin] | None = None,
    ) -> None:
        self.children = children
        self.origin = origin
        self.keys = keys
        self.gone: Mapping[str, Origin] = gone if gone is not None else {}
        self.settled = False

    def __repr__(self) -> str:
        return f"Items({len(self.children)} from {self.origin.site})"


Node: TypeAlias = "Value[Any] | Branch | Items"


def built_in(value: T) -> Value[T]:
    """A default that the program itself supplies; its origin says so."""
    return Value(value, BUILT_IN)


def derive(value: T, *inputs: Value[Any] | Branch | Items) -> Value[T]:
    """A Value computed from several: the first input leads, the others are `through`.

    With one input the origin is shared as it is.
    """
    if not inputs:
        return Value(value, BUILT_IN)
    lead = inputs[0].origin
    if len(inputs) == 1:
        return Value(value, lead)
    others = tuple([node.origin for node in inputs[1:]])  # a list is quicker than a generator
    return Value(
        value,
        Origin(lead.site, lead.layer, lead.op, lead.value, lead.under, lead.through + others),
    )


def plain(node: Any) -> Any:
    """The datum without origins: dicts, lists and scalars; a secret is `{"$secret": ref}`.

    Accepts drafts' trees too, where nodes, dicts, lists and literals mix. Cost: one pass.
    """
    kind = type(node)
    if kind is Value:
        node = node.value
        kind = type(node)
    if kind is str or kind is int or node is None:
        return node
    if kind is Branch:
        return {key: plain(child) for key, child in node.children.items()}
    if kind is Items or kind is list or kind is tuple:
        return [plain(child) for child in (node.children if kind is Items else node)]
    if isinstance(node, SecretRef):
        return {"$secret": node.ref}
    if isinstance(node, Mapping):
        return {key: plain(child) for key, child in node.items()}
    if isinstance(node, list | tuple):
        return [plain(child) for child in node]
    return plain(node.value) if isinstance(node, Value) else node


def literal_node(datum: Any, origin: Origin) -> Node:
    """A plain datum as a tree whose every node has the one origin."""
    if isinstance(datum, dict):
        return Branch({str(k): literal_node(v, origin) for k, v in datum.items()}, origin)
    if isinstance(datum, list | tuple):
        return Items(tuple(literal_node(v, origin) for v in datum), origin)
    return Value(datum, origin)
