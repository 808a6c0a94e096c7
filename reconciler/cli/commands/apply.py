"""`reconciler apply`: the whole selection, or nothing."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

__all__ = ["COMMAND"]


@click.command(
    "apply",
    short_help="Carry a plan out, wave by wave; the whole selection or nothing.",
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
    common: options.Common,
    plan_file: str | None,
    timeout: float,
    everything: bool,
    approved: tuple[str, ...],
    rewinds: tuple[str, ...],
) -> ExitCode:
    """Carry a plan out, wave by wave, waiting for health between waves.

    An error, a denial or a refusal anywhere stops the whole selection before any write. With PLAN,
    a file of `plan --out`, only exactly that plan is carried out; exit 4 when something moved.
    """
    from reconciler.cli import saving, wiring
    from reconciler.engine import reconcile, review

    common = replace(common, show_all=everything)
    saved = saving.read(plan_file) if plan_file is not None else None
    if saved is not None:
        common = saving.bound(common, saved)
        approved = (*approved, *saved.approved)
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
        if saved is not None:
            different = saving.moved(saved, reviewed, tree, chosen)
            if different:
                return wiring.show(common, saving.refused(reviewed, different), tree)
        report = reconcile.apply(
            reviewed,
            target.targets,
            target.clock,
            wiring.Progress(),
            reconcile.Settings(timeout=timeout, workers=target.workers, again=look),
        )
    return wiring.show(common, report, tree)
