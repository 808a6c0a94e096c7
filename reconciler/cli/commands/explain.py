"""`reconciler explain`: the line that set a value, what a line reaches, and what a code means."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.errors import ExitCode, UsageMistake

if TYPE_CHECKING:
    from reconciler.catalogue import Entry
    from reconciler.engine.views.report import Report

__all__ = ["COMMAND"]

_WIDTH = 100


@click.command(
    "explain",
    short_help="Say which config line made a value, and what it reaches; what a code means.",
    epilog=options.examples(
        "reconciler explain serving.replicas --app prod/hz-a/mnist",
        "reconciler explain --at environments/types/computer-vision.yaml:7",
        "reconciler explain --object HTTPRoute/mnist spec.rules --app prod/hz-a/mnist",
        "reconciler explain --all --app prod/hz-a/mnist --output json",
        "reconciler explain E_LOCKED",
    ),
)
@click.argument("path", required=False)
@click.option("--at", metavar="FILE:LINE", help="Show what this config line reaches.")
@click.option(
    "--object", "target", metavar="KIND/NAME", help="Explain a field (PATH) of this object."
)
@click.option("--all", "everything", is_flag=True, help="Explain every path of the selected apps.")
@click.option("--all-uses", is_flag=True, help="List every field that a value reaches.")
@options.common
@options.selection
@options.cluster
def COMMAND(  # noqa: N802
    common: options.CommonOptions,
    path: str | None,
    at: str | None,
    target: str | None,
    everything: bool,
    all_uses: bool,
) -> ExitCode:
    """Say which config line made a value, which lines it overrode, and which fields it reaches.

    PATH is written as in references: serving.resources.gpu, training.candidates[name=cnn],
    a.b[0]."x.y". Exit 1 where nothing is found; a deleted path still shows the lines that set it.

    With a code such as E_LOCKED or W_BASE instead of PATH: its meaning, an example, the way out.
    """
    from reconciler import catalogue
    from reconciler.cli import reporting
    from reconciler.engine.use import explain
    from reconciler.layers.paths import PathInvalid
    from reconciler.wiring import clusters, source
    from reconciler.wiring.common import now, selection

    if path and not target and catalogue.is_code(path):
        if at or everything or all_uses or not selection(common).is_everything:
            raise UsageMistake(
                f"{path} is a code, which has one meaning for all apps",
                hint=f"leave the other options out: reconciler explain {path}",
            )
        return reporting.show(common, _entry_report(catalogue.find(path)))
    questions = [bool(at), everything, bool(path) or bool(target)]
    if sum(questions) != 1:
        raise UsageMistake(
            "say what to explain: a PATH, --at FILE:LINE, --object KIND/NAME FIELD or --all"
        )
    common = replace(common, show_all=all_uses)
    tree, chosen, moment = source.tree(common), selection(common), now(common)
    try:
        if at:
            report = explain.explain_at(tree, chosen, *_parse_place(at), moment)
        elif everything:
            report = explain.explain_all(tree, chosen, moment)
        elif target:
            with clusters.cluster(common) as found:
                reader = found.targets if found is not None else None
                report = explain.explain_object(
                    tree, chosen, target, path or "", moment, reader=reader
                )
        else:
            report = explain.explain_path(tree, chosen, path or "", moment)
    except PathInvalid as invalid:
        raise UsageMistake(str(invalid), code="E_PATH") from invalid
    return reporting.show(common, report, tree)


def _entry_report(entry: Entry) -> Report:
    from reconciler.engine.views.report import Report

    lines = (
        f"{entry.code}  {entry.kind}",
        "",
        *textwrap.wrap(entry.meaning, _WIDTH),
        "",
        *(f"  {line}".rstrip() for line in entry.example.splitlines()),
        "",
        *textwrap.wrap(f"Way out: {entry.way_out}", _WIDTH),
    )
    data = {
        "code": entry.code,
        "kind": entry.kind,
        "meaning": entry.meaning,
        "wayOut": entry.way_out,
        "example": entry.example,
    }
    return Report("explain", closing=lines, data={"entry": data})


def _parse_place(at: str) -> tuple[str, int]:
    file, _, line = at.partition(":")
    number = line.split(":")[0]
    if not file or not number.isdigit() or int(number) < 1:
        raise UsageMistake(f"--at {at}: expected FILE:LINE, e.g. environments/base.yaml:7")
    return file.removeprefix("./"), int(number)
