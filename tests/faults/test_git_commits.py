"""What a commit may hold, and what a damaged or hostile repository does to a reader: an error."""

import os
import subprocess
import sys
import unicodedata
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reconciler.adapters import git
from reconciler.adapters.git import proposals, rules
from reconciler.errors import SourceError
from tests.faults.git_repos import CONFIG, Repo, environment, lay, left_out

SECRET = b"/etc/a-target-that-must-not-show"


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "config.git")


def refused(call, *args, **options):
    with pytest.raises(SourceError) as caught:
        call(*args, **options)
    assert caught.value.message
    return caught.value


def test_a_commit_is_read_without_a_check_out(repo):
    commit = repo.push()
    tree = git.open_commit(repo.path)
    assert tree.commit == commit
    assert tree.label == commit[:7]
    assert list(tree.blobs()) == sorted(path for path in CONFIG if not path.startswith("docs/"))
    blob = tree.blobs()["models/mnist/model.yaml"]
    assert blob.blob_id == repo.blob(CONFIG["models/mnist/model.yaml"])
    assert blob.size == len(CONFIG["models/mnist/model.yaml"])


def test_contents_come_in_the_order_asked_for(repo):
    repo.push()
    tree = git.open_commit(repo.path, "main")
    wanted = ["models/mnist/model.yaml", "environments/layers.yaml", "models/mnist/model.yaml"]
    assert list(tree.read(wanted)) == [(path, CONFIG[path]) for path in wanted]
    assert list(tree.read([])) == []


def test_many_files_are_read_in_several_turns(repo):
    files = {f"models/m{n}/model.yaml": bytes([65 + n]) * 1_000_000 for n in range(20)}
    repo.push(files)
    tree = git.open_commit(repo.path)
    assert dict(tree.read(files)) == files


def test_a_file_that_is_not_there_is_an_error(repo):
    repo.push()
    tree = git.open_commit(repo.path)
    assert "models/none.yaml" in refused(lambda: list(tree.read(["models/none.yaml"]))).message


def test_a_sub_folder_can_be_the_config_root(repo):
    repo.push({f"ops/config/{path}": content for path, content in CONFIG.items()})
    tree = git.open_commit(repo.path, root="ops/config")
    assert "environments/layers.yaml" in tree.blobs()
    assert dict(tree.read(["environments/layers.yaml"])) == {
        "environments/layers.yaml": CONFIG["environments/layers.yaml"]
    }
    assert refused(git.open_commit, repo.path, root="ops/none").code == "E_SOURCE"
    assert (
        "is not a folder"
        in refused(git.open_commit, repo.path, root="ops/config/environments/layers.yaml").message
    )
    assert refused(git.open_commit, repo.path, root="../..").code == "E_PATH"


def test_a_folder_in_a_work_tree_is_found_from_below(tmp_path):
    repo = Repo(tmp_path / "work", bare=False)
    repo.push({f"ops/{path}": content for path, content in CONFIG.items()})
    below = repo.path / "ops"
    below.mkdir()
    assert "environments/layers.yaml" in git.open_commit(below).blobs()


def test_objects_of_sha256_are_read(tmp_path):
    repo = Repo(tmp_path / "new.git", form="sha256")
    commit = repo.push()
    tree = git.open_commit(repo.path)
    assert tree.commit == commit
    assert len(commit) == 64
    assert dict(tree.read(["models/mnist/model.yaml"]))


@pytest.mark.parametrize("target", [SECRET, b"../../../" + SECRET, b"layers.yaml"])
@pytest.mark.parametrize("where", ["environments/link.yaml", "models/mnist/x", "policies"])
def test_a_symbolic_link_is_refused_wherever_it_points(repo, target, where):
    repo.push({**CONFIG, where: ("120000", repo.blob(target))})
    error = left_out(git.open_commit(repo.path))
    assert error.code == "E_SYMLINK"
    assert where in error.message
    assert SECRET.decode() not in error.message + error.help


def test_a_link_outside_the_config_folders_is_not_our_business(repo):
    repo.push({**CONFIG, "docs/link": ("120000", repo.blob(SECRET))})
    assert "docs/link" not in git.open_commit(repo.path).blobs()


@pytest.mark.parametrize("where", ["models/vendor", "environments"])
def test_a_submodule_is_refused_and_gitmodules_is_not_read(repo, tmp_path, where):
    evil = f"[submodule x]\n path=x\n url=ext::sh -c 'touch {tmp_path}/X'\n[include]\n path=/etc\n"
    files = {p: c for p, c in CONFIG.items() if not p.startswith(where)}
    repo.push({**files, where: ("160000", "1" * 40), ".gitmodules": evil.encode()})
    error = left_out(git.open_commit(repo.path))
    assert error.code == "E_SUBMODULE"
    assert where in error.message
    assert not (tmp_path / "X").exists()


def test_a_huge_file_is_refused_by_its_size_before_it_is_read(repo):
    repo.push({**CONFIG, "models/mnist/model.yaml": ("100644", repo.promise(300 << 20))})
    error = left_out(git.open_commit(repo.path))
    assert error.code == "E_SIZE"
    assert "models/mnist/model.yaml has 314,572,800 bytes" in error.message


def test_a_large_file_that_is_no_config_is_listed_and_never_read(repo):
    weights = b"w" * (rules.MOST_BYTES + 1)
    repo.push({**CONFIG, "models/mnist/weights.bin": weights, "docs/big.yaml": weights})
    tree = git.open_commit(repo.path)
    assert tree.blobs()["models/mnist/weights.bin"].size == len(weights)
    error = refused(lambda: list(tree.read(["models/mnist/weights.bin"])))
    assert error.code == "E_SIZE"


def test_a_file_of_exactly_the_budget_is_read(repo):
    content = b"#" * rules.MOST_BYTES
    repo.push({**CONFIG, "models/mnist/model.yaml": content})
    tree = git.open_commit(repo.path)
    assert dict(tree.read(["models/mnist/model.yaml"])) == {"models/mnist/model.yaml": content}


def test_too_many_files_are_refused(repo):
    blob = repo.blob(b"{}\n")
    inner = repo.tree(*(("100644", f"{n:05}.yaml", blob) for n in range(rules.MOST_FILES)))
    repo.ref("refs/heads/main", repo.commit(repo.tree(("40000", "models", inner))))
    assert len(git.open_commit(repo.path).blobs()) == rules.MOST_FILES
    other = repo.tree(("100644", "one.yaml", blob))
    top = repo.tree(("40000", "environments", other), ("40000", "models", inner))
    repo.ref("refs/heads/main", repo.commit(top))
    error = left_out(git.open_commit(repo.path))
    assert error.code == "E_SIZE"
    assert "20,000" in error.message


def test_a_tree_that_repeats_itself_without_end_is_stopped(repo):
    tree = repo.tree(*(("100644", f"{n}.yaml", repo.blob(b"{}")) for n in range(10)))
    for _ in range(12):
        tree = repo.tree(*(("40000", f"d{n}", tree) for n in range(10)))
    repo.ref("refs/heads/main", repo.commit(repo.tree(("40000", "models", tree))))
    assert refused(git.open_commit, repo.path).code == "E_SIZE"


def test_too_many_bytes_together_are_refused(repo):
    blob = repo.blob(b"#" * rules.MOST_BYTES)
    inner = repo.tree(*(("100644", f"{n:02}.yaml", blob) for n in range(65)))
    repo.ref("refs/heads/main", repo.commit(repo.tree(("40000", "models", inner))))
    error = left_out(git.open_commit(repo.path))
    assert error.code == "E_SIZE"
    assert "together" in error.message


@pytest.mark.parametrize(
    "name",
    [
        b"a\nb.yaml",
        b"a\x1b[31m.yaml",
        b"a\x7f.yaml",
        b"..",
        b".",
        b".git",
        b".GIT",
        b"a\\b.yaml",
        b"\xff\xfe.yaml",
        b"x" * 256,
        "a\u202eb.yaml".encode(),
        "a\u200bb.yaml".encode(),
        "a\u2028b.yaml".encode(),
        b"a/b.yaml/",
        b"/x.yaml",
    ],
)
def test_a_hostile_name_is_refused_and_shown_harmless(repo, name):
    inner = repo.tree(("100644", name, repo.blob(b"{}\n")))
    repo.ref("refs/heads/main", repo.commit(repo.tree(("40000", "models", inner))))
    error = left_out(git.open_commit(repo.path))
    assert error.code == "E_PATH"
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("models/a/model.yaml", "models/A/model.yaml"),
        ("models/a/x.yaml", "models/A/y.yaml"),
        ("models/a/x.yaml", "models/a/X.yaml"),
        ("models/caf\u00e9.yaml", unicodedata.normalize("NFD", "models/caf\u00e9.yaml")),
        ("models/stra\u00dfe.yaml", "models/strasse.yaml"),
        ("environments/layers.yaml", "Environments/layers.yaml"),
    ],
)
def test_names_that_a_file_system_would_mix_up_are_refused(repo, one, other):
    repo.push({one: b"{}\n", other: b"{}\n"})
    error = left_out(git.open_commit(repo.path))
    assert error.code == "E_CASE"
    assert "case" in error.message


def test_two_entries_of_one_name_are_refused(repo):
    first, second = repo.blob(b"a: 1\n"), repo.blob(b"a: 2\n")
    inner = repo.tree(("100644", "x.yaml", first), ("100644", "x.yaml", second))
    repo.ref("refs/heads/main", repo.commit(repo.tree(("40000", "models", inner))))
    assert left_out(git.open_commit(repo.path)).code == "E_PATH"


def test_a_malformed_tree_is_an_error(repo):
    inner = repo.object("tree", b"100644 x.yaml\0too short")
    repo.ref("refs/heads/main", repo.commit(repo.tree(("40000", "models", inner))))
    error = refused(git.open_commit, repo.path)
    assert error.code == "E_SOURCE"
    assert "fsck" in error.hint


def replace(repo, id, kind, content):
    """Another object under this name, as a broken disk or a bad friend would put it there."""
    path = repo.loose(id)
    path.unlink()
    path.write_bytes(zlib.compress(b"%s %d\0" % (kind.encode(), len(content)) + content))


def test_content_that_does_not_match_its_name_is_an_error(repo):
    repo.push()
    blob = git.open_commit(repo.path).blobs()["models/mnist/model.yaml"].blob_id
    replace(repo, blob, "blob", b"model: {owner: mallory}")
    tree = git.open_commit(repo.path)
    error = refused(lambda: list(tree.read(["models/mnist/model.yaml"])))
    assert "does not match" in error.message or "missing or damaged" in error.message


def test_a_tree_that_does_not_match_its_name_is_an_error(repo):
    repo.push()
    inner = repo.git("rev-parse", "main:models/mnist")
    other = b"100644 other.yaml\0" + bytes.fromhex(repo.blob(b"{}\n"))
    replace(repo, inner, "tree", other)
    assert refused(git.open_commit, repo.path).code == "E_SOURCE"


def test_a_commit_that_does_not_match_its_name_is_an_error(repo):
    commit = repo.push()
    other = repo.commit(repo.nested({"models/x.yaml": b"{}\n"}))
    content = zlib.decompress(repo.loose(other).read_bytes()).partition(b"\0")[2]
    replace(repo, commit, "commit", content)
    assert refused(git.open_commit, repo.path, commit).code == "E_SOURCE"


@pytest.mark.parametrize("what", ["main:models/mnist/model.yaml", "main:models", "main^{tree}"])
def test_a_missing_object_is_an_error(repo, what):
    repo.push()
    repo.loose(repo.git("rev-parse", what)).unlink()
    assert refused(git.open_commit, repo.path).code == "E_SOURCE"


def test_a_truncated_pack_is_an_error(repo):
    repo.push()
    repo.git("repack", "-a", "-d", "-q")
    (pack,) = (repo.dir / "objects" / "pack").glob("*.pack")
    content = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(content[: len(content) // 2])
    assert refused(git.open_commit, repo.path).code == "E_SOURCE"


def test_an_empty_repository_says_so(repo):
    error = refused(git.open_commit, repo.path)
    assert "no commit yet" in error.message


def test_an_unborn_head_beside_another_branch_is_an_unknown_revision(repo):
    repo.push(ref="refs/heads/other")
    assert "no revision 'HEAD'" in refused(git.open_commit, repo.path).message
    assert git.open_commit(repo.path, "other").blobs()


def test_a_ref_that_is_a_blob_is_no_commit(repo):
    repo.push()
    repo.ref("refs/heads/odd", repo.blob(b"not a commit"))
    error = refused(git.open_commit, repo.path, "odd")
    assert "is a blob, not a commit" in error.message


def test_an_annotated_tag_is_read_through(repo):
    commit = repo.push()
    tag = repo.object(
        "tag",
        f"object {commit}\ntype commit\ntag v1\ntagger a <a@b> 1700000000 +0000\n\nx\n".encode(),
    )
    repo.ref("refs/tags/v1", tag)
    assert git.resolve(repo.path, "v1") == commit


def test_a_name_of_a_branch_and_a_tag_is_ambiguous(repo):
    first = repo.push()
    repo.ref("refs/tags/main", repo.push({}, first, ref="refs/heads/x"))
    assert "refs/heads/main" in refused(git.resolve, repo.path, "main").hint
    assert git.resolve(repo.path, "refs/heads/main") == first


@pytest.mark.parametrize(
    "revision",
    ["", "--output=X", "-x", ":/fix", "a..b", "^main", "a\nb", "a\0b", "x" * 300, "nope", "HEAD~9"],
)
def test_a_revision_that_names_no_commit_is_refused(repo, revision, tmp_path):
    repo.push()
    assert refused(git.resolve, repo.path, revision).code == "E_SOURCE"
    assert not (tmp_path / "X").exists()


def test_ancestors_are_known_and_unknown_ids_are_none(repo):
    first = repo.push()
    second = repo.push({"models/x.yaml": b"{}\n"}, first)
    other = repo.commit(repo.nested({}))
    assert git.is_ancestor(repo.path, first, second)
    assert git.is_ancestor(repo.path, second, second)
    assert not git.is_ancestor(repo.path, second, first)
    assert not git.is_ancestor(repo.path, other, second)
    assert not git.is_ancestor(repo.path, "1" * 40, second)
    assert refused(git.is_ancestor, repo.path, "main", second).code == "E_SOURCE"
    assert refused(git.is_ancestor, repo.path, first, "1" * 40).code == "E_SOURCE"


def test_a_cut_history_gives_no_answer_instead_of_a_wrong_one(repo):
    first = repo.push()
    second = repo.push({"models/x.yaml": b"{}\n"}, first)
    (repo.dir / "shallow").write_text(second + "\n")
    repo.loose(first).unlink()
    assert "not known" in refused(git.is_ancestor, repo.path, first, second).message
    assert git.is_ancestor(repo.path, second, second)
    assert git.open_commit(repo.path).blobs()


def test_what_is_no_repository_is_an_error(tmp_path):
    assert "not a Git repository" in refused(git.open_commit, tmp_path).message
    assert "not a folder" in refused(git.open_commit, tmp_path / "none").message
    assert refused(git.resolve, tmp_path, "HEAD").code == "E_SOURCE"


def test_replace_refs_and_grafts_change_nothing(repo):
    commit = repo.push()
    other = repo.commit(repo.nested({"models/evil.yaml": b"{}\n"}))
    repo.ref(f"refs/replace/{commit}", other)
    assert "models/evil.yaml" not in git.open_commit(repo.path).blobs()


def hostile(repo, marker, monkeypatch):
    """A repository's own config and the caller's environment, both full of traps."""
    script = marker.parent / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\n")
    script.chmod(0o755)
    hooks = marker.parent / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction", "post-checkout", "pre-commit"):
        (hooks / name).symlink_to(script)
        (repo.dir / "hooks").mkdir(exist_ok=True)
        (repo.dir / "hooks" / name).symlink_to(script)
    included = marker.parent / "more"
    included.write_text(f"[core]\n fsmonitor = {script}\n hooksPath = {hooks}\n")
    config = (repo.dir / "config").read_text()
    (repo.dir / "config").write_text(
        config
        + f"[include]\n path = {included}\n[core]\n fsmonitor = {script}\n hooksPath = {hooks}\n"
        + f" sshCommand = {script}\n askPass = {script}\n pager = {script}\n"
        + f" alternateRefsCommand = {script}\n excludesFile = {marker.parent}/excludes\n"
        + f'[filter "x"]\n smudge = {script}\n clean = {script}\n process = {script}\n'
        + f"[diff]\n external = {script}\n[credential]\n helper = {script}\n"
        + f'[remote "origin"]\n url = {marker.parent}\n uploadpack = {script}\n promisor = true\n'
        + " partialclonefilter = blob:none\n[extensions]\n partialClone = origin\n"
    )
    (marker.parent / "excludes").write_text("*\n")
    for name, value in {
        "GIT_DIR": "/nonexistent",
        "GIT_WORK_TREE": "/etc",
        "GIT_INDEX_FILE": "/nonexistent",
        "GIT_OBJECT_DIRECTORY": "/nonexistent",
        "GIT_COMMON_DIR": "/nonexistent",
        "GIT_SSH_COMMAND": str(script),
        "GIT_EXTERNAL_DIFF": str(script),
        "GIT_TRACE": str(marker),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "GIT_ASKPASS": str(script),
        "HOME": str(marker.parent),
        "XDG_CONFIG_HOME": str(marker.parent),
    }.items():
        monkeypatch.setenv(name, value)
    (marker.parent / ".gitconfig").write_text(f"[core]\n hooksPath={hooks}\n fsmonitor={script}\n")


def test_a_repository_s_own_config_and_the_environment_have_no_effect(tmp_path, monkeypatch):
    repo = Repo(tmp_path / "work", bare=False)
    files = {**CONFIG, ".gitattributes": b"* filter=x\n", "models/.gitattributes": b"* filter=x\n"}
    commit = repo.push(files)
    lay(repo.path, files)
    plain = dict(git.open_commit(repo.path).blobs())
    marker = tmp_path / "marker"
    hostile(repo, marker, monkeypatch)
    tree = git.open_commit(repo.path)
    assert tree.commit == commit
    assert dict(tree.blobs()) == plain
    assert dict(git.open_worktree(repo.path).blobs()) == plain
    assert len(list(tree.read(plain))) == len(plain)
    made = proposals.BranchProposals(repo.path, "promote").write(
        {"models/x.yaml": b"x: 1\n"}, "Add x"
    )
    assert made.startswith("promote (")
    assert git.resolve(repo.path, "promote~1") == commit
    assert not marker.exists()


def test_a_missing_object_is_not_fetched_from_where_the_config_says(tmp_path, monkeypatch):
    repo = Repo(tmp_path / "work", bare=False)
    repo.push()
    marker = tmp_path / "marker"
    hostile(repo, marker, monkeypatch)
    repo.loose(repo.git("rev-parse", "main:models/mnist/model.yaml")).unlink()
    refused(lambda: list(git.open_commit(repo.path).read(["models/mnist/model.yaml"])))
    assert not marker.exists()


def test_a_work_tree_that_the_config_moves_away_is_read_where_it_was_named(tmp_path):
    repo = Repo(tmp_path / "work", bare=False)
    repo.push()
    lay(repo.path)
    elsewhere = lay(tmp_path / "elsewhere", {"models/evil.yaml": b"{}\n"})
    repo.git("config", "core.worktree", str(elsewhere))
    assert "models/evil.yaml" not in git.open_worktree(repo.path).blobs()
    assert "models/mnist/model.yaml" in git.open_worktree(repo.path).blobs()


def test_reading_never_imports_gitpython(tmp_path):
    repo = Repo(tmp_path / "work", bare=False)
    repo.push()
    lay(repo.path)
    code = (
        "import sys; from reconciler.adapters import git as g; p = sys.argv[1];"
        "g.open_worktree(p); g.open_commit(p); assert 'git' not in sys.modules"
    )
    env = {**environment(), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(repo.path)], env=env, check=True)
