"""What the options that all commands share said, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Common"]


@dataclass(frozen=True, slots=True)
class Common:
    """What the shared options said, for `wiring`. `revision` None means the command's default:
    the working tree to look, HEAD to write."""

    repo: str = "."
    revision: str | None = None
    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    app: str = ""
    output: str = "text"
    ascii_only: bool = False
    show_all: bool = False
    now: datetime | None = None
    embedded: str | None = None
    kubeconfig: str | None = None
    context: str = ""
    clusters: str | None = None
    in_cluster: bool = False
    worktree: bool = False
    upgrades: tuple[str, ...] = ()
    reports: tuple[tuple[str, str], ...] = ()
    link_base: str = ""
    marker: str = ""
    fail_on: tuple[str, ...] = ()

    @property
    def names_cluster(self) -> bool:
        """Whether an option says which cluster is meant."""
        named = (self.embedded, self.kubeconfig, self.clusters)
        return self.in_cluster or any(given is not None for given in named)
