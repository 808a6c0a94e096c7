"""`reconciler init`: what is laid down works at once, and nothing of the user's is touched."""

import os
import subprocess

import pytest
import yaml

from reconciler.cli.program import run_captured
from tests.cli.conftest import ENVIRONMENT

NOW = ("--now", "2026-11-23T10:00:00Z")


def commit(folder):
    for args in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "Start")):
        subprocess.run(["git", *args], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)


@pytest.fixture(params=["github", "gitlab", "none"])
def made(tmp_path, request):
    folder = tmp_path / "mine"
    code, out = run_captured(["init", str(folder), "--ci", request.param])
    assert code == 0, out
    return folder


def test_what_is_laid_down_passes_check_and_strictly_so(made):
    code, out = run_captured(
        ["check", "--repo", str(made), "--fail-on", "warn", "--fail-on", "empty"]
    )
    assert (code, out) == (0, "reading work tree (not in Git)\n\n2 apps fine.\n")


def test_then_it_plans_and_reconciles_and_is_quiet(made, tmp_path):
    commit(made)
    live = ("--repo", str(made), "--embedded", str(tmp_path / "try.db"), *NOW)
    code, out = run_captured(["plan", *live])
    assert code == 0, out
    assert "to create" in out
    code, out = run_captured(["reconcile", "--once", *live])
    assert code == 0, out
    code, out = run_captured(["plan", "--exit-code", *live])
    assert code == 0, out
    assert run_captured(["plan", "--base", "main", "--repo", str(made), "--exit-code"])[0] == 0


def test_the_ci_files_parse(made):
    for path in (".github/workflows/reconciler.yml", ".gitlab-ci.yml"):
        if (made / path).exists():
            assert yaml.safe_load((made / path).read_text())


def test_every_yaml_file_is_no_wider_than_its_comment_says(made):
    for path in made.rglob("*.yaml"):
        list(yaml.compose_all(path.read_text(), Loader=yaml.SafeLoader))


def test_the_ci_file_is_that_of_the_system_asked_for(tmp_path):
    for ci, there in (("github", {".github"}), ("gitlab", {".gitlab-ci.yml"}), ("none", set())):
        run_captured(["init", str(tmp_path / ci), "--ci", ci])
        assert {n for n in os.listdir(tmp_path / ci) if n in (".github", ".gitlab-ci.yml")} == there


def test_it_says_what_to_do_next(tmp_path):
    _, out = run_captured(["init", str(tmp_path / "mine")])
    assert "git init -b main" in out
    assert "reconciler check" in out


def test_nothing_is_overwritten_and_then_nothing_is_written(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    code, out = run_captured(["init", str(tmp_path)])
    assert code == 1
    assert "README.md" in out
    assert "nothing was written" in out
    assert os.listdir(tmp_path) == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_what_else_is_in_the_folder_stays(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    code, _ = run_captured(["init", str(tmp_path)])
    assert code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/README.md").symlink_to(tmp_path / "outside")
    assert run_captured(["init", str(tmp_path / "mine")])[0] == 1
    assert not (tmp_path / "outside").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "mine").write_text("")
    code, out = run_captured(["init", str(tmp_path / "mine")])
    assert code == 1
    assert "is not a folder" in out
