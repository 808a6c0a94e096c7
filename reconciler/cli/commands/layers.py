"""`reconciler layers`: which files an app is made of, in order."""

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
def COMMAND(common: options.Common) -> ExitCode:  # noqa: N802
    """Show the order of the layers, and the files that each app reads, lowest first."""
    from reconciler.cli import wiring
    from reconciler.engine import inspect

    tree = wiring.tree(common)
    report = inspect.layers(tree, wiring.selection(common))
    return wiring.show(common, report, tree)
