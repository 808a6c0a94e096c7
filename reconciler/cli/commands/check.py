"""`reconciler check`: all mistakes and policy findings of the config, in one run."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

__all__ = ["COMMAND"]


@click.command(
    "check",
    short_help="Show all mistakes and policy findings of the config.",
    epilog=options.examples(
        "reconciler check",
        "reconciler check --base origin/main",
        "reconciler check --environment prod -o json",
    ),
)
@click.option(
    "--base",
    metavar="REV",
    help="Judge by the policies of this revision too, and refuse version records edited since.",
)
@options.reporting
@options.common
@options.selection
def COMMAND(common: options.CommonOptions, base: str | None) -> ExitCode:  # noqa: N802
    """Load, merge and validate the config and judge it by the policies, without a cluster.

    One run shows every mistake, each with its line; nothing is written. Exit 1 with a mistake, 3
    where a policy denies.
    """
    from reconciler.cli import reporting
    from reconciler.engine import review
    from reconciler.engine.run_options import RunOptions
    from reconciler.engine.views.reviews import check_report
    from reconciler.wiring import source
    from reconciler.wiring.common import now, selection

    tree = source.tree(common)
    compared = source.base_tree(common, base) if base is not None else None
    run_options = RunOptions(plans=False, foresees=False)
    reviewed = review.review(
        tree, selection(common), now(common), base=compared, options=run_options
    )
    report = check_report(reviewed)
    return reporting.show(replace(common, show_all=True), report, tree, compared)
