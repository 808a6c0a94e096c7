"""What is imported when: start-up stays cheap, heavy packages are paid for where they are used."""

import json
import subprocess
import sys

import pytest

from tests.support import COMMANDS, ROOT

HEAVY = {
    "pydantic",
    "ruamel",
    "deepdiff",
    "git",
    "kubernetes",
    "argo_workflows",
    "cel_expr_python",
    "sqlite3",
    "rich",
    "yaml",
    "orjson",
    "pydantic_core",
    "packaging",
    "prometheus_client",
}
_PROGRAM = """
import json, sys
from reconciler.cli.program import run
code = run({args!r})
sys.stdout.flush()
print(json.dumps([int(code), sorted({{name.split('.')[0] for name in sys.modules}})]), file=sys.stderr)
"""


def _imported(*args):
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(args=list(args))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(result.stderr.splitlines()[-1])
    return code, set(names)


def test_the_version_needs_nothing_but_click():
    code, names = _imported("--version")
    assert code == 0
    assert not names & HEAVY


def test_help_imports_no_heavy_package():
    _, names = _imported("--help")
    assert not names & (HEAVY - {"yaml"})


def test_check_imports_only_what_it_needs():
    code, names = _imported("check")
    assert code == 0
    assert not names & {
        "pydantic",
        "ruamel",
        "deepdiff",
        "git",
        "kubernetes",
        "argo_workflows",
        "sqlite3",
        "prometheus_client",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_help_is_cheap(command):
    code, names = _imported(command, "--help")
    assert code == 0
    assert not names & HEAVY
