"""Every module has a test that imports it, or a reason why another one tries it."""

import ast
from fnmatch import fnmatch

import yaml

from tests.support import ROOT
from tests.unit.test_extensions import FOLDERS

PACKAGE = ROOT / "reconciler"
LIST = yaml.safe_load((ROOT / "tests/architecture/tested_elsewhere.yaml").read_text())


def _imported(text):
    """The names of modules that a text imports, and of what may be modules in packages."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _does_something(path):
    """Whether a module defines a function or a class: an empty `__init__` does not."""
    body = ast.parse(path.read_text()).body
    return path.name == "__main__.py" or any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body
    )


def _untested():
    """Paths within the package of modules that no test module imports."""
    names = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        if path.name.startswith(("test_", "conftest"))
        for name in _imported(path.read_text())
    }
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if module not in names and _does_something(path):
            yield path.relative_to(PACKAGE).as_posix()


def test_a_module_without_a_test_of_its_own_is_listed_with_the_reason():
    patterns = [pattern for entry in LIST for pattern in entry["modules"]]
    assert [
        path for path in _untested() if not any(fnmatch(path, pattern) for pattern in patterns)
    ] == []


def test_every_line_of_the_list_has_a_reason_and_is_needed():
    untested = list(_untested())
    for entry in LIST:
        assert len(entry["why"].split()) > 3, entry
        for pattern in entry["modules"]:
            assert any(fnmatch(path, pattern) for path in untested), pattern
    patterns = [pattern for entry in LIST for pattern in entry["modules"]]
    assert len(set(patterns)) == len(patterns)


def test_a_pattern_names_the_files_of_one_capability():
    """Anything broader would hide a new module that nobody tries."""
    for pattern in (p for entry in LIST for p in entry["modules"] if "*" in p):
        folder, _, last = pattern.rpartition("/")
        assert last == "*"
        assert f"reconciler.{folder.replace('/', '.')}" in FOLDERS, pattern


def test_what_the_rest_stands_on_is_not_excused():
    """Keys, drafts, origins, diagnostics, secrets, ports: a test imports each."""
    foundation = [*PACKAGE.glob("*.py"), *PACKAGE.glob("objects/*.py")]
    assert len(foundation) > 10
    for path in (path.relative_to(PACKAGE).as_posix() for path in foundation):
        excused = [e for e in LIST if any(fnmatch(path, p) for p in e["modules"])]
        assert not excused or path == "__main__.py", path
