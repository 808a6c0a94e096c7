"""`reconciler render`: the manifests that the config comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import options
from reconciler.errors import ExitCode
from reconciler.origin import plain
from reconciler.secrets import MASK, json_safe

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

    Weights are Git's target: only a cluster decides the way there.
    """
    from reconciler.cli import reporting
    from reconciler.engine import review
    from reconciler.engine.run_options import RunOptions
    from reconciler.engine.views.reviews import render_report
    from reconciler.objects.draft import list_embedded
    from reconciler.wiring import redaction, source
    from reconciler.wiring.common import now, selection

    tree = source.tree(common)
    wanted = RunOptions(plans=False, foresees=False)
    reviewed = review.review(tree, selection(common), now(common), options=wanted)
    report = render_report(reviewed)
    if reviewed.has_errors:
        return reporting.show(common, report, tree)
    known = redaction.redactor()
    for item in reviewed.units:
        for draft in item.drafts:
            known.learn_tree(plain(draft.tree))
            for _, inner in list_embedded(draft):
                known.learn_tree(plain(inner.tree))
    if common.output == "json":
        document = {"schemaVersion": 1, "objects": list(_data(reviewed))}
        chunks = iter((json_safe(json.dumps(document, indent=2, ensure_ascii=False)) + "\n",))
    else:
        chunks = _text(reviewed)
    masked = False
    for chunk in chunks:
        shown = known.redact(chunk)
        masked |= shown != chunk
        click.echo(shown, nl=False)
    if masked:
        click.echo(f"note: what looks like a secret is shown as {MASK}: not for kubectl", err=True)
    return report.exit_code


def _text(reviewed: Review) -> Iterator[str]:
    from reconciler.engine.stages import sealed
    from reconciler.layers.emit import emit

    for item, manifest in sealed(reviewed.units):
        yield f"---\n# {item.unit.id}\n{emit(manifest.body)}"


def _data(reviewed: Review) -> Iterator[dict[str, Any]]:
    from reconciler.objects.draft import seal, show_path, walk
    from reconciler.origin import Value

    for item in reviewed.units:
        for draft in item.drafts:
            manifest = seal(draft)
            origins = {
                show_path(path): [str(site) for site in leaf.origin.sites()]
                for path, leaf in walk(draft.tree)
                if isinstance(leaf, Value)
            }
            yield {
                "app": str(item.unit.id),
                "rule": draft.rule,
                "digest": manifest.digest,
                "manifest": manifest.body,
                "origins": origins,
            }
