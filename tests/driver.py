"""Runs the program with one thing happening ahead of its n-th write to the embedded cluster.

    python -m tests.driver SIGNAL NUMBER ARGS...

SIGNAL is the name of a signal that the process sends to itself, or `none`; every write is printed
on standard error. Leases are short, so that a test need not wait.
"""

import os
import signal
import sys
from functools import partial
from typing import Any

from reconciler.apply import lease
from reconciler.cli.program import main
from reconciler.operate import leases
from reconciler.simulation import cluster

WRITES = ("apply", "create", "replace", "delete")


def run(what, number, args):
    seen = []

    def before(verb, target):
        if verb not in WRITES:
            return
        print(f"write {verb} {target}", file=sys.stderr, flush=True)
        seen.append(target)
        if len(seen) == number and what != "none":
            print(f"signal {what}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.Signals[what])

    made = cluster.EmbeddedCluster.__init__
    clusters: list[Any] = []

    def prepared(self, *given, **named):
        made(self, *given, **named)
        clusters.append(self)
        # The first one writes objects; the second one is for leases.
        if len(clusters) == 1:
            self.before = before

    cluster.EmbeddedCluster.__init__ = prepared  # type: ignore[method-assign]
    short = partial(lease.Timing, duration=2, renew_deadline=1.2, retry=0.3)
    setattr(leases, "Timing", short)  # noqa: B010 - its module does not export the name
    main(args)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
