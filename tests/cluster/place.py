"""Runs of small trees on a real API server, each in a group of its own."""

import itertools
from datetime import UTC, datetime

from reconciler.adapters.clock import SystemClock
from reconciler.engine import apply_plan
from reconciler.objects.key import ObjectKey
from reconciler.unit import UnitId
from tests import support
from tests.controlplane.audit import Audit, counted, writes
from tests.controlplane.fixtures import client
from tests.support import MemoryTree, Silent

_COUNT = itertools.count(1)
_GADGET = "fault.example.org"


class Hasty(SystemClock):
    """Polls faster than a run would."""

    def sleep(self, seconds):
        super().sleep(min(seconds, 0.05))


class Group:
    """A group `prod/gN` with one app, `maps`, of plain manifests."""

    def __init__(self, plane, cluster=None):
        number = next(_COUNT)
        self.name = f"prod/f{number}"
        self.namespace = f"fault-{number}"
        self.unit = UnitId.parse(f"{self.name}/maps")
        self.plane = plane
        self.cluster = cluster or client(plane)
        self.clock = Hasty()
        self.audit = Audit(plane)

    def tree(self, *documents, group=""):
        """A tree whose app has these documents; without any the app is gone."""
        home = f"environments/{self.name}"
        files = {
            **support.small().files,
            "environments/prod/web.yaml": None,
            "environments/prod/one/web.yaml": None,
            f"{home}/group.yaml": f"group:\n  namespace: {self.namespace}\n{group}",
            f"{home}/maps.yaml": "manifests: [objects.yaml]\n" if documents else None,
            "models/maps/model.yaml": (
                "model: {type: vision, owner: web}\nserving: {runIn: [prod/one]}\n"
            ),
            "models/maps/objects.yaml": "---\n".join(documents) or None,
        }
        return MemoryTree({path: data for path, data in files.items() if data is not None})

    def review(self, tree, approved=()):
        return support.reviewed(tree, self.cluster, datetime.now(UTC), approved, groups=[self.name])

    def plan(self, tree, **options):
        return self.review(tree, **options).plan

    def change(self, tree, kind, name):
        """The one change of an object in the plan; None without one."""
        found = [c for c in self.plan(tree).changes() if (c.key.kind, c.key.name) == (kind, name)]
        return found[0] if found else None

    def run(self, tree, approved=(), **settings):
        """One reconcile; (report, requests that wrote, Leases and Events aside)."""
        mark = self.audit.mark()
        report = support.Ran(
            apply_plan.reconcile(
                self.review(tree, approved),
                self.cluster,
                self.clock,
                Silent(),
                apply_plan.ApplySettings(**{"timeout": 5.0, **settings}),
            )
        )
        return report, writes(counted(self.audit.since(mark)))

    def settled(self, tree):
        report, _ = self.run(tree)
        assert report.exit_code == 0, (report.closing, problems(report))
        return report

    def key(self, kind, name, group=""):
        return ObjectKey(group, kind, self.namespace, name)

    def live(self, kind, name, group=""):
        return self.cluster.get(self.key(kind, name, group)).body


def problems(report):
    return [
        (r.unit, str(key), text)
        for section in report.sections
        for r in getattr(section, "applied", ())
        for key, text in r.problems
    ]


def held(report):
    """What a run left alone, with why."""
    return {
        c.key.name: "; ".join(r.text for r in c.reasons)
        for section in report.sections
        if hasattr(section, "applied")
        for c in section.plan.changes()
        if not c.goes
    }


def config_map(name, data="{a: one}", **metadata):
    more = "".join(f", {key}: {value}" for key, value in metadata.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{more}}}\ndata: {data}\n"
