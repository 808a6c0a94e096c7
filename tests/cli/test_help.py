"""The help of the program and of its commands."""

import re

import pytest

import reconciler
from reconciler.cli.program import run_captured
from tests.support import COMMANDS, ROOT


def shown(*args):
    code, out = run_captured([*args, "--help"])
    assert int(code) == 0
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_gives_two_examples_of_itself(command):
    after = shown(command).partition("Examples:\n")[2]
    assert len(re.findall(rf"^ +(?:.*\| )?.*reconciler {command}\b", after, re.MULTILINE)) >= 2


def test_the_help_names_the_documentation_and_the_completion():
    out = shown()
    assert reconciler.DOCUMENTATION in out
    assert "_RECONCILER_COMPLETE=bash_source" in out


def test_the_documentation_is_where_the_package_says_it_is():
    project = (ROOT / "pyproject.toml").read_text()
    assert f'Documentation = "{reconciler.DOCUMENTATION}"' in project


def test_an_interval_without_a_unit_is_seconds_and_the_help_says_so():
    assert "a number alone is in seconds" in " ".join(shown("reconcile").split())
