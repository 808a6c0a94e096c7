"""Which cluster a command speaks to: named by an option, never by the environment."""

import pytest

from tests import needs


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--context", "prod"), "--context needs --kubeconfig"),
        pytest.param(
            ("--kubeconfig", "absent.yaml"),
            "--kubeconfig absent.yaml is not a file",
            marks=needs.kubernetes,
        ),
        (("--kubeconfig", ""), "--kubeconfig names no file"),
        (("--kubeconfig", "x", "--embedded", "y.db"), "exclude each other"),
    ],
)
def test_a_cluster_that_cannot_be_meant_is_a_mistake(repo, args, said):
    code, out = repo.run("status", *args)
    assert code == 1
    assert said in out


def test_the_environments_kubeconfig_is_not_used(repo, monkeypatch, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text("this would be refused, if it were read")
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert repo.run("plan")[0] == 0
    code, out = repo.run("apply")
    assert code == 1
    assert "no cluster is named" in out


HEAD = "apiVersion: ml-reconciler.dev/v1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clusters: [", "is not YAML"),
        ("clusters: {a: {inCluster: true}}\n", "is not a map of clusters"),
        (HEAD + "clusters: []\n", "`clusters` is not a map of names"),
        (HEAD + "clusters: {}\n", "names no cluster"),
        (HEAD + "clusters: {a: here}\n", "clusters.a is not a map"),
        (HEAD + "clusters: {a: {kubeconfg: x}}\n", "did you mean 'kubeconfig'?"),
        (HEAD + "clusters: {a: {context: x}}\n", "needs either `kubeconfig` or `inCluster: true`"),
        (
            HEAD + "clusters: {a: {kubeconfig: x, inCluster: true}}\n",
            "needs either `kubeconfig` or `inCluster: true`",
        ),
        pytest.param(
            HEAD + "clusters: {other: {kubeconfig: x}}\n",
            "x cannot be used to reach a cluster",
            marks=needs.kubernetes,
        ),
    ],
)
def test_every_mistake_in_a_map_of_clusters_is_told(repo, tmp_path, text, said):
    path = tmp_path / "clusters.yaml"
    path.write_text(text)
    if "other" in text:
        (tmp_path / "x").write_text("{}")
    code, out = repo.run("plan", "--clusters", str(path))
    assert code == 1
    assert said in out
    assert "E_INTERNAL" not in out


@pytest.mark.parametrize("option", ["--kubeconfig", "--clusters"])
def test_credentials_never_come_from_the_config_itself(repo, option):
    repo.write("environments/access.yaml", "users: [{name: a, user: {exec: {command: x}}}]\n")
    code, out = repo.run("plan", option, str(repo.folder / "environments" / "access.yaml"))
    assert code == 1
    assert "lies in the config folders of the repo" in out


def test_a_certificate_that_is_not_verified_is_one_warning(capsys):
    from reconciler.cli.terminal import LibraryWarnings

    class InsecureRequestWarning(Warning):
        """By its name as urllib3 has it, which may not be installed here."""

    printer = LibraryWarnings()
    for host in range(11):
        printer.show(f"Unverified HTTPS request to host {host}", InsecureRequestWarning, "f", 1)
    printer.show("a library's own affair", DeprecationWarning, "f", 1)
    assert capsys.readouterr().err == (
        "warning: the API server's certificate is not verified (insecure-skip-tls-verify): whoever "
        "is on the way to it can read and change what is sent\n"
    )


def test_an_empty_revision_is_refused(capsys, tmp_path):
    from reconciler.cli.program import run

    for command in (["plan"], ["reconcile", "--once", "--embedded", str(tmp_path / "x.db")]):
        assert run([*command, "--revision", ""]) == 1
        assert "error[E_USAGE]: --revision is empty" in capsys.readouterr().err
