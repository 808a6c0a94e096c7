"""What `promote` shows and where its edit goes."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator

import click

from reconciler.engine.use.promote import Promotion
from reconciler.errors import ExitCode
from reconciler.ports import Tree
from reconciler.secrets import printable
from reconciler.wiring import redaction, source
from reconciler.wiring.common import CommonOptions

__all__ = ["carry_out"]


def carry_out(
    common: CommonOptions, tree: Tree, planned: Promotion, *, branch: str | None, dry_run: bool
) -> ExitCode:
    """Writes the edit unless it is a dry run, and shows it as a diff."""
    title = f"promote {planned.model} {planned.after} to {planned.environment}"
    where = ""
    if not dry_run:
        from reconciler.adapters import git

        root = source.repo_root(common)
        target = git.BranchProposals(root, branch) if branch else git.WorktreeProposals(root)
        where = target.write(planned.edits, f"{title}\n\n{planned.digest}\n")
    diff = "".join(_diff(tree, planned))
    known = redaction.redactor()
    known.learn_text(diff)
    diff = known.redact(diff)
    if common.output == "json":
        click.echo(
            json.dumps(
                {
                    "schemaVersion": 1,
                    "command": "promote",
                    "model": planned.model,
                    "environment": planned.environment,
                    "before": planned.before,
                    "after": planned.after,
                    "digest": planned.digest,
                    "files": sorted(planned.edits),
                    "written": where,
                    "diff": diff,
                },
                indent=2,
            )
        )
        return ExitCode.DONE
    was = f"{planned.before} -> " if planned.before else ""
    click.echo(f"{planned.model} in {planned.environment}: {was}{planned.after}")
    click.echo(f"digest {planned.digest}\n")
    click.echo(printable(diff), nl=False)
    click.echo()
    click.echo("nothing written (--dry-run)" if dry_run else f"written to {where}")
    return ExitCode.DONE


def _diff(tree: Tree, planned: Promotion) -> Iterator[str]:
    for path, data in sorted(planned.edits.items()):
        before = ""
        if path in tree.blobs():
            ((_, content),) = tree.read((path,))
            before = content.decode()
        yield from difflib.unified_diff(
            before.splitlines(keepends=True),
            data.decode().splitlines(keepends=True),
            f"a/{path}" if before else "/dev/null",
            f"b/{path}",
            n=2,
        )
