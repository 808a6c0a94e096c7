"""What `promote` refuses, and the commit that it makes."""

import subprocess

import pytest

from reconciler.adapters.git import identity
from reconciler.engine.use.edited_tree import EditedTree
from reconciler.errors import ExitCode
from tests.support import small

POINTER = "environments/prod/web.yaml"
STAGING = {
    "environments/prod/environment.yaml": "environment: {rank: 2, cluster: main}\n",
    "environments/staging/environment.yaml": "environment: {rank: 1, cluster: lab}\n",
    "environments/staging/one/group.yaml": "group: {namespace: ml-one}\n",
    "environments/staging/one/web.yaml": "",
    "environments/staging/web.yaml": 'serving:\n  version: "v1"\n',
}


@pytest.fixture
def ladder(repo):
    for path, text in STAGING.items():
        repo.write(path, text)
    repo.commit()
    return repo


def log(repo, form, branch):
    done = subprocess.run(
        ["git", "log", "-1", f"--format={form}", branch],
        cwd=repo.folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def test_a_version_that_the_environment_below_does_not_serve_is_refused(ladder):
    code, out = ladder.run("promote", "web", "--to", "prod", "--version", "v2")
    assert code == ExitCode.REFUSED, out
    assert "staging does not serve web v2, and a version moves up rung by rung" in out
    assert "--skip-rung REASON" in out
    assert "v1" in (ladder.folder / POINTER).read_text()


def test_a_reason_to_skip_an_environment_goes_into_the_commit(ladder):
    args = ("promote", "web", "--to", "prod", "--version", "v2", "--branch", "hotfix")
    code, out = ladder.run(*args, "--skip-rung", "outage 17")
    assert code == 0, out
    assert "staging is skipped: outage 17" in log(ladder, "%B", "hotfix")
    assert "staging is skipped: outage 17" in out


def test_a_blank_reason_is_none(ladder):
    args = ("promote", "web", "--to", "prod", "--version", "v2", "--skip-rung", " ")
    assert "moves up rung by rung" in ladder.run(*args)[1]


def test_a_version_that_the_environment_below_serves_moves_up(ladder):
    ladder.write("environments/staging/web.yaml", 'serving:\n  version: "v2"\n')
    code, out = ladder.run("promote", "web", "--to", "prod")
    assert code == 0, out
    assert "skipped" not in out


def test_a_pointer_under_a_static_split_is_refused_for_a_group_too(repo):
    repo.write(POINTER, "serving: {router: gateway-api, gateway: {name: a}, traffic: {v1: 100}}\n")
    before = (repo.folder / "environments/prod/one/web.yaml").read_bytes()
    for more in ((), ("--group", "one")):
        code, out = repo.run("promote", "web", "--to", "prod", "--version", "v2", *more)
        assert code != 0
        assert "exclude each other" in out
    assert (repo.folder / "environments/prod/one/web.yaml").read_bytes() == before


def test_the_diff_of_an_empty_file_names_the_file(repo):
    args = ("promote", "web", "--to", "prod", "--group", "one", "--version", "v2", "--dry-run")
    code, out = repo.run(*args)
    assert code == 0, out
    assert "--- a/environments/prod/one/web.yaml" in out
    assert "/dev/null" not in out


def test_the_commit_carries_the_user_s_identity(repo, monkeypatch):
    for part in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_AUTHOR_{part}", raising=False)
    repo.git("config", "user.name", "Ada")
    repo.git("config", "user.email", "ada@example.org")
    assert identity.find(repo.folder) == ("Ada", "ada@example.org")
    code, out = repo.run("promote", "web", "--to", "prod", "--version", "v2", "--branch", "b")
    assert code == 0, out
    assert log(repo, "%an <%ae> %cn", "b") == "Ada <ada@example.org> Ada"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace")
    assert identity.find(repo.folder) == ("Grace", "ada@example.org")


def test_an_edited_tree_reads_its_edits_and_the_rest():
    tree = EditedTree(small(), {POINTER: b"x", "models/new.yaml": b"y"})
    assert dict(tree.read([POINTER, "models/new.yaml", "environments/prod/one/web.yaml"])) == {
        POINTER: b"x",
        "models/new.yaml": b"y",
        "environments/prod/one/web.yaml": b"",
    }
    assert tree.blobs()[POINTER].size == 1
