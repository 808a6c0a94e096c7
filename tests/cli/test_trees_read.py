"""Where commands read different trees, their first line says which; and a plan of a work tree shows
the refusal that apply would give."""

import pytest

from tests.cli.test_commands import OWN


def first(out):
    return out.splitlines()[0]


@pytest.mark.parametrize("command", [["check"], ["plan"]])
def test_a_command_on_the_work_tree_counts_its_uncommitted_files(repo, command):
    assert first(repo.run(*command)[1]) == f"reading work tree (as HEAD {repo.head()[:7]})"
    repo.write(OWN, "serving: {replicas: 2}\n")
    assert first(repo.run(*command)[1]) == "reading work tree (1 uncommitted file)"
    repo.write("environments/prod/two/group.yaml", "group: {namespace: two}\n")
    (repo.folder / "models/web/versions/v2.yaml").unlink()
    assert first(repo.run(*command)[1]) == "reading work tree (3 uncommitted files)"


@pytest.mark.parametrize("command", [["apply"], ["reconcile", "--once"]])
def test_a_command_that_writes_reads_head_and_says_what_it_does_not_read(repo, command):
    code, out = repo.live(*command)
    assert code == 0, out
    assert first(out) == f"reading HEAD {repo.head()[:7]}"
    repo.write(OWN, "serving: {replicas: 2}\n")
    code, out = repo.live(*command)
    assert (code, "nothing to do" in out) == (0, True)
    assert first(out) == (
        f"reading HEAD {repo.head()[:7]}; 1 uncommitted file of the work tree not read "
        "(commit, or pass --worktree)"
    )


def test_apply_of_the_work_tree_says_so(repo):
    repo.write(OWN, "serving: {replicas: 2}\n")
    code, out = repo.live("apply", "--worktree")
    assert (code, first(out)) == (0, "reading work tree (1 uncommitted file)"), out


def test_a_revision_is_named_with_its_commit(repo):
    _, out = repo.run("plan", "--revision", "main")
    assert first(out) == f"reading main {repo.head()[:7]}"


def test_a_folder_outside_of_git_is_called_that(repo, tmp_path):
    (repo.folder / ".git").rename(tmp_path / "away")
    _, out = repo.run("check")
    assert first(out) == "reading work tree (not in Git)"


def test_the_json_document_is_the_same_with_or_without_changed_files(repo):
    code, out = repo.run("plan", "--output", "json")
    assert (code, out.lstrip()[0]) == (0, "{")


def test_after_a_step_back_the_plan_shows_the_refusal_that_apply_gives(repo):
    older = repo.head()
    repo.write(OWN, "serving: {replicas: 3}\n")
    repo.commit()
    repo.live("apply")
    applied = repo.head()
    repo.git("reset", "-q", "--hard", older)
    for command in (["plan"], ["apply"], ["reconcile", "--once"]):
        code, out = repo.live(*command)
        assert code == 4, (command, out)
        assert f"{applied[:12]} is applied" in out, command
        assert f"--allow-rewind {applied}" in out, command
    code, out = repo.live("plan", "--allow-rewind", applied)
    assert code == 0, out
    code, out = repo.live("apply", "--allow-rewind", applied)
    assert (code, "1 updated" in out) == (0, True), out


def test_files_that_are_not_committed_stand_on_the_history_of_head(repo):
    repo.live("apply")
    repo.write(OWN, "serving: {replicas: 3}\n")
    code, out = repo.live("plan")
    assert (code, "1 to update" in out) == (0, True), out
