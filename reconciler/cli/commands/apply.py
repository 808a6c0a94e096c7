"""`reconciler apply`: exactly what the plan lists, or nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.plan.change import Approvals

__all__ = ["COMMAND"]


@click.command(
    "apply",
    short_help="Carry a plan out, wave by wave: exactly its list, or nothing.",
    epilog=options.examples(
        "reconciler apply --embedded cluster.db",
        "reconciler apply prod.plan --embedded cluster.db",
        "reconciler apply --app prod/hz-a/mnist --embedded cluster.db",
    ),
)
@click.argument("plan_file", required=False, metavar="[PLAN]")
@options.writing
@options.approval
@options.reporting
@options.common
@options.selection
@options.cluster
def COMMAND(  # noqa: N802
    common: options.CommonOptions,
    plan_file: str | None,
    timeout: float,
    everything: bool,
    approvals: Approvals,
) -> ExitCode:
    """Carry a plan out, wave by wave, waiting for health between waves.

    An error, a denial or a refusal of one app stops the whole selection before any write. An object
    that the plan shows as held is left out, with what waits for it, and the exit code is 4. With
    PLAN, a file of `plan --out`, exactly that plan is carried out; exit 4 when the config or the
    cluster has changed since.
    """
    from reconciler.cli import reporting
    from reconciler.engine import apply_plan, review
    from reconciler.engine.run_options import RunOptions
    from reconciler.engine.views.runs import run_report
    from reconciler.wiring import clusters, saved_plans, source
    from reconciler.wiring.common import selection

    common = replace(common, show_all=everything)
    saved = saved_plans.read(plan_file) if plan_file is not None else None
    if saved is not None:
        common = saved_plans.bind_options(common, saved)
        approvals = approvals.joined(saved.approvals)
    tree, chosen = source.tree(common, writes=True), selection(common)
    with clusters.cluster(common, allows="writes") as found:
        target = clusters.require_cluster(found)

        def review_again() -> review.Review:
            return review.review(
                tree,
                chosen,
                target.clock.now(),
                reader=target.targets,
                options=RunOptions(
                    approvals=approvals,
                    workers=target.workers,
                    stands_on=partial(source.standing_on, tree),
                ),
            )

        reviewed = review_again()
        if saved is not None:
            moved = saved_plans.find_moved(saved, reviewed, tree, chosen)
            if moved:
                return reporting.show(common, saved_plans.report_moved(reviewed, moved), tree)
        run = apply_plan.apply(
            reviewed,
            target.targets,
            target.clock,
            reporting.Progress(),
            apply_plan.ApplySettings(timeout=timeout, workers=target.workers, again=review_again),
        )
    return reporting.show(common, run_report(run), tree)
