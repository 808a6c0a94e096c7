"""The share of traffic that ready backends get never falls because of us: over any order of edits,
readiness, passes and kills, at every single write."""

import contextlib
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import reconciler
from reconciler.plan import inventory
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow, support

BACKENDS = {
    "deployment": "  backend: deployment\n",
    "kubedl": "  backend: kubedl\n  framework: TFServing\n",
}
STEPS = "  rollout: {steps: [{weight: 10}, {pause: 2m}, {weight: 50}], progressDeadline: 6m}\n"
VERSIONS = ["v1", "v2", "v3"]
#: What follows every edit and event: passes with a timeout in seconds, or killed at an effect, and
#: time. They are a part of the rules because hypothesis leaves whole rules out of an example.
THEN = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from([0, 4, 100])),
        st.tuples(st.just("kill"), st.integers(0, 12)),
        st.tuples(st.just("wait"), st.sampled_from([10, 40, 130, 500])),
    ),
    min_size=1,
    max_size=4,
)
STATE = inventory.state_key(UnitId.parse("prod/one/web"))
ROUTE = flow.key("HTTPRoute", "ml-one", "web")


class Traffic(RuleBasedStateMachine):
    """One app on an embedded cluster. What a Service can answer is what its Deployment has ready,
    whichever object made that Deployment."""

    @initialize(backend=st.sampled_from(sorted(BACKENDS)), replicas=st.sampled_from([1, 4]))
    def begin(self, backend, replicas):
        self.place = flow.world(settings=SimulationSettings(pod_start=timedelta(seconds=50)))
        self.backend, self.replicas, self.memory = backend, replicas, 1
        self.wanted = 'version: "v1"'
        self.steps = True
        self.gone = set()
        self._watch()

    def _watch(self):
        """Compares what is served before and after each of our writes."""
        server = self.place.cluster.server
        self.delete = server.delete
        for name in ("apply", "create", "delete", "update"):
            ask = getattr(server, name)

            def asked(*args, ask=ask, name=name, **options):
                ours = name == "delete" or reconciler.FIELD_MANAGER in args
                before = self.served()
                answer = ask(*args, **options)
                if ours and not options.get("dry_run"):
                    after = self.served()
                    assert after >= before, (name, before, after, self.weights())
                return answer

            setattr(server, name, asked)

    # -- what is true ------------------------------------------------------------------------------

    def weights(self):
        return flow.split(self.place, "ml-one", "web") or {}

    def ready(self, service):
        body = flow.live(self.place, "Deployment", "ml-one", service)
        return ((body or {}).get("status") or {}).get("readyReplicas", 0)

    def served(self):
        weights = self.weights()
        total = sum(weights.values())
        up = sum(weight for name, weight in weights.items() if self.ready(name) > 0)
        return up / total if total else 0.0

    def tree(self):
        text = BACKENDS[self.backend] + "  router: gateway-api\n  gateway: {name: gw}\n"
        pointed = self.wanted.startswith("version")
        text += STEPS if pointed and self.steps else "  rollout: null\n"
        tree = support.small(**flow.vision(text)).but(
            {"models/web/versions/v3.yaml": support.record("v3")}
        )
        own = f"serving:\n  {self.wanted}\n  replicas: {self.replicas}\n"
        own += f"  resources: {{memory: {self.memory}Gi}}\n"
        return tree.but(
            {
                "environments/prod/web.yaml": own,
                **{f"models/web/versions/{name}.yaml": None for name in self.gone},
            }
        )

    # -- edits -------------------------------------------------------------------------------------

    @rule(version=st.sampled_from(VERSIONS), steps=st.booleans(), then=THEN)
    def point(self, version, steps, then):
        self.wanted, self.steps = f'version: "{version}"', steps
        self.follow(then)

    @rule(
        split=st.sampled_from(
            ["{v1: 30, v2: 50, v3: 20}", "{v1: 50, v2: 50}", "{v3: 100}", "{v2: 70, v3: 30}"]
        ),
        then=THEN,
    )
    def split(self, split, then):
        self.wanted = f"traffic: {split}"
        self.follow(then)

    @rule(memory=st.integers(1, 4), then=THEN)
    def resize(self, memory, then):
        self.memory = memory
        self.follow(then)

    @rule(version=st.sampled_from(VERSIONS), then=THEN)
    def delete_record(self, version, then):
        if version not in self.wanted:
            self.gone.add(version)
        self.follow(then)

    @rule()
    def restore_records(self):
        self.gone.clear()

    # -- the cluster -------------------------------------------------------------------------------

    @rule(version=st.sampled_from(VERSIONS), left=st.integers(0, 3), then=THEN)
    def pods_die(self, version, left, then):
        place = self.place
        failing = place.client.settings.failing | {version}
        place.client.settings = SimulationSettings(
            pod_start=timedelta(seconds=50), failing=frozenset(failing)
        )
        for key, body in list(place.cluster.server.store.everything()):
            labels = body["metadata"].get("labels") or {}
            named = body.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
            if key.kind != "Deployment" or version not in (
                labels.get("ml-reconciler.dev/version"),
                named.get("ml-reconciler.dev/version"),
            ):
                continue
            status = dict(body.get("status") or {})
            status["readyReplicas"] = min(left, status.get("readyReplicas", 0))
            place.cluster.server.patch_status(key, status, "kube-controller-manager")
        place.run_for(timedelta(seconds=5))
        self.follow(then)

    @rule(then=THEN)
    def pods_recover(self, then):
        place = self.place
        place.client.settings = SimulationSettings(pod_start=timedelta(seconds=50))
        for key, _ in list(place.cluster.server.store.everything()):
            if key.kind == "Deployment":
                for told in place.cluster.server.changed:
                    told(key, place.cluster.server.get(key))
        place.run_for(timedelta(seconds=5))
        self.follow(then)

    @rule(then=THEN)
    def lose_the_state(self, then):
        if self.place.cluster.server.get(STATE) is not None:
            self.delete(STATE)
        self.follow(then)

    @precondition(lambda self: self.weights())
    @rule(then=THEN)
    def lose_the_route(self, then):
        self.delete(ROUTE)
        self.follow(then)

    # -- passes ------------------------------------------------------------------------------------

    def follow(self, then):
        for what, amount in then:
            if what == "run":
                flow.run(self.tree(), self.place, timeout=amount)
            elif what == "wait":
                self.place.run_for(timedelta(seconds=amount))
            else:
                self._run_and_die(amount)

    def _run_and_die(self, effect):
        place = self.place
        with contextlib.suppress(flow.Killed):
            support.applied(
                self.tree(),
                place.cluster,
                place.clock.now(),
                before=flow.after_effect(effect),
                timeout=4,
            )

    @rule(then=THEN)
    def go_on(self, then):
        self.follow(then)

    @invariant()
    def weights_add_up(self):
        if hasattr(self, "place"):
            assert sum(self.weights().values()) in (0, 100)


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, derandomize=True
)
