"""`reconciler init`: a small config repo that passes `check`."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import options, terminal
from reconciler.errors import ExitCode, UsageMistake

__all__ = ["COMMAND"]

_FEW = 5


@click.command(
    "init",
    short_help="Lay down a small config repo that passes check.",
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
    help="The CI system to lay a file down for.",
)
def COMMAND(folder: str, ci: str) -> ExitCode:  # noqa: N802
    """Lay down environments, a model, policies and the files around them in FOLDER.

    Nothing that exists is overwritten: then nothing is written at all.
    """
    from reconciler.demo import scaffold

    root = Path(folder)
    wanted = scaffold.files(ci)
    taken = [path for path in wanted if (root / path).exists() or (root / path).is_symlink()]
    if root.exists() and not root.is_dir():
        raise UsageMistake(f"{folder} is not a folder")
    if taken:
        more = f" and {len(taken) - _FEW} more" if len(taken) > _FEW else ""
        raise UsageMistake(
            f"{folder} holds {', '.join(taken[:_FEW])}{more} already: nothing was written",
            hint="name an empty folder, or move them away",
        )
    try:
        for path, text in wanted.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8", newline="\n") as out:
                out.write(text)
    except OSError as cause:
        raise UsageMistake(f"{folder}: {(cause.strerror or str(cause)).lower()}") from cause
    said = [f"{len(wanted)} files in {folder}. What next:", ""]
    steps = [] if folder == "." else [f"cd {folder}"]
    if not (root / ".git").exists():
        steps += ["git init -b main"]
    steps += [
        'git add -A && git commit -m "Start"',
        "reconciler check",
        "reconciler plan",
        "reconciler reconcile --once --embedded try.db    # no Kubernetes needed",
    ]
    said += [f"  {step}" for step in steps]
    said += ["", "Then put your own image into models/hello/model.yaml; README.md says more.", ""]
    terminal.write("\n".join(said))
    return ExitCode.DONE
