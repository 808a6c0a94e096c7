"""The values of the options that all commands share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.errors import UsageMistake

if TYPE_CHECKING:
    from reconciler.apps.app import Selection

__all__ = ["CommonOptions", "now", "selection"]


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """The values of the shared options. `revision` None means the command's default: the work tree
    for commands that only read, HEAD for commands that write."""

    repo: str = "."
    revision: str | None = None
    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
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
    reports: tuple[tuple[str, str], ...] = ()
    link_base: str = ""
    marker: str = ""
    fail_on: tuple[str, ...] = ()

    @property
    def names_cluster(self) -> bool:
        """Whether an option names a cluster."""
        named = (self.embedded, self.kubeconfig, self.clusters)
        return self.in_cluster or any(given is not None for given in named)


def selection(common: CommonOptions) -> Selection:
    """The selection of the options. Raises UsageMistake for an --app that is not an app's id."""
    from reconciler.apps.app import Selection
    from reconciler.unit import UnitId

    units = []
    for text in common.apps:
        try:
            units.append(UnitId.parse(text))
        except ValueError:
            raise UsageMistake(
                f"--app {text} is not an application",
                hint="write it as ENVIRONMENT/GROUP/MODEL, e.g. prod/hz-a/mnist",
            ) from None
    return Selection(
        frozenset(common.environments),
        frozenset(common.groups),
        frozenset(common.models),
        frozenset(units),
    )


def now(common: CommonOptions) -> datetime:
    """The time of the option --now, or the system's time."""
    from reconciler.adapters.clock import SystemClock

    return common.now or SystemClock().now()
