"""What the options that all commands share said, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.errors import UsageMistake

if TYPE_CHECKING:
    from reconciler.apps.app import Selection

__all__ = ["Common", "now", "selection"]


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


def selection(common: Common) -> Selection:
    """What the selecting options say. Raises UsageMistake for an --app that is no id."""
    from reconciler.apps.app import Selection

    environments, groups, models = common.environments, common.groups, common.models
    if common.app:
        parts = common.app.split("/")
        if len(parts) != 3 or not all(parts):
            raise UsageMistake(
                f"--app {common.app} is not an application",
                hint="write it as ENVIRONMENT/GROUP/MODEL, e.g. prod/hz-a/mnist",
            )
        environments = (*environments, parts[0])
        groups = (*groups, f"{parts[0]}/{parts[1]}")
        models = (*models, parts[2])
    return Selection(frozenset(environments), frozenset(groups), frozenset(models))


def now(common: Common) -> datetime:
    from reconciler.adapters.clock import SystemClock

    return common.now or SystemClock().now()
