"""Why a file is no YAML, in plain words."""

import pytest

from reconciler.layers import document
from reconciler.layers.syntax_hints import explain

START = "model:\n  type: vision\n"
CASES = {
    "a tab": (START + "\towner: web\n", "a tab indents this line", 3, 1),
    "a tab behind blanks": (START + "  \towner: web\n", "a tab indents this line", 3, 3),
    "a conflict": (
        "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n", "a conflict marker of Git", 1, 1
    ),
    "a conflict below": (START + "<<<<<<< HEAD\n  owner: web\n", "a conflict marker", 3, 1),
    "a full-width colon": (START + "  owner\uff1a web\n  x: y\n", "the full-width", 3, 8),
    "a no-break space": (START + "\u00a0\u00a0owner: web\n  x: y\n", "U+00A0", 3, 1),
    "an ideographic space": (START + "\u3000owner: web\n  x: y\n", "U+3000", 3, 1),
    "no blank after the colon": (START + "  workers:3\n  x: y\n", "a blank is missing", 3, 10),
    "deeper than its neighbour": (START + "   owner: web\n", "indented by 3, and the line", 3, 4),
    "less deep than any": (START + " owner: web\n", "indented by 1, as no line above", 3, 2),
    "braces": (START + "  image: {{ vars.x }}/a\n", "is a map inside a map", 3, 10),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_syntax_error_is_one_error_with_its_cause_and_a_way_out(name):
    text, message, line, column = CASES[name]
    parsed = document.parse(text.encode(), "f.yaml", "base")
    (found,) = parsed.diagnostics
    assert (found.code, found.site.line, found.site.column) == ("E_SYNTAX", line, column)
    assert message in found.message
    assert found.help


def test_without_a_known_cause_the_parser_speaks():
    assert explain("a: [1, 2\nb: 3\n", 2) is None
    (found,) = document.parse(b"a: [1, 2\nb: 3\n", "f.yaml", "base").diagnostics
    assert found.code == "E_SYNTAX"


def test_a_file_that_is_yaml_is_not_looked_at():
    text = "a: 'x:y'\nb: http://host\nc: \"{{ x }}\"\nd: \uff1a\n"
    assert document.parse(text.encode(), "f.yaml", "base").diagnostics == ()


def test_a_line_that_is_far_outside_gives_no_hint():
    assert explain("", 1) is None
    assert explain("a: 1\n", 99) is None
