"""Where commands read different trees, their first line says which; and a plan of a work tree shows
the refusal that apply would give."""

import shutil

import pytest

from reconciler import kinds
from reconciler.adapters import git
from reconciler.adapters.git.command import Git
from reconciler.objects.key import ObjectKey
from reconciler.simulation.cluster import EmbeddedCluster
from tests.cli.test_commands import OWN

SUB = "config"


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


# -- a comparison with a base, of a part ---------------------------------------------------------------

_PARTS = [
    ["--app", "prod/one/web"],
    ["--model", "web"],
    ["--group", "one"],
    ["--environment", "prod", "--model", "web"],
    [],
]


def _counts(out):
    return out.rstrip().splitlines()[-1]


@pytest.mark.parametrize("part", _PARTS)
def test_a_comparison_of_a_part_does_not_show_the_namespace_as_new(repo, part):
    base = repo.head()
    repo.write(OWN, "serving: {replicas: 3}\n")
    code, out = repo.run("plan", "--base", base, *part)
    assert code == 0, out
    assert "Namespace" not in out
    assert _counts(out).startswith("1 to update."), out


@pytest.mark.parametrize(
    "part", [["--app", "prod/one/site"], ["--model", "site"], ["--group", "one"], []]
)
def test_a_comparison_of_a_renamed_model_shows_its_deletes(repo, part):
    base = repo.head()
    for old in sorted(repo.folder.rglob("*web*")):
        if old.is_dir():
            old.rename(old.with_name("site"))
        elif old.exists():
            old.rename(old.with_name("site.yaml"))
    repo.write("environments/prod/one/site.yaml", "moved: {from: prod/one/web}\n")
    code, out = repo.run("plan", "--base", base, *part)
    assert code == 0, out
    assert "Namespace" not in out
    assert _counts(out).startswith("2 to create, 2 to delete."), out


@pytest.mark.parametrize(
    "part", [["--app", "prod/uno/web"], ["--model", "web"], ["--group", "uno"]]
)
def test_a_comparison_of_a_moved_app_of_a_renamed_group_shows_no_new_object(repo, part):
    base = repo.head()
    (repo.folder / "environments/prod/one").rename(repo.folder / "environments/prod/uno")
    repo.write("environments/prod/uno/web.yaml", "moved: {from: prod/one/web}\n")
    code, out = repo.run("plan", "--base", base, *part)
    assert code == 0, out
    assert "to create" not in _counts(out), out


def test_a_comparison_of_one_app_warns_of_no_group_that_is_emptied(repo):
    repo.write("environments/prod/one/api.yaml", "serving: {version: v1}\n")
    for name in ("model.yaml", "versions/v1.yaml"):
        repo.write(f"models/api/{name}", (repo.folder / f"models/web/{name}").read_bytes())
    repo.commit()
    base = repo.head()
    (repo.folder / OWN).unlink()
    code, out = repo.run("plan", "--base", base, "--app", "prod/one/web")
    assert (code, "W_PRUNE_GUARD" in out) == (0, False), out
    assert _counts(out).startswith("2 to delete."), out


def scale(repo, replicas):
    """Somebody else sets the replicas of the server."""
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())
    cluster.edit(
        ObjectKey("apps", "Deployment", "ml-one", "web-v1"),
        lambda body: body["spec"].update(replicas=replicas),
    )
    cluster.close()


def test_the_plan_of_a_work_tree_shows_the_hold_of_a_fight_as_apply_does(repo):
    for minute in range(4):
        repo.now = f"2026-11-23T10:{10 + minute}:00Z"
        repo.live("reconcile", "--once")
        scale(repo, 7 + minute)
    repo.now = "2026-11-23T10:20:00Z"
    said = "kubectl-edit and this program set spec.replicas in turn, 3 times: held"
    results = [repo.live(*args) for args in (["plan"], ["plan", "--revision", "HEAD"], ["apply"])]
    assert [code for code, _ in results] == [4, 4, 4]
    assert all(said in " ".join(out.split()) for _, out in results)
    repo.write(OWN, "serving: {replicas: 2}\n")
    code, out = repo.live("plan")  # the edit may be the answer: a new commit goes on
    assert (code, "in turn" in out) == (0, False), out


def test_the_count_of_uncommitted_files_costs_one_process(repo, monkeypatch):
    tree = git.open_worktree(repo.folder)
    asked = []
    ask = Git.ask

    def count(self, *args, **options):
        asked.append(args)
        return ask(self, *args, **options)

    monkeypatch.setattr(Git, "ask", count)
    assert tree.uncommitted() == ()
    repo.write(OWN, "serving: {replicas: 2}\n")
    assert git.open_worktree(repo.folder).uncommitted() == (OWN,)
    assert sum(command[0] == "ls-tree" for command in asked) == 2
    assert not any(command[0] == "cat-file" for command in asked)


def test_the_files_of_a_config_in_a_subfolder_are_compared_with_its_own(repo):
    (repo.folder / SUB).mkdir()
    for folder in ("environments", "models"):
        repo.git("mv", folder, f"{SUB}/{folder}")
    repo.commit()
    tree = git.open_worktree(repo.folder / SUB)
    assert tree.uncommitted() == ()
    (repo.folder / SUB / OWN).unlink()
    assert git.open_worktree(repo.folder / SUB).uncommitted() == (OWN,)


def test_a_folder_that_no_commit_has_is_uncommitted_as_a_whole(repo):
    shutil.copytree(repo.folder / "models", repo.folder / SUB / "models")
    found = git.open_worktree(repo.folder / SUB).uncommitted()
    assert found
    assert set(found) == set(git.open_worktree(repo.folder / SUB).blobs())
