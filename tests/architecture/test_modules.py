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


#: Functions of more than six parameters: each is a fact of its own, or an option of a command.
MANY = {
    "backends/pod.py container",
    "cli/commands/plan.py COMMAND",
    "cli/commands/promote.py COMMAND",
    "diagnostics.py error",
    "lifecycle/rollout.py __init__",
    "operate/loop.py __init__",
    "origin.py __init__",
    "simulation/world.py __init__",
}


def _functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            given = [
                a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            ]
            yield node, len(given) - (given[:1] in (["self"], ["cls"]))


def _within(path):
    return path.relative_to(ROOT / "reconciler").as_posix()


def test_a_function_has_at_most_60_lines_and_six_parameters():
    """Reading rules; what is listed above as an exception must need it."""
    long, many = set(), set()
    for path in MODULES:
        for node, count in _functions(path):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= 60:
                long.add(f"{_within(path)} {node.name}")
            if count > 6:
                many.add(f"{_within(path)} {node.name}")
    assert long == set()
    assert many == MANY


def test_error_codes_have_one_form():
    pattern = re.compile(r'"([EWP]_[A-Za-z0-9_]+)"')
    codes = {code for path in MODULES for code in pattern.findall(path.read_text())}
    assert codes
    assert all(re.fullmatch(r"[EWP]_[A-Z0-9]+(_[A-Z0-9]+)*", code) for code in codes)
