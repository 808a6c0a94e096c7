"""A world that starts on a Monday morning, and bodies to put into it."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler import kinds
from reconciler.objects.key import ObjectKey, split_version
from reconciler.objects.outcome import Done
from reconciler.simulation.world import World

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class Town:
    """A world with short words for tests; everything lives in the namespace `ml`."""

    def __init__(self, **options):
        options.setdefault("start", START)
        self.options = options
        self.world = World(**options, kinds=kinds.known())
        if not self.world.cluster.get(ObjectKey("", "Namespace", "", "ml")).is_present:
            self.put("v1", "Namespace", "ml", namespace="")

    def again(self, **options):
        """What a later process finds: the same file, opened anew."""
        self.world.close()
        return Town(**{**self.options, **options})

    @property
    def now(self):
        return self.world.clock.now()

    def put(self, api_version, kind, name, spec=None, namespace="ml", **metadata):
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}
        if namespace:
            body["metadata"]["namespace"] = namespace
        if spec is not None:
            body["spec"] = spec
        outcome = self.world.cluster.apply(body, force=True)
        assert isinstance(outcome, Done), outcome
        return ObjectKey(split_version(api_version)[0], kind, namespace, name)

    def pass_(self, **span):
        self.world.run_for(timedelta(**span))

    def body(self, key):
        return self.world.cluster.server.get(key)

    def status(self, key):
        return self.world.cluster.status(key)

    def condition(self, key, kind):
        rows = self.status(key).get("conditions") or []
        return next((row["status"] for row in rows if row["type"] == kind), "")

    def names(self, group, kind):
        listing = self.world.client.list((group, kind), "ml")
        return [body["metadata"]["name"] for body in listing]


@pytest.fixture
def town():
    made = []

    def build(**options):
        made.append(Town(**options))
        return made[-1]

    yield build
    for one in made:
        one.world.close()
