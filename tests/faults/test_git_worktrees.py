"""A work tree: what counts, what is refused, and that edits stay below their folder."""

import os
import stat
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reconciler.adapters import git
from reconciler.adapters.git import proposals, rules
from reconciler.errors import SourceError
from tests.faults.git_repos import CONFIG, Repo, lay, left_out

CONFIG_PATHS = sorted(path for path in CONFIG if not path.startswith("docs/"))


@pytest.fixture
def work(tmp_path):
    """A repository with a commit of the config, and the same files in its work tree."""
    repo = Repo(tmp_path / "work", bare=False)
    repo.head = repo.push()
    repo.git("read-tree", "main")
    lay(repo.path)
    return repo


def refused(call, *args, **options):
    with pytest.raises(SourceError) as caught:
        call(*args, **options)
    assert caught.value.message
    return caught.value


def test_a_clean_work_tree_is_its_commit_but_has_no_commit_id(work):
    tree = git.open_worktree(work.path)
    commit = git.open_commit(work.path)
    assert tree.commit == ""
    assert tree.label == f"worktree@{work.head[:7]}"
    assert dict(tree.blobs()) == dict(commit.blobs())
    assert list(tree.blobs()) == CONFIG_PATHS
    assert list(tree.read(CONFIG_PATHS)) == list(commit.read(CONFIG_PATHS))


def test_changed_new_and_deleted_files_show_as_they_lie_there(work):
    lay(work.path, {"models/mnist/model.yaml": b"changed: 1\n", "models/new/model.yaml": b"n: 1\n"})
    (work.path / "environments/layers.yaml").unlink()
    tree = git.open_worktree(work.path)
    assert "environments/layers.yaml" not in tree.blobs()
    assert dict(tree.read(["models/mnist/model.yaml", "models/new/model.yaml"])) == {
        "models/mnist/model.yaml": b"changed: 1\n",
        "models/new/model.yaml": b"n: 1\n",
    }


def test_ignored_files_do_not_count_unless_they_are_tracked(work):
    lay(
        work.path,
        {
            ".gitignore": b"*.tmp.yaml\n/models/scratch/\n",
            "models/.gitignore": b"private.yaml\n",
            "models/a.tmp.yaml": b"{}\n",
            "models/private.yaml": b"{}\n",
            "models/scratch/deep/x.yaml": b"{}\n",
            "models/tracked.tmp.yaml": b"{}\n",
            "environments/private.yaml": b"{}\n",
        },
    )
    (work.path / ".git/info").mkdir(exist_ok=True)
    (work.path / ".git/info/exclude").write_text("models/mine.yaml\n")
    lay(work.path, {"models/mine.yaml": b"{}\n"})
    entry = f"100644 {work.blob(b'{}' + chr(10).encode())}\tmodels/tracked.tmp.yaml\n"
    work.git("update-index", "--index-info", given=entry.encode())
    found = git.open_worktree(work.path).blobs()
    new = {"environments/private.yaml", "models/tracked.tmp.yaml", "models/.gitignore"}
    assert set(found) - set(CONFIG_PATHS) == new


def test_a_sub_folder_of_a_repository_is_a_root_of_its_own(tmp_path):
    repo = Repo(tmp_path / "work", bare=False)
    repo.push({f"ops/{path}": content for path, content in CONFIG.items()})
    lay(repo.path / "ops")
    lay(repo.path, {".gitignore": b"secret.yaml\n", "ops/models/secret.yaml": b"{}\n"})
    tree = git.open_worktree(repo.path / "ops")
    assert list(tree.blobs()) == CONFIG_PATHS
    assert tree.label.startswith("worktree@")


def test_a_folder_that_is_no_repository_is_read_as_a_whole(tmp_path):
    tree = git.open_worktree(lay(tmp_path / "plain"))
    assert tree.label == "worktree"
    assert tree.commit == ""
    assert list(tree.blobs()) == CONFIG_PATHS
    assert dict(tree.read(CONFIG_PATHS)) == {path: CONFIG[path] for path in CONFIG_PATHS}


def test_a_repository_without_a_commit_has_a_work_tree(tmp_path):
    repo = Repo(tmp_path / "work", bare=False)
    lay(repo.path)
    tree = git.open_worktree(repo.path)
    assert tree.label == "worktree"
    assert list(tree.blobs()) == CONFIG_PATHS


def test_a_bare_repository_has_none(tmp_path):
    repo = Repo(tmp_path / "bare.git")
    repo.push()
    assert "bare" in refused(git.open_worktree, repo.path).message


def test_a_linked_work_tree_is_one_too(work, tmp_path):
    work.git("worktree", "add", "-q", "--no-checkout", str(tmp_path / "linked"), "HEAD")
    lay(tmp_path / "linked")
    assert git.open_worktree(tmp_path / "linked").label == f"worktree@{work.head[:7]}"
    assert git.open_commit(tmp_path / "linked").commit == work.head


def test_a_repository_of_another_owner_is_read(work):
    if os.geteuid() == 0:  # only root can give a folder away; for others the owner is right anyway
        for path in (work.path, work.path / ".git"):
            os.chown(path, 12345, 12345)
    assert git.open_worktree(work.path).blobs()
    assert git.open_commit(work.path).blobs()


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../../etc/hostname", "layers.yaml"])
@pytest.mark.parametrize("where", ["environments/link.yaml", "models/deep/link", "policies"])
def test_a_symbolic_link_is_refused_and_not_followed(work, target, where):
    place = work.path / where
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(target)
    error = left_out(git.open_worktree(work.path))
    assert error.code == "E_SYMLINK"
    assert where in error.message
    assert "hostname" not in error.message


def test_links_and_odd_files_outside_the_config_folders_are_left_alone(work):
    (work.path / "docs/link").symlink_to("/etc")
    os.mkfifo(work.path / "pipe.yaml")
    assert list(git.open_worktree(work.path).blobs()) == CONFIG_PATHS


def test_a_pipe_is_refused_without_waiting_for_it(work):
    os.mkfifo(work.path / "models/pipe.yaml")
    assert left_out(git.open_worktree(work.path)).code == "E_PATH"


def test_a_repository_inside_is_a_submodule(work):
    Repo(work.path / "models/vendor", bare=False)
    error = left_out(git.open_worktree(work.path))
    assert error.code == "E_SUBMODULE"
    assert "models/vendor" in error.message


def test_a_submodule_that_is_not_checked_out_is_one_too(work):
    entry = f"160000 {'1' * 40}\tmodels/vendor\n"
    work.git("update-index", "--index-info", given=entry.encode())
    (work.path / "models/vendor").mkdir()
    error = left_out(git.open_worktree(work.path))
    assert error.code == "E_SUBMODULE"
    assert "models/vendor" in error.message


def test_a_huge_file_is_refused_and_a_large_other_one_only_listed(work):
    with (work.path / "models/weights.bin").open("wb") as file:
        file.truncate(300 << 20)
    tree = git.open_worktree(work.path)
    assert tree.blobs()["models/weights.bin"].size == 300 << 20
    assert refused(lambda: list(tree.read(["models/weights.bin"]))).code == "E_SIZE"
    (work.path / "models/weights.bin").rename(work.path / "models/weights.yaml")
    assert left_out(git.open_worktree(work.path)).code == "E_SIZE"


def test_names_that_differ_by_case_and_hostile_names_are_refused(work):
    lay(work.path, {"models/MNIST/model.yaml": b"{}\n"})
    assert left_out(git.open_worktree(work.path)).code == "E_CASE"
    (work.path / "models/MNIST/model.yaml").unlink()
    (work.path / "models/MNIST").rename(work.path / "models/a\nb")
    error = left_out(git.open_worktree(work.path))
    assert error.code == "E_PATH"
    assert "\n" not in error.message
    os.rename(work.path / "models/a\nb", os.fsencode(work.path) + b"/models/\xff")
    assert "UTF-8" in left_out(git.open_worktree(work.path)).message


def test_a_deep_folder_is_refused_before_the_stack_ends(work):
    (work.path / "models" / "/".join(["d"] * 60)).mkdir(parents=True)
    assert left_out(git.open_worktree(work.path)).code == "E_PATH"


def test_a_tree_is_a_snapshot_of_the_moment_it_was_opened(work):
    lay(work.path, {"models/mnist/notes.txt": b"before"})
    tree = git.open_worktree(work.path)
    before = dict(tree.read(["models/mnist/model.yaml"]))
    lay(work.path, {"models/mnist/model.yaml": b"after\n", "models/mnist/notes.txt": b"after"})
    assert dict(tree.read(["models/mnist/model.yaml"])) == before
    error = refused(lambda: list(tree.read(["models/mnist/notes.txt"])))
    assert "changed" in error.message


def test_a_file_that_is_no_config_is_read_when_asked_for(work):
    lay(work.path, {"models/mnist/notes.txt": b"hello"})
    tree = git.open_worktree(work.path)
    assert dict(tree.read(["models/mnist/notes.txt"])) == {"models/mnist/notes.txt": b"hello"}
    assert tree.blobs()["models/mnist/notes.txt"].blob_id == work.blob(b"hello")
    (work.path / "models/mnist/notes.txt").unlink()
    (work.path / "models/mnist/notes.txt").symlink_to("/etc/hostname")
    assert refused(lambda: list(tree.read(["models/mnist/notes.txt"]))).code == "E_SOURCE"


# -- edits -------------------------------------------------------------------------------------


def test_edits_are_written_and_keep_the_file_s_permissions(work):
    path = work.path / "models/mnist/model.yaml"
    path.chmod(0o640)
    edits = {"models/mnist/model.yaml": b"new: 1\n", "models/mnist/versions/v2.yaml": b"v: 2\n"}
    said = proposals.WorktreeProposals(work.path).write(edits, "Promote")
    assert said == "2 files in the working tree"
    assert {name: (work.path / name).read_bytes() for name in edits} == edits
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir() if "reconciler" in p.name] == []
    assert work.git("rev-parse", "main") == work.head


@pytest.mark.parametrize(
    "path",
    [
        "../outside.yaml",
        "/etc/x.yaml",
        "models/../../x.yaml",
        "models//x.yaml",
        "models/.git/config",
        ".git/hooks/pre-commit",
        "README.md",
        "models",
        "docs/x.yaml",
        "models/a\nb.yaml",
        "models/a\\b.yaml",
        "models/\udcff.yaml",
        "",
    ],
)
def test_an_edit_outside_the_config_folders_is_refused_and_nothing_is_written(work, path):
    edits = {"environments/ok.yaml": b"{}\n", path: b"evil\n"}
    for place in (
        proposals.WorktreeProposals(work.path),
        proposals.BranchProposals(work.path, "b"),
    ):
        assert refused(place.write, edits, "m").code == "E_PATH"
    assert not (work.path / "environments/ok.yaml").exists()
    assert (work.path / ".git/HEAD").read_text() == "ref: refs/heads/main\n"


def test_an_edit_follows_no_link(work, tmp_path):
    outside = lay(tmp_path / "outside", {"x.yaml": b"untouched\n"})
    (work.path / "models/folder").symlink_to(outside)
    (work.path / "models/file.yaml").symlink_to(outside / "x.yaml")
    place = proposals.WorktreeProposals(work.path)
    for path in ("models/folder/x.yaml", "models/file.yaml", "models/folder/deep/new.yaml"):
        error = refused(place.write, {"environments/ok.yaml": b"{}\n", path: b"evil\n"}, "m")
        assert error.code == "E_SYMLINK"
    assert (outside / "x.yaml").read_bytes() == b"untouched\n"
    assert sorted(p.name for p in outside.iterdir()) == ["x.yaml"]
    assert not (work.path / "environments/ok.yaml").exists()


def test_a_folder_where_a_file_goes_is_an_error(work):
    place = proposals.WorktreeProposals(work.path)
    assert refused(place.write, {"models/mnist": b"x"}, "m").code == "E_PATH"
    assert refused(place.write, {"models/mnist/model.yaml/x": b"x"}, "m").code == "E_SOURCE"


def test_an_edit_that_cannot_be_written_leaves_no_half_file(work):
    target = work.path / "models/mnist/model.yaml"
    (target.parent / ".model.yaml.reconciler-new").write_bytes(b"half")
    error = refused(
        proposals.WorktreeProposals(work.path).write, {"models/mnist/model.yaml": b"x"}, "m"
    )
    assert "another run" in error.message
    assert target.read_bytes() == CONFIG["models/mnist/model.yaml"]


def test_an_edit_over_the_budget_is_refused(work):
    big = b"#" * (rules.MOST_BYTES + 1)
    assert refused(
        proposals.WorktreeProposals(work.path).write, {"models/x.yaml": big}, "m"
    ).code == ("E_SIZE")
