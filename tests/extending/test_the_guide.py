"""What docs/extending.md names is enough to add a capability: each of its examples is built in a
copy of the project, by the files that it shows and no others, and its commands print what it shows.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.extending import guide
from tests.extending.guide import Command, File
from tests.support import ROOT
from tests.unit.test_extensions import FOLDERS

SECTIONS = guide.sections()
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis", "*.db", "_sample"
)
#: What the commands of a section may write without its naming the file.
_WRITTEN = ("schemas/", "tests/cases/backends/toy/")


class Copy:
    """A copy of the project in a folder of its own, in which the commands of the guide run."""

    def __init__(self, folder):
        self.root = folder / "project"
        self.here = self.root
        shutil.copytree(ROOT, self.root, ignore=_LEFT_OUT)
        programs = folder / "bin"
        programs.mkdir()
        for name, arguments in (("python", ""), ("reconciler", "-m reconciler ")):
            file = programs / name
            file.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments}"$@"\n')
            file.chmod(0o755)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "RECONCILER"))},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "RECONCILER_CLUSTER": "off",
            "NO_COLOR": "1",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def run(self, line):
        """(exit code, output) of one line of shell."""
        if line.startswith("cd "):
            self.here = self.here / line[3:]
            return 0, ""
        ran = subprocess.run(
            ["sh", "-c", line],
            cwd=self.here,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout

    def build(self, section):
        if section.after:
            self.build(SECTIONS[section.after])
        for step in section.steps:
            match step:
                case File(path, text, adds):
                    file = self.root / path
                    assert file.exists() == adds, path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text((file.read_text() if adds else "") + text)
                case Command(line, shown, first):
                    self.here = self.root if first else self.here
                    code, printed = self.run(line)
                    assert guide.matches(shown, printed), f"$ {line}\n{printed}"
                    if "pytest" in line:
                        assert code == 0, printed

    def changed(self):
        """The files that differ from the project's, or that the project does not have."""
        found = set()
        for file in self.root.rglob("*"):
            path = file.relative_to(self.root)
            if file.is_file() and "__pycache__" not in path.parts and file.suffix != ".db":
                mine = ROOT / path
                if not mine.exists() or mine.read_bytes() != file.read_bytes():
                    found.add(str(path))
        return found


#: The examples that run with every `make test`; the others take as long again.
_QUICK = {"a-framework", "a-router", "an-output-format"}
_EXAMPLES = [
    pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in SECTIONS
]


@pytest.mark.parametrize("name", _EXAMPLES)
def test_an_example_runs_as_the_guide_shows_it_and_nothing_else_is_touched(name, tmp_path):
    section, copy = SECTIONS[name], Copy(tmp_path)
    _, printed = copy.run("python -c 'import reconciler; print(reconciler.__file__)'")
    assert Path(printed.strip()) == copy.root / "reconciler/__init__.py"
    copy.build(section)
    named = {step.path for step in _steps(section) if isinstance(step, File)}
    assert {path for path in copy.changed() - named if not path.startswith(_WRITTEN)} == set()


def _steps(section):
    before = _steps(SECTIONS[section.after]) if section.after else ()
    return (*before, *section.steps)


def test_every_folder_of_capabilities_has_a_section_with_a_file_of_it():
    shown = {
        str(Path(step.path).parent).replace("/", ".")
        for section in SECTIONS.values()
        for step in section.steps
        if isinstance(step, File)
    }
    assert set(FOLDERS) <= shown


def test_the_table_names_every_folder_and_its_constant():
    rows = guide.GUIDE.read_text().partition("\n## ")[0]
    for folder, constant in FOLDERS.items():
        place = folder.removeprefix("reconciler.").replace(".", "/")
        assert any(f"`{place}/` | `{constant}`" in row for row in rows.splitlines()), folder


def test_every_block_of_code_says_which_file_it_is():
    for section in SECTIONS.values():
        assert not section.unnamed, section.name


def test_lines_that_are_left_out_match_anything_and_others_do_not():
    assert guide.matches(("a", "…", "d"), "a\nb\nc\nd\n")
    assert guide.matches(("a…c",), "abc\n")
    assert not guide.matches(("a", "d"), "a\nb\nd\n")
    assert not guide.matches(("a", "…"), "b\n")
    assert not guide.matches((), "anything\n")
