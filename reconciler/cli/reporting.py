"""One evaluation, many renderings: to standard output, and into files that are replaced at once.

Every text that leaves here has passed the run's redactor twice: as values before a format could
cut or escape them, and as the finished text.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.adapters import files
from reconciler.cli import terminal
from reconciler.errors import ExitCode, ReconcilerError, UsageMistake
from reconciler.secrets import Redactor
from reconciler.wiring.common import CommonOptions
from reconciler.wiring.redaction import redactor

if TYPE_CHECKING:
    from reconciler.engine.views.report import Report
    from reconciler.output.format import Options
    from reconciler.ports import Tree

__all__ = ["Progress", "failed", "show", "style"]

Lines = Callable[[str, int], str | None]
_LINK = re.compile(r"https?://[^\s<>\"'()\[\]\\]+")
#: Formats that other programs read: a name in them is a promise, so nobody chooses it.
_WORD = re.compile(r"[^A-Za-z0-9._/=,-]+")


class Progress:
    """A line a step on standard error, once a run takes longer than a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._last = ""

    def progress(self, subject: str, text: str) -> None:
        line = f"{subject}   {text}"
        if line != self._last and self._clock() - self._start > 1.0:
            terminal.note(line)
            self._last = line


def show(
    common: CommonOptions, report: Report, source: Tree | None = None, base: Tree | None = None
) -> ExitCode:
    """Prints a report in the format asked for and writes the files asked for; the command's exit
    code. `base` is what the source is compared with, for what a proposal touches."""
    from reconciler.engine.views import fail_on
    from reconciler.output import redact

    known = redactor()
    read = _lines(source)
    report = fail_on.held_to(report, common.fail_on)
    redact.learn(report, known, read)
    report = redact.clean(report, known)
    options = _options(common, report, lambda file, number: _redacted(known, read(file, number)))
    if common.reports:
        options = replace(options, changed=_changed(source, base))
    terminal.write(_rendered(common.output, report, options))
    _write(common, report, options, known)
    return report.exit_code


def failed(common: CommonOptions, command: str, error: ReconcilerError) -> None:
    """The files that were asked for, when a command stopped before it had a report: who reads them
    must not take the last run's for this one's."""
    from reconciler.diagnostics import ConfigInvalid, Diagnostic, Severity
    from reconciler.engine.views.report import Findings, Report
    from reconciler.output import redact

    if isinstance(error, ConfigInvalid):
        found = error.diagnostics
    else:
        found = (Diagnostic(Severity.ERROR, error.code, error.message, help=error.hint),)
    closing = (f"`reconciler {command}` could not go on.",)
    known = redactor()
    report = Report(command, (Findings(found),), closing, error.exit_code)
    report = redact.clean(report, known)
    _write(common, report, _options(common, report, _no_lines), known)


def _write(common: CommonOptions, report: Report, options: Options, known: Redactor) -> None:
    plain = replace(options, style=type(options.style)(ascii_only=common.ascii_only))
    for name, file in common.reports:
        if file == "-":
            terminal.write(_rendered(name, report, options))
        else:
            _replace(file, known.redact(_rendered(name, report, plain)))


def _rendered(name: str, report: Report, options: Options) -> str:
    from reconciler.output import format as formats

    return formats.format_named(name).render(report, options)


def _replace(file: str, text: str) -> None:
    """The whole new text or the old file; never a part of either."""
    path = Path(file)
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a pipe or /dev/stderr: nothing to replace
        else:
            files.replace(path, text.encode())
    except OSError as cause:
        why = (cause.strerror or str(cause)).lower()
        raise UsageMistake(f"--report {file}: {why}") from cause


# -- how -------------------------------------------------------------------------------------------


def _options(common: CommonOptions, report: Report, read: Lines) -> Options:
    from reconciler.output.format import Options

    return Options(
        style(common),
        read,
        common.show_all,
        link_base=_link_base(common),
        marker=common.marker or " ".join([report.command, *_selected(common)]),
        again=" ".join(["reconciler", report.command, *_base(report), *_selected(common)]),
    )


def _selected(common: CommonOptions) -> Iterator[str]:
    for flag, names in (
        ("--environment", common.environments),
        ("--group", common.groups),
        ("--model", common.models),
        ("--app", common.apps),
    ):
        for name in sorted(names):
            yield f"{flag} {_WORD.sub('?', name)}"


def _base(report: Report) -> Iterator[str]:
    base = str(report.data.get("base") or "")
    if base:
        yield f"--base {_WORD.sub('?', base.rpartition('@')[2])}"


def _link_base(common: CommonOptions) -> str:
    """What a file's path is put behind: as told, or as the CI system says. A wrong one is a
    mistake of the caller's; a strange one of the environment is not used."""
    if common.link_base:
        if not _LINK.fullmatch(common.link_base):
            raise UsageMistake(
                "--link-base is no https URL",
                hint="e.g. https://github.com/OWNER/REPO/blob/COMMIT",
            )
        return common.link_base.rstrip("/")
    said = os.environ.get
    made = ""
    if said("GITHUB_SERVER_URL") and said("GITHUB_REPOSITORY") and said("GITHUB_SHA"):
        made = f"{said('GITHUB_SERVER_URL')}/{said('GITHUB_REPOSITORY')}/blob/{said('GITHUB_SHA')}"
    elif said("CI_PROJECT_URL") and said("CI_COMMIT_SHA"):
        made = f"{said('CI_PROJECT_URL')}/-/blob/{said('CI_COMMIT_SHA')}"
    return made if _LINK.fullmatch(made) else ""


def style(common: CommonOptions) -> Any:
    """Colours only on a terminal and never with NO_COLOR; ASCII where the output cannot do more."""
    from reconciler.output.text import Style

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return Style(colour=colour, ascii_only=common.ascii_only or "utf" not in encoding)


def _no_lines(_file: str, _line: int) -> str | None:
    return None


def _redacted(known: Redactor, line: str | None) -> str | None:
    return known.redact(line) if line is not None else None


def _lines(source: Tree | None) -> Lines:
    """Lines of the config's own files, each file read once and only when it is shown."""
    held: dict[str, list[str]] = {}

    def line(file: str, number: int) -> str | None:
        if source is None:
            return None
        if file not in held:
            held[file] = _text(source, file)
        lines = held[file]
        return lines[number - 1] if 0 < number <= len(lines) else None

    return line


def _text(tree: Tree, file: str) -> list[str]:
    if file not in tree.blobs():
        return []
    ((_, data),) = tree.read((file,))
    return data.decode("utf-8", "replace").splitlines()


def _changed(source: Tree | None, base: Tree | None) -> frozenset[tuple[str, int]]:
    """The lines of the source that its base does not have."""
    if source is None or base is None:
        return frozenset()
    import difflib

    old, out = base.blobs(), set()
    for file, blob in source.blobs().items():
        if file in old and old[file].blob_id == blob.blob_id:
            continue
        now = _text(source, file)
        matcher = difflib.SequenceMatcher(None, _text(base, file), now, autojunk=False)
        for kind, _, _, start, end in matcher.get_opcodes():
            if kind != "equal":
                out |= {(file, number) for number in range(start + 1, end + 1)}
    return frozenset(out)
