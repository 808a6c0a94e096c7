"""`reconciler repair`: damaged inventories, compared with the cluster and Git."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

__all__ = ["COMMAND"]


@click.command(
    "repair",
    short_help="Show damaged inventories, and write them again.",
    epilog=options.examples(
        "reconciler repair --embedded cluster.db",
        "reconciler repair --app prod/hz-a/mnist --write 4f2c6d8a91b0 --embedded cluster.db",
    ),
)
@click.option(
    "--write",
    "approved",
    multiple=True,
    metavar="HASH",
    help="Write the inventory with exactly the objects that this hash was printed for.",
)
@options.common
@options.selection
@options.cluster
def COMMAND(common: options.CommonOptions, approved: tuple[str, ...]) -> ExitCode:  # noqa: N802
    """For each damaged inventory, list the objects that it, the cluster or Git names.

    Nothing is written without --write. Exit 4 while an inventory is damaged.
    """
    from reconciler.cli import reporting
    from reconciler.engine.use import repair
    from reconciler.wiring import clusters, source
    from reconciler.wiring.common import now, selection

    tree = source.tree(common)
    with clusters.cluster(common, allows="writes" if approved else "reads") as found:
        target = clusters.require_cluster(found)
        report = repair.repair(
            tree,
            selection(common),
            now(common),
            target.targets,
            frozenset(approved),
        )
    return reporting.show(common, report, tree)
