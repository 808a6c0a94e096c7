"""Mistakes on narrow terminals: no line is cut by the terminal, and the carets stay right."""

import re

import pytest

from reconciler.diagnostics import Related, error
from reconciler.origin import Site
from reconciler.output.text import Style, render_diagnostics
from reconciler.unit import UnitId

LINE = "serving: {replicas: many, " + "resources: {cpu: 1, memory: 4Gi}, " * 3 + "port: eighty}"
APPS = [UnitId("production", f"group-{n}", "a-model-with-a-long-name") for n in range(4)]


def shown(width, column, path="serving.port", line=LINE, colour=False):
    item = error(
        "E_TYPE",
        "expected a whole number between 1 and 65535, found the text 'eighty', which is no number "
        "in any base",
        Site("models/a-model/model.yaml", 12, column),
        path=path,
        related=[Related(Site("environments/base.yaml", 3, 1), "set here before")],
        help="write the number of the port that the server listens on, for example `port: 8501`",
        found="the text 'eighty'",
    ).reaching(*APPS)
    return render_diagnostics([item], lambda _file, _line: line, Style(colour=colour), width)


@pytest.mark.parametrize("width", [60, 72, 80, 99])
@pytest.mark.parametrize("column", [11, 40, LINE.index("port:") + 1])
def test_no_line_is_wider_than_the_terminal(width, column):
    for line in shown(width, column).splitlines():
        assert len(line) <= width, line


@pytest.mark.parametrize("width", [60, 80, 99, 100, 140])
@pytest.mark.parametrize(("word", "value"), [("replicas:", "many"), ("port:", "eighty")])
def test_the_carets_stand_below_the_value_at_any_width(width, word, value):
    rows = shown(width, LINE.index(word) + 1).splitlines()
    at = next(n for n, row in enumerate(rows) if row.lstrip().startswith("12 |"))
    carets = re.search(r"\^+", rows[at + 1])
    assert rows[at][carets.start() : carets.end()] == value


def test_a_message_reads_the_same_at_every_width():
    words = " ".join(shown(140, 11).partition("-->")[0].split())
    assert " ".join(shown(60, 11).partition("-->")[0].split()) == words


def test_at_a_hundred_columns_a_message_is_one_line():
    assert shown(100, 11).splitlines()[0].endswith("in any base")
    assert shown(100, 11).splitlines()[1].startswith("  -->")


def test_only_the_code_is_coloured_when_the_message_is_folded():
    first, second, *_ = shown(60, 11, colour=True).splitlines()
    assert first.startswith("\x1b[31m\x1b[1merror[E_TYPE]\x1b[0m\x1b[0m: ")
    assert "\x1b" not in second
