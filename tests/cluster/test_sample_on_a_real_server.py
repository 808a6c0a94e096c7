"""The sample config on a real API server with the CRDs of the systems that it is drawn for.

No controller of those systems runs: their objects are said to be healthy as soon as one waits.
"""

import json
import subprocess
from functools import partial

import pytest

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.outcome import Done, Verb
from tests.cli.conftest import Repo
from tests.cluster.sample import bodies, custom_kinds, kind_of
from tests.controlplane import definitions, plane
from tests.controlplane.audit import Audit, counted, writes
from tests.controlplane.fixtures import client, install
from tests.controlplane.health import reported
from tests.support import sample_files


@pytest.fixture(scope="module")
def crds():
    return definitions.found(custom_kinds())


@pytest.fixture(scope="module")
def server(control_plane_programs, crds):
    """A control plane of its own: the full CRDs change what is served."""
    running = plane.Plane(control_plane_programs).start()
    try:
        made = client(running)
        install(made, crds)
        made.close()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def cluster(server):
    made = client(server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    return Repo(tmp_path_factory.mktemp("repo"), sample_files())


@pytest.fixture(scope="module")
def run(server, repo):
    def typed(*args):
        return repo.run(*args, "--kubeconfig", str(server.kubeconfig()))

    return typed


@pytest.fixture(scope="module")
def runs(server, run):
    """Two runs on an empty cluster: (exit code, output, requests) of each."""
    audit, found = Audit(server), []
    with reported(server):
        for _ in range(2):
            mark = audit.mark()
            code, out = run("reconcile", "--once")
            found.append((code, out, counted(audit.since(mark))))
    return found


@pytest.fixture(scope="module")
def rendered(repo, tmp_path_factory):
    """A file of what `render` prints."""
    code, out = repo.run("render")
    assert code == 0, out
    path = tmp_path_factory.mktemp("rendered") / "objects.yaml"
    path.write_text(out)
    return path


# -- two runs --------------------------------------------------------------------------------------


def test_one_run_brings_everything_up(runs):
    code, out, _ = runs[0]
    assert code == 0, out
    assert "54 created" in out


def test_the_first_run_writes_each_object_once(runs):
    """Beside that only inventories. The tool's own namespace may be asked for by several at once,
    and then exists for all but one."""
    made = [e for e in writes(runs[0][2]) if e.namespace != "ml-reconciler" and e.code != 409]
    assert all(entry.code < 400 for entry in made)
    assert len(made) == 54 + 1
    named = [(e.resource, e.namespace, e.name) for e in made if e.name]
    assert len(set(named)) == len(named)


def test_the_second_run_writes_nothing_and_asks_once_for_each_kind(runs):
    code, out, entries = runs[1]
    assert (code, writes(entries)) == (0, []), out
    lists = [entry for entry in entries if entry.verb == "list"]
    kinds = {(entry.group, entry.resource) for entry in lists}
    assert len(lists) == len(kinds)
    # Discovery takes two requests, and one tells which cluster it is.
    assert len(entries) <= len(kinds) + 3
    assert len(kinds) == 14


# -- against kubectl -------------------------------------------------------------------------------


def _planned(run):
    """What our plan would change, as `kubectl diff` names objects."""
    code, out = run("plan", "--exit-code", "--output", "json")
    plan = json.loads(out)["plan"]
    changes = [c for app in plan["apps"] for wave in app["waves"] for c in wave]
    found = set()
    for change in changes:
        assert (change["standing"], change["action"] != "delete") == ("go", True), change
        kind, _, place = change["object"].partition(" ")
        namespace, _, name = place.rpartition("/")
        version = change["apiVersion"].replace("/", ".")
        found.add(f"{version}.{kind.partition('.')[0]}.{namespace}.{name}")
    assert code == (2 if found else 0), out
    return found


def _differing(server, rendered):
    """What `kubectl diff` says of the very objects that `render` prints."""
    done = subprocess.run(
        [
            str(server.programs.kubectl),
            "diff",
            "--server-side",
            "--force-conflicts",
            "--field-manager=reconciler",
            f"--kubeconfig={server.kubeconfig()}",
            f"--filename={rendered}",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    found = {
        line.rpartition("/")[2] for line in done.stdout.splitlines() if line.startswith("diff ")
    }
    assert done.returncode == bool(found), done.stdout
    return found


@pytest.fixture(scope="module")
def kubectl(server):
    if server.programs.kubectl is None:
        pytest.skip("this control plane has no kubectl")


def test_kubectl_finds_no_difference_where_the_plan_finds_none(
    runs, kubectl, server, run, rendered
):
    assert _planned(run) == _differing(server, rendered) == set()


def _pod(body):
    return body["spec"]["template"]["spec"]


def _label(body):
    body["metadata"]["labels"]["ml-reconciler.dev/owner"] = "nobody"


def _lost_label(body):
    del body["metadata"]["labels"]["app.kubernetes.io/managed-by"]


def _scale(body):
    body["spec"]["replicas"] = 7


def _element(body):
    _pod(body)["containers"][0]["image"] = "registry.example/other:1"


def _atomic_list(body):
    body["spec"]["hostnames"] = ["elsewhere.example.org"]


def _nested(body):
    body["spec"]["predictor"]["minReplicas"] = 9


def _respelt(body):
    """The same amount in other words, which the server takes for another: a conflict."""
    container = _pod(body)["containers"][0]
    gigabytes = container["resources"]["limits"]["memory"].removesuffix("Gi")
    limits = {"memory": f"{int(gigabytes) * 1024}Mi"}
    mine = {"name": container["name"], "resources": {"limits": limits}}
    body["metadata"] = {name: body["metadata"][name] for name in ("name", "namespace")}
    body["spec"] = {"template": {"spec": {"containers": [mine]}}}


def _foreign_element(body):
    more = {"name": "sidecar", "image": "registry.example/sidecar:1"}
    _pod(body)["containers"].append(more)


def _foreign_annotation(body):
    body["metadata"].setdefault("annotations", {})["example.org/note"] = "kept"


def _suspend(body):
    body["spec"]["suspend"] = True


def _at(group, kind, namespace, name):
    return ObjectKey(group, kind, namespace, name)


#: (object, the edit of a person with kubectl, None to delete it; whether it is a difference).
EDITS = [
    (_at("", "Service", "ml-dev", "search-ranker-v7"), _label, True),
    (_at("", "ServiceAccount", "ml-hz-b", "models"), _lost_label, True),
    (_at("apps", "Deployment", "ml-hz-b", "search-ranker-v6"), _scale, True),
    (_at("apps", "Deployment", "ml-dev", "search-ranker-v7"), _element, True),
    (_at("gateway.networking.k8s.io", "HTTPRoute", "ml-dev", "mnist"), _atomic_list, True),
    (_at("serving.kserve.io", "InferenceService", "ml-hz-b", "mnist-v2"), _nested, True),
    (_at("", "Service", "ml-hz-a", "search-ranker-v6"), None, True),
    (_at("argoproj.io", "CronWorkflow", "ml-train", "mnist-nightly"), _suspend, True),
    (_at("apps", "Deployment", "ml-hz-a", "search-ranker-v6"), _respelt, False),
    (_at("apps", "Deployment", "ml-staging", "search-ranker-v7"), _foreign_element, False),
    (_at("", "Namespace", "", "ml-dev"), _foreign_annotation, False),
]


def _kubectl_name(seen):
    version = seen.body["apiVersion"].replace("/", ".")
    return f"{version}.{seen.key.kind}.{seen.key.namespace}.{seen.key.name}"


def test_hand_made_edits_differ_exactly_where_kubectl_sees_them(
    runs, kubectl, server, cluster, run, rendered
):
    person = cluster.acting_as("kubectl-edit")
    expected = set()
    for key, edit, differs in EDITS:
        seen = cluster.get(key)
        assert seen.is_present, key
        if edit is None:
            assert isinstance(person.delete(key, uid=seen.uid), Done)
        else:
            body = json.loads(json.dumps(seen.body))
            edit(body)
            write = partial(person.apply, force=True) if edit is _respelt else person.replace
            outcome = write(body)
            assert isinstance(outcome, Done), outcome
            assert outcome.verb is Verb.UPDATED, key
        if differs:
            expected.add(_kubectl_name(seen))
    assert _planned(run) == expected
    assert _differing(server, rendered) == expected

    with reported(server):
        code, out = run("reconcile", "--once")
    assert code == 0, out
    assert _planned(run) == _differing(server, rendered) == set()


# -- every object ----------------------------------------------------------------------------------


#: A server stores a new claim once more at the next apply, with nothing in it that differs.
_STORED_TWICE = GroupKind("", "PersistentVolumeClaim")


def _without_version(body):
    metadata = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
    return {**body, "metadata": metadata}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in bodies()])
def test_every_drawn_object_is_taken_without_a_warning_and_settles_at_once(
    runs, cluster, crds, body
):
    why = crds.absent.get(kind_of(body))
    if why is not None:
        pytest.skip(f"no {kind_of(body)}: {why}")
    space = body["metadata"].get("namespace")
    if space:
        # Apart from what the runs made.
        space = f"objects-{space}"
        body = {**body, "metadata": {**body["metadata"], "namespace": space}}
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    predicted = cluster.dry_run(body)
    assert isinstance(predicted, Done), predicted
    assert predicted.warnings == ()
    made = cluster.apply(body)
    assert isinstance(made, Done), made
    if kind_of(body) == _STORED_TWICE:
        first, made = made, cluster.apply(body)
        assert _without_version(made.body) == _without_version(first.body)
    again = cluster.apply(body)
    assert again.verb is Verb.UNCHANGED
    assert again.body["metadata"]["resourceVersion"] == made.body["metadata"]["resourceVersion"]
