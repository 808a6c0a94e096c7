"""Prints a report to standard output and writes it into the files of --report.

The run's redactor masks secrets twice: in the report's values, before a format cuts or escapes
them, and in the finished text.
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
from reconciler.secret_texts import hide_secret_values
from reconciler.secrets import MASK, Redactor
from reconciler.wiring.common import CommonOptions
from reconciler.wiring.logs import without_elapsed
from reconciler.wiring.redaction import redactor
from reconciler.wiring.source import describe

if TYPE_CHECKING:
    from reconciler.engine.views.report import Report
    from reconciler.output.format import Options
    from reconciler.ports import Tree

__all__ = ["Progress", "failed", "show", "style"]

Lines = Callable[[str, int], str | None]
_LINK = re.compile(r"https?://[^\s<>\"'()\[\]\\]+")
#: Characters that a name may not have in a marker or in a command to copy: they become `?`.
_UNSAFE = re.compile(r"[^A-Za-z0-9._/=,-]+")


#: Commands whose first line says which tree they read: two of them may read different ones.
_READERS = ("apply", "check", "plan", "reconcile")


class Progress:
    """Says on standard error what a run does, once it has taken more than a second. On a terminal
    one line is written anew in place; elsewhere a line is printed when a unit has come further, and
    not when only time has gone by."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._last: dict[str, str] = {}

    def progress(self, subject: str, text: str) -> None:
        if self._clock() - self._start <= 1.0:
            return
        line = f"{subject}   {text}"
        if terminal.is_looked_at():
            terminal.rewrite(line)
            return
        steady = without_elapsed(text)
        if self._last.get(subject) != steady:
            self._last[subject] = steady
            terminal.note(line)


def show(
    common: CommonOptions, report: Report, source: Tree | None = None, base: Tree | None = None
) -> ExitCode:
    """Prints a report in the format of --output, writes the files of --report, and returns the
    command's exit code.

    `source` is the config, whose lines are quoted. With `base`, the tree it is compared with, the
    formats learn which lines changed.
    """
    from reconciler.engine.views import fail_on
    from reconciler.output import redact

    secrets = redactor()
    read = _line_reader(source)
    report = fail_on.held_to(report, common.fail_on)
    redact.learn(report, secrets, read)
    report = redact.clean(report, secrets)
    quote = _line_reader(source, _quotable)
    options = _options(
        common, report, lambda file, number: _redact_line(secrets, quote(file, number))
    )
    if source is not None and report.command in _READERS:
        options = replace(options, reads=describe(common, source))
    if common.reports:
        options = replace(options, changed=_changed_lines(source, base))
    try:
        terminal.write(_render(common.output, report, options))
    finally:
        # Also when standard output is full: the files are then all that is left of the report.
        _write(common, report, options, secrets)
    return report.exit_code


def failed(common: CommonOptions, command: str, error: ReconcilerError) -> None:
    """Writes the files of --report with the error of a command that has no report.

    Otherwise a reader would take the files of the run before for those of this run.
    """
    from reconciler.diagnostics import ConfigInvalid, Diagnostic, Severity
    from reconciler.engine.views.report import Findings, Report
    from reconciler.output import redact

    if isinstance(error, ConfigInvalid):
        found = error.diagnostics
    else:
        found = (Diagnostic(Severity.ERROR, error.code, error.message, help=error.hint),)
    closing = (f"`reconciler {command}` could not go on.",)
    secrets = redactor()
    report = Report(command, (Findings(found),), closing, error.exit_code)
    report = redact.clean(report, secrets)
    _write(common, report, _options(common, report, _no_lines), secrets)


def _write(common: CommonOptions, report: Report, options: Options, secrets: Redactor) -> None:
    plain = replace(options, style=type(options.style)(ascii_only=common.ascii_only))
    for name, file in common.reports:
        if file == "-":
            terminal.write(_render(name, report, options))
        else:
            _replace(file, secrets.redact(_render(name, report, plain)))


def _render(name: str, report: Report, options: Options) -> str:
    from reconciler.output import format as formats

    return formats.format_named(name).render(report, options)


def _replace(file: str, text: str) -> None:
    """Replaces a file in one step: a reader sees the old text or the new one, never a part."""
    path = Path(file)
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a pipe or /dev/stderr: nothing to replace
        else:
            files.replace(path, text.encode())
    except OSError as cause:
        why = (cause.strerror or str(cause)).lower()
        raise UsageMistake(f"--report {file}: {why}") from cause


# -- options of the formats ------------------------------------------------------------------------


def _options(common: CommonOptions, report: Report, read: Lines) -> Options:
    from reconciler.output.format import Options

    return Options(
        style(common),
        read,
        common.show_all,
        link_base=_link_base(common),
        marker=common.marker or " ".join([report.command, *_selection_flags(common)]),
        again=_again(common, report),
        width=terminal.width(),
    )


def _again(common: CommonOptions, report: Report) -> str:
    """The command that shows the same report; "" for commands with options of their own."""
    if report.command not in ("check", "plan"):
        return ""
    return " ".join(["reconciler", report.command, *_base_flag(report), *_selection_flags(common)])


def _selection_flags(common: CommonOptions) -> Iterator[str]:
    for flag, names in (
        ("--environment", common.environments),
        ("--group", common.groups),
        ("--model", common.models),
        ("--app", common.apps),
    ):
        for name in sorted(names):
            yield f"{flag} {_UNSAFE.sub('?', name)}"


def _base_flag(report: Report) -> Iterator[str]:
    base = str(report.data.get("base") or "")
    if base:
        yield f"--base {_UNSAFE.sub('?', base.rpartition('@')[2])}"


def _link_base(common: CommonOptions) -> str:
    """The URL to put before a file's path: --link-base, else from the variables of the CI system.

    A wrong --link-base is an error; wrong variables give no links.
    """
    if common.link_base:
        if not _LINK.fullmatch(common.link_base):
            raise UsageMistake(
                "--link-base is no https URL",
                hint="e.g. https://github.com/OWNER/REPO/blob/COMMIT",
            )
        return common.link_base.rstrip("/")
    env = os.environ.get
    url = ""
    if env("GITHUB_SERVER_URL") and env("GITHUB_REPOSITORY") and env("GITHUB_SHA"):
        url = f"{env('GITHUB_SERVER_URL')}/{env('GITHUB_REPOSITORY')}/blob/{env('GITHUB_SHA')}"
    elif env("CI_PROJECT_URL") and env("CI_COMMIT_SHA"):
        url = f"{env('CI_PROJECT_URL')}/-/blob/{env('CI_COMMIT_SHA')}"
    return url if _LINK.fullmatch(url) else ""


def style(common: CommonOptions) -> Any:
    """The style of texts: colours only on a terminal and never with NO_COLOR; ASCII only with
    --ascii, and where the output's encoding is not UTF."""
    from reconciler.output.text import Style

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return Style(colour=colour, ascii_only=common.ascii_only or "utf" not in encoding)


def _no_lines(_file: str, _line: int) -> str | None:
    return None


def _redact_line(secrets: Redactor, line: str | None) -> str | None:
    return secrets.redact(line) if line is not None else None


def _line_reader(
    source: Tree | None, change: Callable[[list[str]], list[str]] | None = None
) -> Lines:
    """A function that gives a line of a config file, with `change` made to the file's lines. A file
    is read once, when a line is needed."""
    files_read: dict[str, list[str]] = {}

    def line(file: str, number: int) -> str | None:
        if source is None:
            return None
        if file not in files_read:
            found = _lines_of(source, file)
            files_read[file] = change(found) if change is not None else found
        lines = files_read[file]
        return lines[number - 1] if 0 < number <= len(lines) else None

    return line


def _lines_of(tree: Tree, file: str) -> list[str]:
    if file not in tree.blobs():
        return []
    ((_, data),) = tree.read((file,))
    return data.decode("utf-8", "replace").splitlines()


def _quotable(lines: list[str]) -> list[str]:
    """The lines as messages may quote them: without the values of Secrets."""
    return hide_secret_values(lines, MASK)


def _changed_lines(source: Tree | None, base: Tree | None) -> frozenset[tuple[str, int]]:
    """The lines of the source that its base does not have."""
    if source is None or base is None:
        return frozenset()
    import difflib

    old, out = base.blobs(), set()
    for file, blob in source.blobs().items():
        if file in old and old[file].blob_id == blob.blob_id:
            continue
        new = _lines_of(source, file)
        matcher = difflib.SequenceMatcher(None, _lines_of(base, file), new, autojunk=False)
        for kind, _, _, start, end in matcher.get_opcodes():
            if kind != "equal":
                out |= {(file, number) for number in range(start + 1, end + 1)}
    return frozenset(out)
