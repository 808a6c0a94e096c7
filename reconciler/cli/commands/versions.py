"""`reconciler versions`: what was trained, and the records that make it promotable."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

__all__ = ["COMMAND"]


def _when(stamp: str) -> str:
    """A time of training in UTC, to the minute; what cannot be read is shown as it is."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp or "-"
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@click.command(
    "versions",
    short_help="List trained versions, and record them.",
    epilog=options.examples(
        "reconciler versions --model mnist",
        "reconciler versions --model mnist --embedded cluster.db --record",
    ),
)
@click.option("--record", is_flag=True, help="Write the missing records into the work tree.")
@click.option("--branch", help="Commit the records to this new branch instead.")
@options.common
@options.selection
@options.cluster
def COMMAND(common: options.CommonOptions, record: bool, branch: str | None) -> ExitCode:  # noqa: N802
    """List model versions: recorded in Git, and published in the cluster without a record.

    With --record each published version without one gets the next number and a record, to be
    reviewed like any change.
    """
    from reconciler.adapters import git
    from reconciler.cli import reporting
    from reconciler.engine.use import discover
    from reconciler.engine.views.report import Report, Table
    from reconciler.wiring import clusters, source
    from reconciler.wiring.common import selection

    tree = source.tree(common)
    with clusters.cluster(common) as found:
        reader = found.targets if found is not None else None
        versions = discover.published(tree, selection(common), reader)
    rows = tuple(
        (
            item.model,
            item.version or "-",
            item.digest[7:19],
            "  ".join(f"{name} {value:g}" for name, value in sorted(item.metrics.items())) or "-",
            _when(item.trained_at),
            item.source or "Git",
        )
        for item in versions
    )
    closing: tuple[str, ...] = ()
    if record or branch:
        edits = discover.records(versions)
        root = source.repo_root(common)
        target = git.BranchProposals(root, branch) if branch else git.WorktreeProposals(root)
        if edits:
            where = target.write(edits, "Record published model versions")
            closing = tuple(f"recorded {path} ({where})" for path in edits)
        else:
            closing = ("every version has its record",)
    columns = ("MODEL", "VERSION", "DIGEST", "METRICS", "TRAINED", "FOUND IN")
    report = Report("versions", (Table(columns, rows),), closing, revision=tree.label)
    return reporting.show(common, report, tree)
