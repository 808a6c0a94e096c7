"""`reconciler init`: a small config repo that passes `check`."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import options, terminal
from reconciler.errors import ExitCode, UsageMistake

__all__ = ["COMMAND"]

_NAMED = 5


@click.command(
    "init",
    short_help="Write a small config repo that passes check.",
    epilog=options.examples(
        "reconciler init my-models --ci github", "reconciler init . --ci gitlab"
    ),
)
@click.argument("folder", default=".", metavar="[FOLDER]")
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    default="none",
    show_default=True,
    help="Also write a pipeline file for this CI system.",
)
def COMMAND(folder: str, ci: str) -> ExitCode:  # noqa: N802
    """Write environments, a model, policies, schemas and a README into FOLDER.

    If one of the files exists already, nothing is written.
    """
    from reconciler.demo import scaffold

    root = Path(folder)
    files = scaffold.files(ci)
    existing = [path for path in files if (root / path).exists() or (root / path).is_symlink()]
    if root.exists() and not root.is_dir():
        raise UsageMistake(f"{folder} is not a folder")
    if existing:
        more = f" and {len(existing) - _NAMED} more" if len(existing) > _NAMED else ""
        raise UsageMistake(
            f"{folder} holds {', '.join(existing[:_NAMED])}{more} already: nothing was written",
            hint="name an empty folder, or move them away",
        )
    try:
        for path, text in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8", newline="\n") as out:
                out.write(text)
    except OSError as cause:
        raise UsageMistake(f"{folder}: {(cause.strerror or str(cause)).lower()}") from cause
    lines = [f"{len(files)} files in {folder}. What next:", ""]
    steps = [] if folder == "." else [f"cd {folder}"]
    if not (root / ".git").exists():
        steps += ["git init -b main"]
    steps += [
        'git add -A && git commit -m "Start"',
        "reconciler check",
        "reconciler plan",
        "reconciler reconcile --once --embedded try.db    # no Kubernetes needed",
    ]
    lines += [f"  {step}" for step in steps]
    lines += ["", "Then put your own image into models/hello/model.yaml; README.md says more.", ""]
    terminal.write("\n".join(lines))
    return ExitCode.DONE
