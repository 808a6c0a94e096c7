"""A capability is a file with one constant; a slip in either is told with the way out."""

import sys

import pytest

from reconciler import extensions
from reconciler.extensions import ExtensionMissing
from tests.support import ROOT

#: Every folder of capabilities, with the constant that each of its files defines.
FOLDERS = {
    "reconciler.backends.frameworks": "FRAMEWORK",
    "reconciler.backends.orchestrators": "ORCHESTRATOR",
    "reconciler.backends.routers": "ROUTER",
    "reconciler.backends.serving": "SERVING",
    "reconciler.cli.commands": "COMMAND",
    "reconciler.kinds": "KINDS",
    "reconciler.output.formats": "FORMAT",
    "reconciler.policy.formats": "FORMAT",
    "reconciler.simulation.controllers": "PROJECT",
}
_FILES = [(folder, name) for folder in FOLDERS for name in extensions.names(folder)]


@pytest.mark.parametrize(("folder", "name"), _FILES)
def test_a_capability_s_file_defines_the_constant_of_its_folder(folder, name):
    found = extensions.load(folder, name, FOLDERS[folder])
    # A file of kinds, and a project of the embedded cluster, hold several things with own names.
    assert FOLDERS[folder] in ("KINDS", "PROJECT") or found.name == name


def test_every_folder_that_is_loaded_from_is_in_the_list_above():
    package = ROOT / "reconciler"
    users = [p.read_text() for p in package.rglob("*.py") if "extensions." in p.read_text()]
    folders = {
        f"reconciler.{'.'.join(p.parent.relative_to(package).parts)}"
        for p in package.rglob("*/__init__.py")
    }
    assert {f for f in folders if any(f'"{f}"' in text for text in users)} == set(FOLDERS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Makes a folder of capabilities from files, and returns its package name."""

    def make(**files):
        package = f"capabilities_{tmp_path.name.replace('-', '_')}"
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        for name, text in files.items():
            (tmp_path / package / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return package

    before = set(sys.modules)
    yield make
    for name in set(sys.modules) - before:
        if name.startswith("capabilities_"):
            del sys.modules[name]


def test_a_misnamed_constant_is_told_with_the_file_and_the_nearest_name(folder):
    room = folder(toy="LIMIT = 3\nFRAMWORK = object()\n")
    with pytest.raises(ExtensionMissing) as caught:
        extensions.load(room, "toy", "FRAMEWORK")
    assert f"{room}/toy.py has no constant FRAMEWORK" in caught.value.message
    assert "did you mean 'FRAMWORK'?" in caught.value.hint


def test_a_file_without_any_constant_is_told_what_to_define(folder):
    room = folder(toy="def draw(): ...\n")
    with pytest.raises(ExtensionMissing) as caught:
        extensions.load(room, "toy", "ROUTER")
    assert caught.value.hint == "define ROUTER in it, or move it away"


def test_a_constant_of_another_name_than_its_file_is_refused(folder):
    text = "from types import SimpleNamespace\nFORMAT = SimpleNamespace(name='toy')\n"
    room = folder(my_toy=text)
    with pytest.raises(ExtensionMissing, match="named 'toy', and its file 'my-toy'"):
        extensions.load(room, "my-toy", "FORMAT")


def test_listing_a_folder_imports_nothing(folder):
    room = folder(toy="raise RuntimeError")
    assert extensions.names(room) == ("toy",)
