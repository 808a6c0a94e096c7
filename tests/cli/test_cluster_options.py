"""Which cluster a command speaks to: named by an option, never by the environment."""

import pytest


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--context", "prod"), "--context needs --kubeconfig"),
        (("--kubeconfig", "absent.yaml"), "--kubeconfig absent.yaml is not a file"),
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
