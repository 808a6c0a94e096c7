"""The sample config on a real API server with the CRDs of the systems that it is drawn for.

RECONCILER_CRDS names a folder of CRD files. No controller of those systems runs: objects are taken
or refused, and nothing becomes healthy.
"""

import os
from pathlib import Path

import pytest
import yaml

from reconciler.apply.result import Status
from reconciler.engine import reconcile
from reconciler.engine.report import Changes
from reconciler.errors import ExitCode
from reconciler.objects.draft import seal
from reconciler.objects.key import GroupKind
from reconciler.objects.outcome import Done, Refusal, Verb
from reconciler.simulation.clock import SimulatedClock
from tests.controlplane import plane
from tests.controlplane.fixtures import client, eventually
from tests.everything import everything
from tests.support import NOW, Silent, drawn, reviewed, sample

CRDS = os.environ.get("RECONCILER_CRDS", "")
pytestmark = pytest.mark.skipif(not CRDS, reason="RECONCILER_CRDS names no folder of CRDs")

#: Other copies of the same kinds lie beside the full ones.
_LEFT_OUT = {"minimal", "helm-chart"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _objects():
    """Every drawn object, namespaces first."""
    for name, tree in (("sample", sample()), ("everything", everything())):
        made = drawn(tree) if CRDS else {}
        for unit, key in sorted(made, key=lambda at: (at[1].kind != "Namespace", at)):
            yield pytest.param(seal(made[unit, key]).body, id=f"{name} {unit} {key}")


OBJECTS = list(_objects())
#: The jobs that a pipeline makes are texts inside it; they are custom kinds, too.
KINDS = {GroupKind("training.kubedl.io", "TFJob"), GroupKind("kubeflow.org", "PyTorchJob")}
KINDS |= {
    GroupKind(group, one.values[0]["kind"])
    for one in OBJECTS
    if "." in (group := one.values[0]["apiVersion"].rpartition("/")[0])
}


def _definitions():
    for path in sorted(Path(CRDS).rglob("*.yaml")):
        text = path.read_text()
        if _LEFT_OUT & set(path.parts) or not any(f"kind: {k.kind}\n" in text for k in KINDS):
            continue
        for found in yaml.load_all(text, Loader=_LOADER):
            if found and found.get("kind") == "CustomResourceDefinition":
                names = found["spec"]["names"]
                if GroupKind(found["spec"]["group"], names["kind"]) in KINDS:
                    yield found


def _stand_in(kind):
    """For a kind whose CRD is not in the folder: takes anything, so that the rest can be judged."""
    plural = f"{kind.kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {"kind": kind.kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


@pytest.fixture(scope="module")
def cluster(control_plane):
    """A control plane of its own: the full CRDs change what is served."""
    running = plane.Plane(control_plane.programs).start()
    made = client(running)
    try:
        absent = set(KINDS)
        for definition in _definitions():
            assert isinstance(made.apply(definition), Done), definition["metadata"]["name"]
            names = definition["spec"]["names"]
            absent.discard(GroupKind(definition["spec"]["group"], names["kind"]))
        # What no folder at hand has; anything else is a mistake of the folder.
        assert absent <= {GroupKind("monitoring.coreos.com", "ServiceMonitor")}
        for kind in absent:
            assert isinstance(made.apply(_stand_in(kind)), Done)
        assert eventually(lambda: set(made.discover().kinds) >= KINDS)
        # Served a little after it is said to be.
        assert eventually(lambda: all(_is_served(made, kind) for kind in KINDS))
        yield made
    finally:
        made.close()
        running.stop()


def _is_served(made, kind):
    served = made.discover().kinds[kind]
    body = {
        "apiVersion": f"{kind.group}/{served.version}",
        "kind": kind.kind,
        "metadata": {"name": "probe", "namespace": "default"},
    }
    outcome = made.dry_run(body)
    return isinstance(outcome, Done) or outcome.refusal is not Refusal.NOT_SERVED


@pytest.fixture(scope="module")
def runs(cluster):
    """Four runs on an empty cluster, waiting for nothing: (requests to look, to write, report)."""
    found = []
    for _ in range(4):
        start = cluster.requests
        seen = reviewed(sample(), cluster)
        looked = cluster.requests
        settings = reconcile.Settings(timeout=0.0)
        report = reconcile.reconcile(seen, cluster, SimulatedClock(NOW), Silent(), settings)
        found.append((looked - start, cluster.requests - looked, seen, report))
    return found


def _results(report):
    (changes,) = (part for part in report.sections if isinstance(part, Changes))
    return {result.unit: result for result in changes.applied}


def test_a_run_is_refused_nothing_and_waits_only_for_health(runs):
    _, _, seen, report = runs[0]
    assert [refusal for app in seen.plan.apps for refusal in app.refusals] == []
    assert report.exit_code is ExitCode.INCOMPLETE
    problems = [text for r in _results(report).values() for _, text in r.problems]
    assert problems
    assert all("not ready" in text for text in problems), problems


def test_foundations_are_done_in_the_first_run(runs):
    done = {u: r.status for u, r in _results(runs[0][3]).items() if u.endswith("/_group")}
    assert len(done) == 5
    assert set(done.values()) == {Status.DONE}


def test_a_run_that_has_nothing_to_write_looks_once_at_each_kind(runs):
    """Beside that: who the cluster is, and what was recorded."""
    looked, _, seen, _ = runs[-1]
    kinds = {member.key.group_kind for app in seen.plan.apps for member in app.members}
    assert looked <= len(kinds) + 2


def test_the_last_run_writes_no_object(runs):
    results = _results(runs[-1][3]).values()
    assert [r.unit for r in results if r.count(Verb.CREATED) or r.count(Verb.UPDATED)] == []


@pytest.mark.parametrize("body", OBJECTS)
def test_every_drawn_object_is_taken_without_a_warning_and_settles_at_once(cluster, body):
    predicted = cluster.dry_run(body)
    assert isinstance(predicted, Done), predicted
    assert predicted.warnings == ()
    made = cluster.apply(body)
    assert isinstance(made, Done), made
    again = cluster.apply(body)
    assert again.verb is Verb.UNCHANGED
    assert again.body["metadata"]["resourceVersion"] == made.body["metadata"]["resourceVersion"]
