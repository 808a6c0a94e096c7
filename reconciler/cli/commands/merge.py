"""`reconciler merge`: merges plain layer files, without a config repo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import terminal
from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.layers.stack import Stack
    from reconciler.origin import Branch

__all__ = ["COMMAND"]

_EPILOG = """\b
Examples:
  reconciler merge --layers layers.yaml
  reconciler merge --layers layers.yaml --provenance --output json
"""


@click.command("merge", short_help="Merge plain layer files, with provenance.", epilog=_EPILOG)
@click.option(
    "--layers",
    "layers_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The layers.yaml that lists the files, lowest first; paths are relative to its folder.",
)
@click.option(
    "--provenance", is_flag=True, help="Add the lines that set each value (always as JSON)."
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["json", "yaml"]),
    default="yaml",
    show_default=True,
    help="The format of the merged value.",
)
def COMMAND(layers_file: Path, provenance: bool, output: str) -> ExitCode:  # noqa: N802
    """Merge plain files by the rules of layers.yaml, and say where every value came from."""
    tree, found = _merge_files(layers_file)
    bad = any(d.is_error for d in found)
    if output == "json" or provenance:
        terminal.write(_document(tree, found, provenance))
    else:
        _print(tree, found, layers_file)
    return ExitCode.ERROR if bad else ExitCode.DONE


def _merge_files(layers_file: Path) -> tuple[Branch | None, list[Diagnostic]]:
    """The merged tree, None if there is an error, and all findings."""
    from reconciler.diagnostics import error
    from reconciler.layers import document, merge, stack
    from reconciler.origin import Site

    found: list[Diagnostic] = []
    data = _read(layers_file, layers_file.name, found, Site(layers_file.name, 0, 0))
    if data is None:
        return None, found
    order, mistakes = stack.load(data, layers_file.name)
    found += mistakes
    documents = []
    for layer in order.layers if order is not None else ():
        path = layers_file.parent / layer.file
        if not path.exists():
            if not layer.optional:
                found.append(
                    error(
                        "E_LAYER_FILE",
                        f"the layer {layer.name!r} has no file {layer.file}",
                        layer.site,
                        help=_missing_help(layer.file),
                    )
                )
            continue
        content = _read(path, layer.file, found, layer.site)
        if content is not None:
            documents.append(document.parse(content, layer.file, layer.name))
    for parsed in documents:
        found += parsed.diagnostics
    if order is None:
        return None, found
    return _fold(documents, order, merge, found)


def _fold(
    documents: list[Any], order: Stack, merge: Any, found: list[Diagnostic]
) -> tuple[Branch | None, list[Diagnostic]]:
    # Files with mistakes are merged too, so that one run shows the mistakes of files and of merges.
    result = merge.fold(documents, order)
    found += result.diagnostics
    bad = any(d.is_error for d in found)
    return (None if bad else result.tree), found


def _missing_help(file: str) -> str:
    if "{" in file:
        return "`merge` takes plain files; `reconciler render` reads a config repo"
    return "create the file, correct its path, or mark the layer `optional: true`"


def _read(path: Path, name: str, found: list[Diagnostic], site: Any) -> bytes | None:
    from reconciler.diagnostics import error
    from reconciler.layers.document import FILE_BYTES

    try:
        size = path.stat().st_size
        if size > FILE_BYTES:
            message = f"{name} has {size} bytes; at most {FILE_BYTES} are read"
            found.append(error("E_SIZE", message, site))
            return None
        return path.read_bytes()
    except OSError as cause:
        found.append(error("E_LAYER_FILE", f"{name}: {(cause.strerror or '').lower()}", site))
        return None


# -- output ----------------------------------------------------------------------------------------


def _document(tree: Branch | None, found: list[Diagnostic], provenance: bool) -> str:
    """The report as JSON. Values are not searched for secrets: files are shown as they are."""
    from reconciler.engine.views.merge_result import MergeResult, provenance_of
    from reconciler.engine.views.report import Findings, Report
    from reconciler.output.format import Options, format_named

    links = provenance_of(tree) if provenance else None
    bad = any(d.is_error for d in found)
    report = Report(
        "merge",
        (Findings(tuple(found)), MergeResult(tree, links)),
        exit_code=ExitCode.ERROR if bad else ExitCode.DONE,
    )
    return format_named("json").render(report, Options())


def _print(tree: Branch | None, found: list[Diagnostic], layers_file: Path) -> None:
    from reconciler.layers.emit import emit
    from reconciler.output.text import render_diagnostics

    def line(file: str, number: int) -> str | None:
        try:
            lines = (layers_file.parent / file).read_text("utf-8", "replace").splitlines()
        except OSError:
            return None
        return lines[number - 1] if 0 < number <= len(lines) else None

    if found:
        terminal.note(render_diagnostics(found, line))
    if tree is not None:
        terminal.write(emit(tree))
