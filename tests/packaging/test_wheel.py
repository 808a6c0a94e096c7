"""What is shipped: a wheel that runs on its own, and whose extra `test` runs the tests."""

import os
import re
import subprocess
import sys
import venv

import pytest

from tests import needs
from tests.support import ROOT

pytestmark = pytest.mark.slow


def _run(*command, folder, **variables):
    """The standard output; nothing of this environment's packages can be seen."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _pip(*arguments, python=sys.executable, folder):
    constraints = ("--constraint", ROOT / "constraints.txt")
    options = ("--quiet", "--disable-pip-version-check")
    return _run(python, "-m", "pip", *arguments, *options, *constraints, folder=folder)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT, folder=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture
def python(tmp_path):
    """The Python of an empty environment."""
    venv.create(tmp_path / "venv", with_pip=True)
    return tmp_path / "venv/bin/python"


def test_the_wheel_alone_runs_the_demo(wheel, python, tmp_path):
    _pip("install", wheel, python=python, folder=tmp_path)
    out = _run(python.with_name("reconciler"), "demo", folder=tmp_path)
    assert "What you saw" in out
    where = _run(python, "-c", "import reconciler; print(reconciler.__file__)", folder=tmp_path)
    assert where.startswith(str(tmp_path / "venv"))
    _run(python, "-m", "pip", "check", folder=tmp_path)
    installed = _run(python, "-m", "pip", "list", "--format=freeze", folder=tmp_path)
    assert not re.search(r"^(kubernetes|pytest)==", installed, re.MULTILINE)


def test_the_extra_test_is_enough_for_the_tests_that_need_no_cluster(wheel, python, tmp_path):
    _pip("install", f"{wheel}[test]", python=python, folder=tmp_path)
    pytest_command = (python, "-m", "pytest", "-m", "not slow")
    _run(*pytest_command, "--collect-only", folder=ROOT)
    # The folders of the tests that come near a cluster.
    folders = ("tests/unit/adapters", "tests/cli/test_cluster_options.py", "tests/contract")
    out = _run(*pytest_command, *folders, "tests/cluster", folder=ROOT, RECONCILER_CLUSTER="")
    assert re.search(r"^[0-9]+ passed, [0-9]+ skipped", out, re.MULTILINE), out
    for left_out in re.findall(r"left out [0-9]+ tests: (.*)", out):
        assert left_out.removeprefix("the real cluster is left out: ") == needs.NO_KUBERNETES
