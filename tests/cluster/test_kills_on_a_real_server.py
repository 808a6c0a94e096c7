"""Killed at every third request to a real API server, ahead of it or before its answer is read: two
runs later all is as if nothing had happened. What was made and deleted is read from the audit log."""

import collections
import itertools
import time

import pytest

import reconciler
from reconciler.adapters.clock import SystemClock
from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.transport import Access, Allows, Transport
from reconciler.engine import apply_plan
from reconciler.objects.key import GroupKind
from reconciler.plan import records
from reconciler.plan.inventory import inventory_key
from reconciler.unit import UnitId
from tests import flow, support
from tests.controlplane.audit import counted, writes

_NUMBERS = itertools.count()
_KINDS = [GroupKind("", "ConfigMap"), GroupKind("", "Service"), GroupKind("batch", "CronJob")]
_OURS = {"app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER}

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {0}}}\ndata: {{a: {1}}}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: door}\nspec: {ports: [{port: 80}]}\n"
CRON = (
    "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\n"
    "spec:\n  schedule: '0 2 * * *'\n  jobTemplate: {spec: {template: {spec:"
    " {restartPolicy: Never, containers: [{name: c, image: 'i:1'}]}}}}\n"
)


def tree(environment, *apps):
    """An environment of its own with apps of plain objects, so that nothing is waited for."""
    prod = ("environment", "web", "one/group", "one/web")
    files: dict[str, str | None] = {f"environments/prod/{name}.yaml": None for name in prod}
    files[f"environments/{environment}/environment.yaml"] = "environment: {rank: 1, cluster: main}"
    files[f"environments/{environment}/one/group.yaml"] = (
        f"group: {{namespace: ml-{environment}, serviceAccount: models}}\n"
    )
    for name, objects in apps:
        files[f"environments/{environment}/one/{name}.yaml"] = "manifests: [all.yaml]\n"
        files[f"models/{name}/model.yaml"] = "model: {type: vision, owner: web}\n"
        files[f"models/{name}/all.yaml"] = "---\n".join(objects)
    return support.small().but(files)


_BOTH = (
    ("a", [MAP.format("first", "one"), MAP.format("second", "one"), SERVICE, CRON]),
    ("b", [MAP.format("third", "one")]),
)
_LESS = (("a", [MAP.format("first", "two"), MAP.format("new", "two")]), _BOTH[1])
#: name → (apps before, apps after)
SCENARIOS = {
    "a first apply in a new namespace": (None, _BOTH),
    "an update and a prune": (_BOTH, _LESS),
    "an app removed": (_BOTH, _BOTH[1:]),
}


class Knife(Transport):
    """Counts requests and ends the process at the n-th (from 0), unsent or done. Whoever is dead
    asks nothing more."""

    def __init__(self, plane, number=-1, *, done=False):
        access = Access(str(plane.kubeconfig()), allows=Allows.WRITES)
        super().__init__(access, time.sleep)
        self.number, self.done, self.asked, self.dead = number, done, [], False

    def _once(self, method, url, body, headers):
        number = len(self.asked)
        self.asked.append(method)
        if self.dead or (number == self.number and not self.done):
            self.dead = True
            raise flow.Killed
        answer = super()._once(method, url, body, headers)
        if number == self.number:
            self.dead = True
            raise flow.Killed
        return answer


class Course:
    """A scenario in an environment of its own, on from its beginning."""

    def __init__(self, plane, audit, name):
        self.plane, self.audit = plane, audit
        before, after = SCENARIOS[name]
        self.environment = f"k{next(_NUMBERS)}"
        self.wanted = tree(self.environment, *after)
        if before is not None:
            self._run(tree(self.environment, *before))
        self.mark = audit.mark()

    def _run(self, wanted, number=-1, *, done=False):
        """One process: a client of its own. The methods of its requests."""
        knife = Knife(self.plane, number, done=done)
        cluster = KubernetesCluster(knife, "real")
        clock = SystemClock()
        try:
            seen = support.reviewed(wanted, cluster, clock.now(), environments=[self.environment])
            settings = apply_plan.ApplySettings(timeout=10.0)
            report = support.Ran(
                apply_plan.reconcile(seen, cluster, clock, support.Silent(), settings)
            )
            assert report.exit_code == 0, (report.closing, flow.problems(report))
        finally:
            cluster.close()
        return knife.asked

    def run(self, number=-1, *, done=False):
        return self._run(self.wanted, number, done=done)

    def settle(self):
        """At most two runs that write; the third is quiet (I3, I4)."""
        for _ in range(3):
            mark = self.audit.mark()
            self.run()
            found = self._mine(writes(counted(self.audit.since(mark))))
            if not found:
                return
        raise AssertionError(found)

    def _mine(self, entries):
        return [e for e in entries if self.environment in f"{e.namespace} {e.name}"]

    @property
    def counts(self):
        """(what, object) → how often, of all that the server carried out."""
        found = collections.Counter()
        for entry in self.audit.since(self.mark):
            made = entry.mutates and entry.code == 201
            gone = entry.mutates and entry.verb == "delete" and entry.code < 300
            # What is posted has no name here: inventories are counted when they are deleted.
            about = f"{entry.resource} {entry.namespace}/{entry.name}"
            if (made or gone) and self.environment in about:
                about = about.replace(self.environment, "E")
                found["deleted" if gone else "created", about] += 1
        return found

    def objects(self, cluster):
        """name → content of what has our mark; and what the inventories list."""
        namespace = f"ml-{self.environment}"
        live = {
            (seen.key.kind, seen.key.name): seen
            for kind in _KINDS
            for seen in cluster.list(kind, namespace, _OURS).items
        }
        listed = {}
        for app in ("_group", "a", "b"):
            seen = cluster.get(inventory_key(UnitId(self.environment, "one", app)))
            for member in records.from_body(seen.body).members if seen.is_present else ():
                listed[member.key.kind, member.key.name] = member.uid
        return live, listed

    def ends(self, cluster):
        live, listed = self.objects(cluster)
        kinds = {kind.kind for kind in _KINDS}
        assert {k: s.uid for k, s in live.items()} == {
            k: uid for k, uid in listed.items() if k[0] in kinds
        }
        return {
            k: (s.body.get("data"), s.body.get("spec", {}).get("schedule")) for k, s in live.items()
        }, set(listed) - {("Namespace", f"ml-{self.environment}")}


@pytest.fixture(scope="module")
def cluster(control_plane):
    made = KubernetesCluster(Knife(control_plane), "real")
    # The program's own namespace is made once only: by whoever comes first.
    body = {"apiVersion": "v1", "kind": "Namespace"}
    made.create({**body, "metadata": {"name": reconciler.TOOL_NAMESPACE}})
    yield made
    made.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_at_every_third_request_changes_nothing_of_the_end(
    control_plane, audit, cluster, name
):
    clean = Course(control_plane, audit, name)
    asked = clean.run()
    counts, ends = clean.counts, clean.ends(cluster)
    assert counts
    clean.settle()
    points = [(n, done) for n in range(len(asked)) for done in (False, True)]
    # A read that was answered and a read that was not leave the same behind.
    points = [(n, done) for n, done in points if not done or asked[n] != "GET"]
    some = points[list(SCENARIOS).index(name) :: 3]
    last = [p for p in points if p[1]][-1]
    for number, done in (*some, last):
        course = Course(control_plane, audit, name)
        with pytest.raises(flow.Killed):
            course.run(number, done=done)
        live, listed = course.objects(cluster)
        assert set(live) <= set(listed), (number, done)  # I1
        course.settle()
        assert course.ends(cluster) == ends, (number, done)
        assert course.counts == counts, (number, done)
