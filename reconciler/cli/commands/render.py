"""`reconciler render`: the desired objects, as manifests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from reconciler.cli import options, terminal
from reconciler.errors import ExitCode
from reconciler.origin import plain
from reconciler.secrets import MASK

if TYPE_CHECKING:
    from reconciler.engine.review import Review

__all__ = ["COMMAND"]


@click.command(
    "render",
    short_help="Print the desired objects.",
    epilog=options.examples(
        "reconciler render --app prod/hz-a/mnist",
        "reconciler render --environment prod --output json",
        "reconciler render | kubectl apply --dry-run=server -f -",
    ),
)
@options.common
@options.selection
def COMMAND(common: options.CommonOptions) -> ExitCode:  # noqa: N802
    """Print the desired objects as YAML, or as JSON with the config lines of every field.

    Weights are those that Git asks for; the steps of a rollout are known only with a cluster.
    """
    from reconciler.cli import reporting
    from reconciler.engine import review
    from reconciler.engine.run_options import RunOptions
    from reconciler.engine.views.objects import Objects, render_objects
    from reconciler.engine.views.reviews import render_report
    from reconciler.wiring import source
    from reconciler.wiring.common import now, selection

    tree = source.tree(common)
    run_options = RunOptions(plans=False, foresees=False)
    reviewed = review.review(tree, selection(common), now(common), options=run_options)
    report = render_report(reviewed)
    if common.output == "text" and not reviewed.has_errors:
        _stream(reviewed)
        return report.exit_code
    if not reviewed.has_errors:
        objects = Objects(tuple(render_objects(reviewed.units)))
        report = replace(report, sections=(*report.sections, objects))
    return reporting.show(common, report, tree)


def _stream(reviewed: Review) -> None:
    """Prints the objects as YAML one by one, so that a large repo does not fill the memory.

    The redactor learns the secrets of all objects before the first one is printed.
    """
    from reconciler.engine.views.objects import render_objects
    from reconciler.objects.draft import list_embedded
    from reconciler.output.manifests import document
    from reconciler.wiring import redaction

    secrets = redaction.redactor()
    for unit in reviewed.units:
        for draft in unit.drafts:
            secrets.learn_tree(plain(draft.tree))
            for _, inner in list_embedded(draft):
                secrets.learn_tree(plain(inner.tree))
    masked = False
    for item in render_objects(reviewed.units):
        masked |= terminal.write(document(item))
    if masked:
        terminal.note(f"note: what looks like a secret is shown as {MASK}: not for kubectl")
