"""`reconciler promote`: changes the version of an environment by an edit of one line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from reconciler.cli import completion, options
from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.engine.views.promotion import Promotion

__all__ = ["COMMAND"]


@click.command(
    "promote",
    short_help="Change the version that an environment serves, by an edit of one line.",
    epilog=options.examples(
        "reconciler promote mnist --to prod",
        "reconciler promote mnist --to prod --version v3 --branch promote-mnist-v3",
        "reconciler promote search-ranker --to prod --group hz-a --dry-run",
    ),
)
@click.argument("model", shell_complete=completion.models)
@click.option(
    "--to",
    "environment",
    required=True,
    metavar="ENV",
    shell_complete=completion.environments,
    help="The environment to change.",
)
@click.option(
    "--version",
    default="",
    shell_complete=completion.versions,
    help="The version to serve.  [default: that of the environment below]",
)
@click.option(
    "--group",
    default="",
    shell_complete=completion.groups,
    help="Change only the version that this group sets itself.",
)
@click.option(
    "--skip-rung",
    default="",
    metavar="REASON",
    help="Allow a version that the environment below does not serve; REASON goes into the commit.",
)
@click.option("--branch", help="Commit to this new branch instead of editing the work tree.")
@click.option("--dry-run", is_flag=True, help="Show the edit and write nothing.")
@options.common
def COMMAND(  # noqa: N802
    common: options.CommonOptions,
    model: str,
    environment: str,
    version: str,
    group: str,
    skip_rung: str,
    branch: str | None,
    dry_run: bool,
) -> ExitCode:
    """Edit `serving.version` in the file that sets it for ENV; comments stay, one line changes.

    The version needs a record in models/MODEL/versions/. Where a group sets a version of its own,
    the promotion is refused and the group named; --group changes that group. A version moves up
    environment by environment; --skip-rung says why one does not.
    """
    from reconciler.cli import reporting
    from reconciler.engine.use import promote
    from reconciler.engine.views.report import Report
    from reconciler.wiring import source

    tree = source.tree(common)
    planned = promote.plan_promotion(tree, model, environment, version, group, skip_rung.strip())
    if not dry_run:
        planned = replace(planned, written=_write_edit(common, planned, branch))
    closing = f"written to {planned.written}" if not dry_run else "nothing written (--dry-run)"
    closings = (planned.skipped, closing) if planned.skipped else (closing,)
    report = Report("promote", (planned,), closings, revision=tree.label)
    return reporting.show(common, report, tree)


def _write_edit(common: options.CommonOptions, planned: Promotion, branch: str | None) -> str:
    """Writes the edit to the work tree or to a new branch; returns where, for the report."""
    from reconciler.adapters.git import identity, proposals
    from reconciler.wiring import source

    root = source.repo_root(common)
    target = (
        proposals.BranchProposals(root, branch, *identity.find(root))
        if branch
        else proposals.WorktreeProposals(root)
    )
    title = f"promote {planned.model} {planned.after} to {planned.environment}"
    body = f"{planned.digest}\n" + (f"\n{planned.skipped}\n" if planned.skipped else "")
    return target.write(planned.edits, f"{title}\n\n{body}")
