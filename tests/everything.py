"""The config that sets every option of every field: tests/cases/everything."""

from pathlib import Path

from tests.support import MemoryTree

FOLDER = Path(__file__).parent / "cases" / "everything"


def everything_files():
    return {
        str(path.relative_to(FOLDER)): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.is_file()
    }


def everything():
    return MemoryTree(everything_files())
