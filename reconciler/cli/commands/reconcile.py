"""`reconciler reconcile`: one run of the loop; a bad app stops alone."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.cli import options
from reconciler.errors import ExitCode, UsageMistake

__all__ = ["COMMAND"]


@click.command(
    "reconcile",
    short_help="Bring the cluster to what Git says; bad apps stop alone.",
    epilog=options.examples(
        "reconciler reconcile --once --embedded cluster.db",
        "reconciler reconcile --once --environment prod --revision v1.4.0 --embedded cluster.db",
    ),
)
@click.option("--once", is_flag=True, help="One run, then exit; what a CronJob calls.")
@options.writing
@options.approval
@options.reporting
@options.common
@options.selection
@options.cluster
def COMMAND(  # noqa: N802
    common: options.Common,
    once: bool,
    timeout: float,
    everything: bool,
    approved: tuple[str, ...],
    rewinds: tuple[str, ...],
) -> ExitCode:
    """Bring the cluster to what Git says: new objects, moved weights, repaired drift, prunes.

    An app with an error, a denial or a refusal is left as it is, and the others go on.
    """
    from reconciler.cli import wiring
    from reconciler.engine import reconcile, review

    if not once:
        raise UsageMistake("only --once exists so far", hint="call it from a CronJob, or a loop")
    common = replace(common, show_all=everything)
    tree, chosen = wiring.tree(common, writes=True), wiring.selection(common)
    with wiring.cluster(common, allows="writes") as found:
        target = wiring.needed(found)

        def look() -> review.Reviewed:
            return review.review(
                tree,
                chosen,
                target.clock.now(),
                reader=target.targets,
                approved=frozenset((*approved, *rewinds, *common.upgrades)),
                workers=target.workers,
            )

        reviewed = look()
        report = reconcile.reconcile(
            reviewed,
            target.targets,
            target.clock,
            wiring.Progress(),
            reconcile.Settings(timeout=timeout, workers=target.workers, again=look),
        )
    return wiring.show(common, report, tree)
