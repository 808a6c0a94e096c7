"""Progress: one line in place on a terminal, elsewhere a line only where a unit has come further."""

import io
import re
import sys

import pytest

from reconciler.cli import reporting, terminal
from reconciler.wiring.logs import Logs, without_elapsed
from tests.support import NOW


class Screen(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self):
        return True


def waiting(seconds, ready=0):
    return f"wave 1/2  Deployment/web: {ready} of 4 ready ({seconds} s of 60 s)"


@pytest.fixture
def stderr(monkeypatch):
    def put(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(terminal, "_status", terminal._StatusLine())
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return put


def reporter():
    times = iter([0.0, *[5.0] * 100_000])
    return reporting.Progress(lambda: next(times))


def test_seconds_that_went_by_are_no_news_elsewhere_than_on_a_terminal(stderr):
    stream = stderr(io.StringIO())
    progress = reporter()
    for seconds in range(0, 60, 2):
        progress.progress("prod/one/web", waiting(seconds))
    progress.progress("prod/one/web", waiting(60, ready=4))
    assert len(stream.getvalue().splitlines()) == 2


def test_apps_that_wait_side_by_side_are_each_said_once(stderr):
    stream = stderr(io.StringIO())
    progress = reporter()
    for seconds in range(0, 60, 2):
        for number in range(236):
            progress.progress(f"prod/one/web-{number}", waiting(seconds))
    assert len(stream.getvalue().splitlines()) == 236


def test_on_a_terminal_one_line_is_written_anew_and_the_next_text_takes_its_place(stderr):
    stream = stderr(Screen())
    progress = reporter()
    for seconds in range(0, 10, 2):
        progress.progress("prod/one/web", waiting(seconds))
    terminal.note("done")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "(8 s of 60 s)" in text
    assert text.endswith("\r\x1b[Kdone\n")


def test_a_line_in_place_is_cut_to_the_terminal(stderr, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = stderr(Screen())
    reporter().progress("prod/one/web", "x" * 300)
    shown = re.sub(r"\x1b\[K|\r", "", stream.getvalue())
    assert len(shown) == 39


def test_a_dumb_terminal_gets_lines(stderr, monkeypatch):
    stream = stderr(Screen())
    monkeypatch.setenv("TERM", "dumb")
    reporter().progress("prod/one/web", "wave 1/2")
    assert stream.getvalue() == "prod/one/web   wave 1/2\n"


def test_nothing_is_said_in_the_first_second(stderr):
    stream = stderr(io.StringIO())
    times = iter([0.0, 0.5, 0.9])
    progress = reporting.Progress(lambda: next(times))
    progress.progress("prod/one/web", "wave 1/2")
    progress.progress("prod/one/web", "wave 2/2")
    assert stream.getvalue() == ""


def test_a_log_leaves_out_what_differs_in_the_seconds_alone():
    stream = io.StringIO()
    logs = Logs(stream, "text", lambda: NOW, "run-1", str)
    for seconds in range(0, 60, 2):
        for app in ("prod/one/web", "prod/two/web"):
            logs.progress(app, waiting(seconds))
    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "steady"),
    [
        ("ConfigMap/a: being deleted (4 s)", "ConfigMap/a: being deleted"),
        (waiting(8), "wave 1/2  Deployment/web: 0 of 4 ready"),
        ("Deployment/web (2 s of work)", "Deployment/web (2 s of work)"),
    ],
)
def test_only_elapsed_seconds_are_left_out(text, steady):
    assert without_elapsed(text) == steady
