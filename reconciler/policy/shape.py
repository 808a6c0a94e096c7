"""Reads the maps of a policy document field by field. A wrong type, a missing key or an unknown key
becomes a diagnostic at its place, and reading goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.diagnostics import Diagnostic, error
from reconciler.origin import Branch, Items, Node, Site, Value
from reconciler.suggest import did_you_mean

__all__ = ["Reader"]


class Reader:
    """Reads one map of a document. Readers of inner maps report to the same list `found`.

    Call `unknown` with all keys that the map may have. A field that cannot be read is reported and
    is then None or empty. `path` is the config path of the map.
    """

    __slots__ = ("branch", "found", "path", "site")

    def __init__(
        self, branch: Branch, found: list[Diagnostic], path: str = "", site: Site | None = None
    ) -> None:
        self.branch = branch
        self.found = found
        self.path = path
        self.site = site if site is not None else branch.origin.site

    def spelled(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, message: str, site: Site, path: str = "", help: str = "") -> None:
        self.found.append(error("E_POLICY", message, site, path=path, help=help))

    def unknown(self, *known: str) -> None:
        """Reports every key that is not among `known`."""
        for key, node in self.branch.children.items():
            if key in known:
                continue
            self.found.append(
                error(
                    "E_POLICY_KEY",
                    f"`{key}` is no field of this map",
                    node.origin.site,
                    path=self.spelled(key),
                    help=did_you_mean(key, known) or f"known: {', '.join(known)}",
                )
            )

    def node(self, key: str) -> Node | None:
        """The node at a key. None for a missing key and for a null."""
        node = self.branch.get(key)
        return None if isinstance(node, Value) and node.value is None else node

    def at(self, key: str) -> Site:
        """The place of a key; the place of the map when the key is missing."""
        node = self.branch.get(key)
        return node.origin.site if node is not None else self.site

    def text(self, key: str, *, required: bool = False, one_of: Iterable[str] = ()) -> str:
        node = self.node(key)
        path = self.spelled(key)
        if node is None:
            if required:
                self.wrong(f"`{key}` is missing", self.site, path)
            return ""
        if not isinstance(node, Value) or not isinstance(node.value, str):
            self.wrong(f"`{key}` must be a text", node.origin.site, path, "quote it")
            return ""
        self._choice(node.value, one_of, node.site, path)
        if required and not node.value:
            self.wrong(f"`{key}` is empty", node.site, path)
        return node.value

    def texts(
        self, key: str, *, required: bool = False, one_of: Iterable[str] = ()
    ) -> tuple[str, ...]:
        out: list[str] = []
        for node, path in self._elements(key, required=required):
            if isinstance(node, Value) and isinstance(node.value, str):
                self._choice(node.value, one_of, node.site, path)
                out.append(node.value)
            else:
                self.wrong(f"`{key}` must be a list of texts", node.origin.site, path)
        return tuple(out)

    def _choice(self, text: str, one_of: Iterable[str], site: Site, path: str) -> None:
        allowed = tuple(one_of)
        if allowed and text not in allowed:
            message = f"{text!r} is not one of {', '.join(allowed)}"
            self.wrong(message, site, path, did_you_mean(text, allowed))

    def map(self, key: str, *, required: bool = False) -> Reader | None:
        node = self.node(key)
        if isinstance(node, Branch):
            return Reader(node, self.found, self.spelled(key))
        if node is not None:
            self.wrong(f"`{key}` must be a map", node.origin.site, self.spelled(key))
        elif required:
            self.wrong(f"`{key}` is missing", self.site, self.spelled(key))
        return None

    def maps(self, key: str, *, required: bool = False) -> Iterator[Reader]:
        for node, path in self._elements(key, required=required):
            if isinstance(node, Branch):
                yield Reader(node, self.found, path)
            else:
                self.wrong(f"`{key}` must be a list of maps", node.origin.site, path)

    def _elements(self, key: str, *, required: bool) -> Iterator[tuple[Node, str]]:
        node = self.node(key)
        path = self.spelled(key)
        if isinstance(node, Items):
            if required and not node.children:
                self.wrong(f"`{key}` is empty", node.origin.site, path)
            for index, child in enumerate(node.children):
                yield child, f"{path}[{index}]"
        elif node is not None:
            self.wrong(f"`{key}` must be a list", node.origin.site, path)
        elif required:
            self.wrong(f"`{key}` is missing", self.site, path)

    def labels(self, key: str) -> tuple[tuple[str, str], ...]:
        """The entries of a map of texts."""
        inner = self.map(key)
        if inner is None:
            return ()
        return tuple((name, inner.text(name)) for name in inner.branch.children)
