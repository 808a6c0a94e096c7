"""What several files say is said once, and the others are held to it."""

import ast
import re
import tomllib
from importlib import metadata

import pytest
import yaml

import reconciler
from tests.support import ROOT

#: Files that cannot read the version of the package, and what stands around it in each.
VERSIONS = {
    "CHANGELOG.md": r"(?m)\A# Changelog\n\n## (\S+)",
    "deploy/Dockerfile": r"-t ml-reconciler:(\S+)",
    "deploy/helm/ml-reconciler/Chart.yaml": r"(?m)^(?:version|appVersion): (\S+)",
    "deploy/helm/ml-reconciler/values.yaml": r"(?m)^  tag: (\S+)",
    "deploy/kustomize/overlays/cronjob/kustomization.yaml": r"newTag: (\S+)",
    "deploy/kustomize/overlays/loop/kustomization.yaml": r"newTag: (\S+)",
    "docs/operations.md": r"ml-reconciler:(\d\S*)|--approve-upgrade (\d\S*)",
    "docs/pull-requests.md": r"(?m)^  rev: v(\S+)",
}


@pytest.mark.parametrize(("path", "pattern"), VERSIONS.items(), ids=list(VERSIONS))
def test_a_file_that_names_the_version_names_the_package_s(path, pattern):
    matches = list(re.finditer(pattern, (ROOT / path).read_text()))
    found = {text for match in matches for text in match.groups() if text}
    assert found == {reconciler.__version__}


def test_the_project_s_version_is_the_package_s():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert metadata.version(reconciler.DISTRIBUTION) == reconciler.__version__, "make setup"


def _recipes():
    """(prerequisites, commands) of each target of the Makefile."""
    text = (ROOT / "Makefile").read_text()
    rules = re.findall(r"(?m)^([a-z-]+):(.*)\n((?:\t.*\n)*)", text)
    return {name: (needed.split(), commands.split("\n")) for name, needed, commands in rules}


def test_the_hooks_before_a_commit_are_the_steps_of_make_check():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == [f"make {n}" for n in _recipes()["check"][0]]
    assert all(any(_recipes()[hook["id"]][1]) for hook in hooks)


def _prints(source):
    """The lines that print to the terminal, whatever the way."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name("print")):
                yield node.lineno
            case ast.Attribute(ast.Name("click"), "echo" | "secho" | "echo_via_pager"):
                yield node.lineno
            case ast.Attribute(ast.Attribute(ast.Name("sys"), "stdout" | "stderr"), "write"):
                yield node.lineno


@pytest.mark.parametrize(
    "line", ["print(1)", "click.echo(1)", "lambda: click.secho", "sys.stderr.write('')"]
)
def test_a_line_that_prints_is_found(line):
    assert list(_prints(line)) == [1]


def test_text_leaves_for_the_terminal_by_one_door_which_takes_the_secrets_out():
    """The tour alone prints itself: it shows what the program it runs has printed."""
    package = ROOT / "reconciler"
    paths = (path for path in package.rglob("*.py") if path.parent != package / "demo")
    found = {p.relative_to(package).as_posix() for p in paths if any(_prints(p.read_text()))}
    assert found == {"cli/terminal.py"}
