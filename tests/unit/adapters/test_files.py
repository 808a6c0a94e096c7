"""A file is written whole or not at all."""

import errno
import os
import stat

import pytest

from reconciler.adapters import files


def test_the_new_content_stands_in_place_of_the_old_with_the_mode_asked_for(tmp_path):
    target = tmp_path / "plan"
    target.write_text("old")
    files.replace(target, b"new", mode=0o600)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["plan"]


def test_the_umask_does_not_change_the_mode(tmp_path):
    before = os.umask(0o077)
    try:
        files.replace(tmp_path / "report", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o644


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    target = tmp_path / "plan"
    target.write_text("old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.replace(target, b"new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["plan"]


def test_two_writers_with_one_name_beside_are_told_apart(tmp_path):
    (tmp_path / ".model.new").write_text("of another run")
    with pytest.raises(FileExistsError):
        files.replace(tmp_path / "model.yaml", b"x", beside=".model.new")
    assert (tmp_path / ".model.new").read_text() == "of another run"
    assert not (tmp_path / "model.yaml").exists()


def test_a_descriptor_is_the_folder_of_a_relative_path(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        files.replace("model.yaml", b"x", folder=folder)
    finally:
        os.close(folder)
    assert (tmp_path / "model.yaml").read_bytes() == b"x"
