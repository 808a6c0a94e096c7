"""`reconciler plan`: what `apply` would change, why, and by which config line."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.errors import ExitCode, UsageMistake

if TYPE_CHECKING:
    from reconciler.plan.change import Approvals

__all__ = ["COMMAND"]


@click.command(
    "plan",
    short_help="Show what apply would do, why, and by which config line.",
    epilog=options.examples(
        "reconciler plan --embedded cluster.db",
        "reconciler plan --base main --exit-code",
        "reconciler plan --base origin/main --report markdown=comment.md",
        "reconciler plan --environment prod --embedded cluster.db --out prod.plan",
    ),
)
@click.option(
    "--base", metavar="REV", help="Compare with the objects of this revision; needs no cluster."
)
@click.option("--out", metavar="FILE", help="Save the plan for `apply FILE`.")
@click.option("--exit-code", is_flag=True, help="Exit 2 when there are differences.")
@click.option(
    "--read-only",
    is_flag=True,
    help="Make no dry-runs, which need the right to write; the cluster's defaults and admission "
    "are then not shown.",
)
@click.option("--full", is_flag=True, help="Ask the cluster about unchanged objects too.")
@options.approval
@options.reporting
@options.common
@options.selection
@options.cluster
def COMMAND(  # noqa: N802
    common: options.CommonOptions,
    base: str | None,
    out: str | None,
    exit_code: bool,
    read_only: bool,
    full: bool,
    everything: bool,
    approvals: Approvals,
) -> ExitCode:
    """Compare the config with the live objects and show what `apply` would do; write nothing.

    Without a cluster every object counts as new; with --base the objects are compared with those
    of another revision.
    """
    from reconciler.cli import reporting
    from reconciler.engine import review
    from reconciler.engine.run_options import RunOptions
    from reconciler.engine.views.reviews import plan_report
    from reconciler.ports import SEQUENTIAL
    from reconciler.wiring import clusters, source
    from reconciler.wiring.common import now, selection

    if base is not None and common.names_cluster:
        raise UsageMistake("--base compares two revisions: it excludes a cluster")
    if base is not None and out is not None:
        raise UsageMistake("--out saves a plan for a cluster, and --base asks none")
    common = replace(common, show_all=everything)
    tree, chosen = source.tree(common), selection(common)
    compared = source.base_tree(common, base) if base is not None else None
    allows = "reads" if read_only else "dry-runs"
    with clusters.cluster(common, allows=allows) as found:
        reviewed = review.review(
            tree,
            chosen,
            now(common),
            reader=found.targets if found is not None else None,
            base=compared,
            options=RunOptions(
                approvals=approvals,
                full=full,
                workers=found.workers if found is not None else SEQUENTIAL,
                stands_on=partial(source.standing_on, tree),
            ),
        )
    report = plan_report(reviewed, show_all=everything, exit_code=exit_code)
    if out is not None and report.exit_code in (ExitCode.DONE, ExitCode.DIFFERENCES):
        from reconciler.wiring import saved_plans

        saved_plans.save(out, reviewed, tree, chosen, approvals)
    return reporting.show(common, report, tree, compared)
