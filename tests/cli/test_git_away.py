"""`reconcile --once` while the remote does not answer: the last commit that was fetched."""

from typing import Any

import pytest

from reconciler.errors import ExitCode, SourceError
from reconciler.wiring import runs, source
from reconciler.wiring.common import CommonOptions


class Output:
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def _fails(*_args, **_options):
    raise SourceError("the remote does not answer")


def test_the_last_commit_seen_stands_in_and_is_named(repo, monkeypatch):
    from reconciler.adapters import git

    tree = git.open_commit(repo.folder)
    monkeypatch.setattr(source, "tree", _fails)
    monkeypatch.setattr(source, "last_seen", lambda _common: tree)
    output: Any = Output()
    assert runs._tree_or_last_seen(CommonOptions(), output) == (tree, True)
    assert "the remote does not answer" in output.notes[0]
    assert f"from {tree.label}, the last commit seen" in output.notes[0]


def test_without_a_commit_seen_the_run_ends_with_the_error(monkeypatch):
    monkeypatch.setattr(source, "tree", _fails)
    output: Any = Output()
    with pytest.raises(SourceError):
        runs._tree_or_last_seen(CommonOptions(), output)


def test_a_run_from_the_last_commit_corrects_drift_and_does_not_end_well(repo, monkeypatch):
    from reconciler.adapters import git

    repo.live("apply")
    tree = git.open_commit(repo.folder)
    monkeypatch.setattr(source, "tree", _fails)
    monkeypatch.setattr(source, "last_seen", lambda _common: tree)
    code, out = repo.live("reconcile", "--once")
    assert code == ExitCode.ERROR
    assert "nothing to do" in out
