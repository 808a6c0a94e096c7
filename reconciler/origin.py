"""Where a value came from, carried by the value itself.

A leaf of a typed app is a `Value`: a datum and the chain of config lines that set it. A program
loses an origin easily: `f"{image}"` keeps only the text. So a `Value` raises TypeError when it is
formatted, truth-tested or compared with a plain value. `.value` gives the plain datum; `derive`
computes a new Value from several. This module imports nothing of the package and does no I/O.
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

#: What a layer did at a path: the names of merge rule M10, `default` for `!default`, `decided` for
#: a value that a decision computed, `built-in` for a default of the program.
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
    """A place in a file. Line and column count from 1, the column in code points. Line 0 means the
    whole file."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class Origin:
    """One link in the chain of lines that set a value, newest first. Apps share older links.

    `site` points at the key (map entry), the element (list) or the anchored text. `value` is the
    scalar that the layer wrote, and None for a map or a list; `is_scalar` is False for these, so
    that a null differs from a map. `under` is the link that this one overrode. `through` lists the
    origins of the references that were followed and of the other inputs of `derive`.
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
        """This link and every link under it, newest first."""
        link: Origin | None = self
        while link is not None:
            yield link
            link = link.under

    def sites(self) -> Iterator[Site]:
        """The places that made the winning value: this link's and those of `through`, each once.

        The places of overridden values are left out.
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
    """The link of a layer that deleted a subtree. `subtree` is kept, so that `explain` can show the
    chains of the paths inside it."""

    __slots__ = ("subtree",)

    def __init__(
        self, site: Site, layer: str, op: Op, subtree: Value[Any] | Branch | Items
    ) -> None:
        super().__init__(site, layer, op, None, subtree.origin, is_scalar=False)
        self.subtree = subtree

    def inside(self) -> dict[str, Origin]:
        """The chains of the keys of a deleted map, each with this deletion on top."""
        if not isinstance(self.subtree, Branch):
            return {}
        inner: dict[str, Origin] = dict(self.subtree.deleted)
        for key, child in self.subtree.children.items():
            inner[key] = Deletion(self.site, self.layer, self.op, child)
        return inner


#: The origin of a value that no file sets: the default of a dataclass field.
BUILT_IN = Origin(Site("built-in default", 0, 0), "built-in", "built-in")


class SecretRef(NamedTuple):
    """A reference to a secret (`!secret ref`). The program never reads the secret's value."""

    ref: str


class Value(Generic[T]):
    """A leaf with its origin.

    Raises TypeError when formatted, truth-tested, or compared with anything but a Value, because
    the result would have no origin. Write `.value` where the plain datum is meant.
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
        """A new Value with the same origin, computed from this one alone."""
        return Value(function(self.value), self.origin)

    def __bool__(self) -> NoReturn:
        raise TypeError("a Value cannot be truth-tested: test `.value`")

    def __str__(self) -> NoReturn:
        raise TypeError("formatting a Value drops its origin: use `.value` or `derive`")

    def __format__(self, _spec: str) -> NoReturn:
        raise TypeError("formatting a Value drops its origin: use `.value` or `derive`")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value):
            raise TypeError("comparing a Value with a plain value: compare `.value`")
        return bool(self.value == other.value and self.origin == other.origin)

    def __hash__(self) -> int:
        return hash(repr(self.value))

    def __repr__(self) -> str:
        return f"Value({self.value!r} from {self.origin.site})"


class Branch:
    """A map of the merged tree. `deleted` keeps the chains of the keys that a layer deleted.

    The resolver sets `settled` when the subtree holds no reference. Apps share subtrees, so the
    resolver searches each subtree once per run.
    """

    __slots__ = ("children", "deleted", "origin", "settled")

    def __init__(
        self,
        children: Mapping[str, Node],
        origin: Origin,
        deleted: Mapping[str, Origin] | None = None,
    ) -> None:
        self.children = children
        self.origin = origin
        self.deleted: Mapping[str, Origin] = deleted if deleted is not None else {}
        self.settled = False

    def get(self, key: str) -> Node | None:
        return self.children.get(key)

    def __repr__(self) -> str:
        return f"Branch({', '.join(self.children)} from {self.origin.site})"


class Items:
    """A list of the merged tree.

    `keys` names the fields that identify an element of a list that merges by key; empty for other
    lists. `deleted` keeps the chains of the elements that a layer removed, each under its identity
    (`name=cpu`). `settled` means the same as in a Branch.
    """

    __slots__ = ("children", "deleted", "keys", "origin", "settled")

    def __init__(
        self,
        children: tuple[Node, ...],
        origin: Origin,
        keys: tuple[str, ...] = (),
        deleted: Mapping[str, Origin] | None = None,
    ) -> None:
        self.children = children
        self.origin = origin
        self.keys = keys
        self.deleted: Mapping[str, Origin] = deleted if deleted is not None else {}
        self.settled = False

    def __repr__(self) -> str:
        return f"Items({len(self.children)} from {self.origin.site})"


Node: TypeAlias = "Value[Any] | Branch | Items"


def built_in(value: T) -> Value[T]:
    """A default of the program. Its origin is `BUILT_IN`."""
    return Value(value, BUILT_IN)


def derive(value: T, *inputs: Value[Any] | Branch | Items) -> Value[T]:
    """A Value computed from several. Its origin is the first input's, with the origins of the other
    inputs in `through`. With one input the origin is shared; without inputs it is `BUILT_IN`."""
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
    """The datum without origins: dicts, lists and scalars. A secret is `{"$secret": ref}`.

    Accepts a draft's tree too, in which nodes, dicts, lists and literals mix. Cost: one pass.
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
    """A plain datum as a tree in which every node has `origin`."""
    if isinstance(datum, dict):
        return Branch({str(k): literal_node(v, origin) for k, v in datum.items()}, origin)
    if isinstance(datum, list | tuple):
        return Items(tuple(literal_node(v, origin) for v in datum), origin)
    return Value(datum, origin)
