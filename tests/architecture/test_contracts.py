"""The import contracts notice what they forbid, and the modules import one another in one order."""

import graphlib
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.support import ROOT

grimp = pytest.importorskip("grimp", reason="import-linter is not installed (the extra `dev`)")

#: module that offends → (its line, what the report must say). One file offends once, so that each
#: line of the report has one cause.
OFFENCES = {
    "output/comment.py": ("import deepdiff", "reconciler.output.comment -> deepdiff"),
    "layers/rewrite.py": ("from ruamel.yaml import YAML", "reconciler.layers.rewrite -> ruamel"),
    "apps/load.py": ("import pydantic", "reconciler.apps.load -> pydantic"),
    "apps/shape.py": ("from pydantic_core import core_schema", "apps.shape -> pydantic_core"),
    "output/detail.py": ("def _late():\n    import yaml", "reconciler.output.detail -> yaml"),
    "adapters/notify.py": ("import kubernetes.client", "adapters.notify -> kubernetes"),
    "adapters/git/objects.py": ("import git", "reconciler.adapters.git.objects -> git"),
    "simulation/server.py": ("import sqlite3", "reconciler.simulation.server -> sqlite3"),
    "output/markdown.py": ("from click import echo", "reconciler.output.markdown -> click"),
    "policy/match.py": ("from cel_expr_python import cel", "policy.match -> cel_expr_python"),
    "wiring/runs.py": ("import prometheus_client", "wiring.runs -> prometheus_client"),
    "engine/guards/upgrade.py": (
        "from packaging.version import Version",
        "guards.upgrade -> packaging",
    ),
    "wiring/source.py": ("import subprocess", "reconciler.wiring.source -> subprocess"),
    "adapters/workers.py": ("import socket", "reconciler.adapters.workers -> socket"),
    "adapters/clock.py": ("import jsonschema", "reconciler.adapters.clock -> jsonschema"),
    "wiring/saved_plans.py": (
        "import platformdirs",
        "reconciler.wiring.saved_plans -> platformdirs",
    ),
    "plan/order.py": ("import reconciler.engine.load", "plan.order -> reconciler.engine.load"),
}
#: Imported in most rooms: plain functions over data.
_EVERYWHERE = {"orjson"}


def _copy(folder):
    shutil.copytree(
        ROOT / "reconciler",
        folder / "reconciler",
        ignore=shutil.ignore_patterns("__pycache__", "_sample"),
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _linted(folder, *arguments):
    """(exit code, report) of import-linter over the copy of the package in a folder."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, " ".join((ran.stdout + ran.stderr).split())


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What import-linter says of a copy of the package with every offence in it."""
    folder = _copy(tmp_path_factory.mktemp("offences"))
    for name, (line, _) in OFFENCES.items():
        path = folder / "reconciler" / name
        with path.open("a") as file:
            file.write(f"\n{line}\n")
    code, said = _linted(folder)
    assert code == 1, said
    return said


@pytest.mark.parametrize(("name", "said"), [(n, said) for n, (_, said) in OFFENCES.items()])
def test_an_import_in_a_room_that_may_not_have_it_breaks_a_contract(name, said, report):
    assert f"{said} (l." in report, name


def test_the_package_as_it_is_breaks_no_contract(tmp_path):
    code, said = _linted(_copy(tmp_path))
    assert code == 0, said
    assert "0 broken" in said


def test_an_exception_that_no_import_needs_any_more_is_an_error(tmp_path):
    folder = _copy(tmp_path)
    path = folder / "reconciler/output/detail.py"
    path.write_text(
        path.read_text()
        .replace("import deepdiff", "import json")
        .replace("from deepdiff import", "from json import")
    )
    code, said = _linted(folder, "--contract", "deepdiff")
    assert code == 1
    assert "No matches for ignored import reconciler.output.detail -> deepdiff" in said


def _contracts():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_every_library_that_is_imported_has_a_contract():
    graph = grimp.build_graph("reconciler", include_external_packages=True, cache_dir=None)
    outside = {name for name in graph.modules if graph.is_module_squashed(name)}
    libraries = outside - set(sys.stdlib_module_names) - _EVERYWHERE
    held = {
        name
        for contract in _contracts()
        if contract["type"] == "forbidden" and contract["source_modules"] == ["reconciler"]
        for name in contract["forbidden_modules"]
    }
    assert {"click", "yaml", "kubernetes"} <= libraries
    assert libraries <= held, libraries - held


def test_no_modules_import_one_another_in_a_circle():
    """Imports inside of functions and those for types alone count too."""
    graph = grimp.build_graph("reconciler", cache_dir=None)
    order = graphlib.TopologicalSorter(
        {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    )
    try:
        order.prepare()
    except graphlib.CycleError as found:
        pytest.fail(" -> ".join(found.args[1]))
