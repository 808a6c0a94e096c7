"""`reconciler layers`: the files that each app is made of, in order."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

__all__ = ["COMMAND"]


@click.command(
    "layers",
    short_help="Show the files that each app is made of, in order.",
    epilog=options.examples("reconciler layers", "reconciler layers --app prod/hz-a/mnist"),
)
@options.common
@options.selection
def COMMAND(common: options.CommonOptions) -> ExitCode:  # noqa: N802
    """Show the order of the layers, and the files that each app reads, lowest first."""
    from reconciler.cli import reporting
    from reconciler.engine.use import explain
    from reconciler.wiring import source
    from reconciler.wiring.common import selection

    tree = source.tree(common)
    report = explain.layers(tree, selection(common))
    return reporting.show(common, report, tree)
