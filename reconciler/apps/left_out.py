"""The entries of a tree that cannot be used (links, odd names, files that are too large), and which
units they stop.

What lies at such a path, or below it, is unknown: a unit that reads it is blocked, and no unit
whose file may lie there counts as gone from Git.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.objects.key import is_dns_label

__all__ = ["LeftOut", "find_above", "paths_of"]

_POLICIES = "policies"


class LeftOut:
    """The errors of `ports.Tree.faults`, by the paths that they make unknown. Those of policies are
    the policy stage's, and not here."""

    def __init__(self, faults: Iterable[Diagnostic]) -> None:
        self.errors: dict[str, Diagnostic] = {}
        for item in faults:
            for path in paths_of(item):
                if path.partition("/")[0] != _POLICIES:
                    self.errors.setdefault(path, item)

    def __bool__(self) -> bool:
        return bool(self.errors)

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(self.errors)

    def find(self, path: str) -> Diagnostic | None:
        """The error of the entry at a path, or of a folder above it. Cost: a look-up per folder."""
        above = find_above(path, self.errors) if self.errors else ""
        return self.errors[above] if above else None

    def names(self) -> Iterator[str]:
        """Paths that the layout should know although they cannot be read: the app of a file that is
        left out exists, and so does the group of a folder."""
        for path in self.errors:
            parts = path.split("/")
            if path.endswith(".yaml"):
                yield path
            elif len(parts) == 3 and parts[0] == "environments" and is_dns_label(parts[2]):
                yield f"{path}/group.yaml"


def paths_of(item: Diagnostic) -> Iterator[str]:
    """The paths that an error of a tree makes unknown."""
    if item.site is not None:
        yield item.site.file
    yield from (place.site.file for place in item.related)


def find_above(path: str, among: Container[str]) -> str:
    """The path itself or the highest folder above it that is among some paths; "" for none."""
    at = 0
    while (at := path.find("/", at)) >= 0:
        if path[:at] in among:
            return path[:at]
        at += 1
    return path if path in among else ""
