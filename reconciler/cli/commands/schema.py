"""`reconciler schema`: JSON Schemas of the config's files, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import options, terminal
from reconciler.errors import ExitCode, UsageMistake

__all__ = ["COMMAND"]


@click.command(
    "schema",
    short_help="Print JSON Schemas of the config's files.",
    epilog=options.examples(
        "reconciler schema layer", "reconciler schema --write schemas", "reconciler schema --list"
    ),
)
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, help="List the names of the schemas.")
@click.option("--write", metavar="FOLDER", help="Write all of them into this folder.")
def COMMAND(name: str | None, listed: bool, write: str | None) -> ExitCode:  # noqa: N802
    """Print the schema called NAME, or write all schemas.

    Editors find a file's schema by its first line: # yaml-language-server: $schema=…
    """
    from reconciler.wiring import schemas

    known = schemas.texts()
    if listed:
        for file in known:
            terminal.write(file.removesuffix(".json") + "\n")
    elif write is not None:
        folder = Path(write)
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in known.items():
            (folder / file).write_text(text, encoding="utf-8")
    elif name is not None and f"{name}.json" in known:
        terminal.write(known[f"{name}.json"])
    else:
        names = ", ".join(file.removesuffix(".json") for file in known)
        what = "say which schema" if name is None else f"there is no schema {name!r}"
        raise UsageMistake(what, hint=f"known: {names}")
    return ExitCode.DONE
