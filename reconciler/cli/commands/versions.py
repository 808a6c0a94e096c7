"""`reconciler versions`: the trained versions, and the records that a promotion needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.engine.views.versions import Published, Versions

__all__ = ["COMMAND"]


@click.command(
    "versions",
    short_help="List trained versions, and record them.",
    epilog=options.examples(
        "reconciler versions --model mnist",
        "reconciler versions --model mnist --embedded cluster.db --record",
    ),
)
@click.option("--record", is_flag=True, help="Write the missing records into the work tree.")
@click.option("--branch", help="Commit the records to this new branch, not into the work tree.")
@options.common
@options.selection
@options.cluster
def COMMAND(common: options.CommonOptions, record: bool, branch: str | None) -> ExitCode:  # noqa: N802
    """List model versions: recorded in Git, and published in the cluster without a record.

    With --record each published version without a record gets the next number and a record file,
    to be reviewed like any change.
    """
    from reconciler.cli import reporting
    from reconciler.engine.use import discover
    from reconciler.engine.views.report import Report
    from reconciler.engine.views.versions import Versions
    from reconciler.wiring import clusters, source
    from reconciler.wiring.common import selection

    tree = source.tree(common)
    with clusters.cluster(common) as found:
        reader = found.targets if found is not None else None
        versions = discover.published(tree, selection(common), reader)
    section = Versions(versions)
    closing: tuple[str, ...] = ()
    if record or branch:
        section = _write_records(common, versions, branch)
        closing = tuple(f"recorded {path} ({section.written})" for path in section.records)
        closing = closing or ("every version has its record",)
    report = Report("versions", (section,), closing, revision=tree.label)
    return reporting.show(common, report, tree)


def _write_records(
    common: options.CommonOptions, versions: tuple[Published, ...], branch: str | None
) -> Versions:
    """Writes the missing records to the work tree or to a new branch."""
    from reconciler.adapters.git import identity, proposals
    from reconciler.engine.use import discover
    from reconciler.engine.views.versions import Versions
    from reconciler.wiring import source

    edits = discover.records(versions)
    if not edits:
        return Versions(versions)
    root = source.repo_root(common)
    target = (
        proposals.BranchProposals(root, branch, *identity.find(root))
        if branch
        else proposals.WorktreeProposals(root)
    )
    return Versions(versions, tuple(edits), target.write(edits, "Record published model versions"))
