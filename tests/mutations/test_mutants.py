"""Every seeded defect is noticed by the tests that are there for it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.mutations.mutants import MUTANTS
from tests.support import ROOT

_NAMES = [mutant.name for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=_NAMES)
def test_a_mutant_still_fits_the_program_and_names_tests_that_are_there(mutant):
    text = (ROOT / "reconciler" / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    changed = text.replace(mutant.old, mutant.new)
    assert changed != text
    compile(changed, mutant.file, "exec")
    for test in mutant.tests:
        path, _, name = re.sub(r"\[.*\]$", "", test).partition("::")
        assert f"def {name}" in (ROOT / path).read_text(), test


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The program and its tests, to be spoilt."""
    place = tmp_path_factory.mktemp("mutants")
    for folder in ("reconciler", "tests", "environments", "models", "policies"):
        shutil.copytree(ROOT / folder, place / folder)
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=_NAMES)
def test_a_mutant_is_caught(copy, mutant):
    path = copy / "reconciler" / mutant.file
    whole = path.read_text()
    path.write_text(whole.replace(mutant.old, mutant.new))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--exitfirst", "--no-header", *mutant.tests],
            cwd=copy,
            env={
                **os.environ,
                # A spoilt module must not be found compiled by the next.
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": str(copy),
                "RECONCILER_CLUSTER": "off",
            },
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(whole)
    # 1 is a failed test; 2 and more, that none could be run.
    assert done.returncode == 1, done.stdout[-2000:]
    assert " failed" in done.stdout
