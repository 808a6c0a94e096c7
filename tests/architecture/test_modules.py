"""The shape of the code, as far as import-linter does not hold it."""

import ast
import re

import pytest

from tests.support import ROOT

MODULES = sorted((ROOT / "reconciler").rglob("*.py"))
_NAMES = [str(path.relative_to(ROOT)) for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=_NAMES)
def test_a_module_holds_one_idea_in_at_most_500_lines(path):
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", MODULES, ids=_NAMES)
def test_a_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text())), path


def test_error_codes_have_one_form():
    pattern = re.compile(r'"([EWP]_[A-Za-z0-9_]+)"')
    codes = {code for path in MODULES for code in pattern.findall(path.read_text())}
    assert codes
    assert all(re.fullmatch(r"[EWP]_[A-Z0-9]+(_[A-Z0-9]+)*", code) for code in codes)
