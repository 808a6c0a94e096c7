"""`reconciler status`: the fleet in one table."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

__all__ = ["COMMAND"]


@click.command(
    "status",
    short_help="Show the fleet in one table.",
    epilog=options.examples(
        "reconciler status --embedded cluster.db",
        "reconciler status --environment prod --embedded cluster.db --output json",
    ),
)
@options.common
@options.selection
@options.cluster
def COMMAND(common: options.CommonOptions) -> ExitCode:  # noqa: N802
    """Show health, version, traffic and next step of each app; health needs a cluster."""
    from reconciler.cli import reporting
    from reconciler.engine.use import status
    from reconciler.wiring import clusters, source
    from reconciler.wiring.common import now, selection

    tree = source.tree(common)
    with clusters.cluster(common) as found:
        reader = found.targets if found is not None else None
        report = status.status(tree, selection(common), reader, now(common))
    return reporting.show(common, report, tree)
