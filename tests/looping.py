"""The loop on the embedded cluster in simulated time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from reconciler import kinds
from reconciler.engine.apply_plan import ApplySettings as Apply
from reconciler.errors import SourceError
from reconciler.operate import passes
from reconciler.operate.leases import Leases
from reconciler.operate.loop import Loop, Timing
from reconciler.operate.metrics import Registry
from reconciler.operate.observers import Observers, Sinks
from reconciler.operate.passes import PassSettings
from reconciler.simulation.clock import SimulatedBackground
from reconciler.simulation.world import World
from tests import support


class Kept:
    """A log that is kept."""

    def __init__(self):
        self.rows = []

    def event(self, level, message, **fields):
        self.rows.append({"level": level, "msg": message, **fields})


class Repo:
    """What Git answers: a tree, or that it does not answer."""

    def __init__(self, tree, commit="1" * 40):
        self.down = False
        self.asked = 0
        self.push(tree, commit)

    def push(self, tree, commit=None):
        commit = commit or f"{self.asked + 2:040x}"
        self.tree = support.MemoryTree(tree.files, commit[:7], commit)

    def latest(self):
        self.asked += 1
        if self.down:
            raise SourceError("the remote does not answer")
        return self.tree


class Place:
    """A cluster, a repo, and as many loops as a test wants."""

    def __init__(self, tree, **options):
        self.world = World(start=support.NOW, **options, kinds=kinds.known())
        self.clock = self.world.clock
        self.cluster = self.world.cluster
        self.repo = Repo(tree)
        self.ended = ""
        self.events = []

    def leases(self, name="one", client=None, **options):
        drawn = itertools.cycle([0.1, 0.9, 0.5, 0.3])
        other = client or self.cluster.acting_as("leases")
        made: Any = Leases(
            lambda _g: other, self.clock, name, chance=lambda: next(drawn), **options
        )
        made.client = other
        return made

    def runner(self, name="one", leases=None, *, timing=None, keep=True, events=None, **settings):
        """(loop, observers' log, registry); `leases` False for none. `events` is the client that
        writes Kubernetes Events."""
        cluster = self.cluster.acting_as("reconciler")
        held = self.leases(name) if leases is None else leases or None
        log, registry = Kept(), Registry()
        sinks = Sinks(log, registry, events, self.events.append, ended=lambda: self.ended)
        observer = Observers(cluster, self.clock, name, sinks, held, lambda: cluster.requests)
        if held is not None and keep:
            held.keep(SimulatedBackground(self.clock.timeline))
        wanted = PassSettings(apply=Apply(timeout=30.0), ended=lambda: self.ended)
        wanted = replace(wanted, **settings)

        def run(tree, now_settings):
            return passes.run_pass(tree, cluster, self.clock, support.Silent(), now_settings, held)

        loop: Any = Loop(
            self.repo, run, self.clock, observer, settings=wanted, timing=timing or Timing()
        )
        loop.log, loop.registry, loop.leases, loop.cluster = log, registry, held, cluster
        return loop

    def steps(self, loop, number):
        for _ in range(number):
            self.clock.sleep(loop.step())

    def hours(self, loop, hours):
        """Runs a loop for so long; how many passes that was."""
        end, count = self.clock.monotonic() + hours * 3600, 0
        while self.clock.monotonic() < end:
            self.clock.sleep(loop.step())
            count += 1
        return count

    def writes(self, loop):
        return [e for e in loop.cluster.log if e[0] in ("apply", "create", "replace", "delete")]
