"""Where the carets of a message stand."""

import pytest

from reconciler.diagnostics import error
from reconciler.origin import Site
from reconciler.output.text import render_diagnostics
from reconciler.unit import UnitId

VALUE, KEY = "E_VALUE", "E_UNKNOWN_KEY"
CASES = {
    "the value behind a key": (VALUE, "a: bad", 1, "bad"),
    "a quoted value": (VALUE, 'a: "b, c"', 1, '"b, c"'),
    "a value before a comment": (VALUE, "a: bad # why", 1, "bad"),
    "a value in a flow map": (VALUE, "x: {name: n, cron: 0 25 * * *, z: 1}", 14, "0 25 * * *"),
    "a value behind a marker": (VALUE, "a: !override bad", 1, "bad"),
    "a quoted key": (VALUE, '"a b": bad', 1, "bad"),
    "an element": (VALUE, "- bad-one", 3, "bad-one"),
    "the key itself": (KEY, "servin: {}", 1, "servin"),
    "a map": (VALUE, "a: {b: c}", 1, "a"),
    "a block": (VALUE, "a: |", 1, "a"),
    "wide characters before": (VALUE, "\u540d\u5b57: \u574f", 1, "\u574f"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_carets_stand_below_what_is_wrong(name):
    code, line, column, marked = CASES[name]
    found = error(code, "wrong", Site("f.yaml", 1, column))
    out = render_diagnostics([found], lambda *_: line).splitlines()
    source, carets = out[2], out[3]
    start = source.index(marked, 6)
    wide = sum(1 for c in source[:start] if ord(c) > 0x2E80)
    assert carets.index("^") == start + wide
    assert carets.count("^") == len(marked) * (2 if ord(marked[0]) > 0x2E80 else 1)


def test_a_long_line_is_cut_around_the_carets():
    line = "a: [" + "x" * 200 + ", {name: n, cron: bad}]"
    found = error("E_CRON", "wrong", Site("f.yaml", 1, line.index("cron") + 1))
    out = render_diagnostics([found], lambda *_: line).splitlines()
    assert "…" in out[2]
    assert len(out[2]) <= 100
    at = out[3].index("^")
    assert out[2][at : at + 3] == "bad"


def test_many_apps_are_a_number_and_their_environments():
    apps = [UnitId("prod", "one", f"m{i}") for i in range(20)]
    found = error("E_VALUE", "wrong").reaching(*apps)
    assert "reaches: 20 apps of prod\n" in render_diagnostics([found])
    few = error("E_VALUE", "wrong").reaching(*apps[:2])
    assert "reaches: prod/one/m0, prod/one/m1\n" in render_diagnostics([few])
