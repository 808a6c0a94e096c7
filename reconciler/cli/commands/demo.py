"""`reconciler demo`: a tour of the program on an embedded cluster."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler.cli import terminal
from reconciler.errors import ExitCode, UsageMistake

__all__ = ["COMMAND"]

# A Monday, 18:00 in Shanghai: the sample's nightly training is eight hours away.
_START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_EPILOG = """\b
Examples:
  reconciler demo
  reconciler demo --keep ./demo
"""


@click.command("demo", short_help="Show the product at work; needs no Kubernetes.", epilog=_EPILOG)
@click.option(
    "--keep", metavar="FOLDER", help="Keep the config repo and the cluster in this folder."
)
def COMMAND(keep: str | None) -> ExitCode:  # noqa: N802
    """Show the product at work on an embedded cluster in simulated time; needs no Kubernetes.

    A config repo is applied, a nightly training runs, its best candidate becomes a version and
    takes over the traffic step by step; drift is repaired, a shared line is changed, and a policy
    denies a change. Each command is shown above its output.
    """
    if keep is not None:
        folder = Path(keep)
        if folder.exists() and any(folder.iterdir()):
            raise UsageMistake(f"--keep {keep} is not empty")
        folder.mkdir(parents=True, exist_ok=True)
        return _show(folder, kept=True)
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as temporary:
        return _show(Path(temporary), kept=False)


def _show(folder: Path, *, kept: bool) -> ExitCode:
    from reconciler.cli import program
    from reconciler.demo.stage import Stage
    from reconciler.demo.story import Story

    story = Story(Stage(folder, _START, program.run_captured, terminal.write))
    story.tell()
    if kept:
        terminal.write(f"\nThe config repo and the cluster are in {folder}.\n")
    return ExitCode.DONE if story.as_told else ExitCode.ERROR
