"""The sample under the rights that `rbac` prints for it, with the CRDs of its systems (F71)."""

import re

import pytest
import yaml

from reconciler.objects.key import ObjectKey
from reconciler.objects.outcome import Done
from tests.cli.conftest import Repo
from tests.cluster.sample import custom_kinds
from tests.cluster.staging import refused, rights_of
from tests.controlplane import definitions, plane
from tests.controlplane.audit import Audit, counted, writes
from tests.controlplane.fixtures import client, eventually, install
from tests.controlplane.health import reported
from tests.support import sample_files

USERS = {"reconcile": "runner", "plan": "planner", "read-only": "viewer"}


@pytest.fixture(scope="module")
def server(control_plane_programs):
    running = plane.Plane(control_plane_programs).start()
    try:
        made = client(running)
        install(made, definitions.found(custom_kinds()))
        made.close()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    return Repo(tmp_path_factory.mktemp("repo"), sample_files())


@pytest.fixture(scope="module")
def granted(server, repo):
    admin = client(server)
    for purpose, user in USERS.items():
        code, out = repo.run("rbac", "--for", purpose, "--user", user)
        assert code == 0, out
        documents = list(yaml.safe_load_all(re.sub(r"(?m)^note: .*$", "", out)))
        assert list(rights_of(documents))
        for body in filter(None, documents):
            assert isinstance(admin.apply(body), Done), body
    yield admin
    admin.close()


@pytest.fixture(scope="module")
def typed(server, repo, granted):
    audit = Audit(server)

    def run(user, *args):
        """(exit code, output, requests of the user's work)."""
        mark = audit.mark()
        code, out = repo.run(*args, "--kubeconfig", str(server.kubeconfig(user)))
        return code, out, [e for e in audit.since(mark) if e.user == user]

    # What was bound a moment ago holds for every kind of request by then.
    assert eventually(lambda: not refused(run("viewer", "plan", "--read-only")[2]))
    return run


def test_the_sample_lives_by_its_rights(server, repo, typed, granted):
    code, out, entries = typed("planner", "plan", "--exit-code")
    assert (code, refused(entries), writes(entries)) == (2, [], []), out
    with reported(server):
        code, out, entries = typed("runner", "reconcile", "--once")
        assert (code, refused(entries)) == (0, []), out
        code, out, entries = typed("runner", "reconcile", "--once")
        assert (code, refused(entries), writes(counted(entries))) == (0, [], []), out

        (repo.folder / "environments/prod/hz-b/search-ranker.yaml").unlink()
        repo.commit()
        for user, more in (("planner", ()), ("viewer", ("--read-only",))):
            code, out, entries = typed(user, "plan", "--exit-code", *more)
            assert (code, refused(entries), writes(entries)) == (2, [], []), out
            assert "to delete" in out
        code, out, entries = typed("runner", "reconcile", "--once")
        assert (code, refused(entries)) == (0, []), out
    assert "deleted" in out
    gone = ObjectKey("apps", "Deployment", "ml-hz-b", "search-ranker-v6")
    assert not granted.get(gone).is_present
