"""Proposals as a commit on a branch: exactly the edit, on the base, and nothing else moves."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reconciler.adapters.git.proposals import BranchProposals
from reconciler.errors import SourceError
from tests.faults.git_repos import CONFIG, Repo, lay

EDIT = {"environments/prod/mnist.yaml": b"serving: {version: v2}\n"}


class FixedClock:
    def now(self):
        return datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

    def monotonic(self):
        raise AssertionError

    def sleep(self, seconds):
        raise AssertionError


@pytest.fixture(params=[True, False], ids=["bare", "with a work tree"])
def repo(tmp_path, request):
    made = Repo(tmp_path / "config", bare=request.param)
    made.head = made.push()
    return made


def proposals(repo, branch="promote/mnist-v2", **options):
    return BranchProposals(repo.path, branch, clock=FixedClock(), **options)


def refused(call, *args):
    with pytest.raises(SourceError) as caught:
        call(*args)
    assert caught.value.message
    return caught.value


def test_the_commit_holds_exactly_the_edit_and_stands_on_head(repo):
    said = proposals(repo).write(EDIT, "Promote mnist to v2")
    commit = repo.git("rev-parse", "promote/mnist-v2")
    assert said == f"promote/mnist-v2 ({commit[:7]})"
    assert repo.git("rev-parse", f"{commit}^") == repo.head
    assert repo.git("diff-tree", "-r", "--name-status", repo.head, commit) == (
        "A\tenvironments/prod/mnist.yaml"
    )
    assert repo.git("cat-file", "blob", f"{commit}:environments/prod/mnist.yaml") == (
        EDIT["environments/prod/mnist.yaml"].decode().strip()
    )
    assert repo.git("cat-file", "blob", f"{commit}:docs/readme.md") == "# docs"
    repo.git("fsck", "--strict", "--no-dangling")


def test_author_time_and_message_are_those_given(repo):
    proposals(repo, author="Añn", email="ann@example.org").write(EDIT, "Promote ünïcode\n\nWhy.\n")
    content = repo.git("cat-file", "commit", "promote/mnist-v2")
    when = int(FixedClock().now().timestamp())
    assert f"author Añn <ann@example.org> {when} +0000" in content
    assert f"committer Añn <ann@example.org> {when} +0000" in content
    assert content.endswith("\n\nPromote ünïcode\n\nWhy.")
    assert "encoding" not in content


def test_head_index_and_work_tree_stay_where_they_are(tmp_path):
    repo = Repo(tmp_path / "work", bare=False)
    repo.push()
    repo.git("read-tree", "main")
    lay(repo.path, {**CONFIG, "models/mnist/model.yaml": b"uncommitted\n"})
    index = (repo.dir / "index").read_bytes()
    proposals(repo).write({"models/mnist/model.yaml": b"proposed\n"}, "m")
    assert (repo.dir / "index").read_bytes() == index
    assert (repo.dir / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert (repo.path / "models/mnist/model.yaml").read_bytes() == b"uncommitted\n"


def test_the_same_edit_again_is_the_commit_that_is_there(repo):
    proposals(repo).write(EDIT, "Promote")
    first = repo.git("rev-parse", "promote/mnist-v2")
    assert proposals(repo).write(EDIT, "Promote") == f"promote/mnist-v2 ({first[:7]}, as before)"
    assert repo.git("rev-parse", "promote/mnist-v2") == first


def test_a_branch_that_holds_something_else_is_never_moved(repo):
    proposals(repo).write(EDIT, "Promote")
    first = repo.git("rev-parse", "promote/mnist-v2")
    error = refused(proposals(repo).write, {"models/x.yaml": b"{}\n"}, "Other")
    assert error.code == "E_BRANCH"
    assert repo.git("rev-parse", "promote/mnist-v2") == first


def test_a_branch_below_another_branch_is_refused_by_git_and_told(repo):
    error = refused(proposals(repo, "main/x").write, EDIT, "m")
    assert error.code == "E_BRANCH"


@pytest.mark.parametrize(
    "branch", ["", "-x", "--force", "a..b", "a b", "a\nb", "x.lock", "HEAD", "refs/heads/x", "a~1"]
)
def test_a_branch_name_that_git_would_misread_is_refused(repo, branch):
    assert refused(proposals(repo, branch).write, EDIT, "m").code == "E_BRANCH"


def test_an_executable_file_stays_one(repo):
    repo.push({**CONFIG, "models/run.yaml": ("100755", repo.blob(b"a: 1\n"))}, repo.head)
    proposals(repo).write({"models/run.yaml": b"a: 2\n"}, "m")
    assert repo.git("ls-tree", "promote/mnist-v2", "models/run.yaml").startswith("100755")


def test_a_file_never_becomes_a_folder_nor_another_spelling(repo):
    write = proposals(repo).write
    assert refused(write, {"models/mnist": b"x"}, "m").code == "E_PATH"
    assert refused(write, {"models/mnist/model.yaml/x.yaml": b"x"}, "m").code == "E_PATH"
    assert refused(write, {"models/MNIST/x.yaml": b"x"}, "m").code == "E_CASE"


def test_a_config_root_in_a_sub_folder_gets_the_edit_there(tmp_path):
    repo = Repo(tmp_path / "mono.git")
    repo.push({f"ops/{path}": content for path, content in CONFIG.items()})
    proposals(repo, root="ops").write(EDIT, "m")
    assert repo.git("diff-tree", "-r", "--name-only", "main", "promote/mnist-v2") == (
        "ops/environments/prod/mnist.yaml"
    )


def test_an_author_that_would_break_the_commit_is_refused(repo):
    assert refused(proposals(repo, author="a\nparent x").write, EDIT, "m").code == "E_SOURCE"
    assert refused(proposals(repo, email="a> 1 +0000").write, EDIT, "m").code == "E_SOURCE"


def test_a_repository_without_a_commit_has_no_base(tmp_path):
    repo = Repo(tmp_path / "empty.git")
    assert "no commit yet" in refused(proposals(repo).write, EDIT, "m").message


def test_objects_of_sha256_are_told_to_be_out_of_reach(tmp_path):
    repo = Repo(tmp_path / "new.git", form="sha256")
    repo.push()
    assert "SHA-256" in refused(proposals(repo).write, EDIT, "m").message
