"""Passes of a running loop over a cluster that has nothing to do, and the floor under them.

Run as a program: it connects once, warms up once, and prints as JSON the seconds of each further
pass and of the same LISTs sent again through the same client and only decoded.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]


class _Quiet:
    def progress(self, subject: str, text: str) -> None:
        pass


def _pass(follower: Any, client: Any, clock: Any, memo: Any) -> None:
    from reconciler.apps.app import Selection
    from reconciler.engine import apply_plan, review
    from reconciler.engine.run_options import RunOptions
    from reconciler.errors import ExitCode

    tree = follower.latest()
    seen = review.review(
        tree, Selection(), clock.now(), reader=client, options=RunOptions(memo=memo)
    )
    report = apply_plan.reconcile(
        seen, client, clock, _Quiet(), apply_plan.ApplySettings(timeout=0.0)
    )
    if report.exit_code is not ExitCode.DONE or (seen.plan is None or seen.plan.has_changes):
        raise SystemExit(f"there was something to do: {report.results}")


def _recorded(
    follower: Any, client: Any, clock: Any, memo: Any, transport: Any
) -> list[tuple[Any, ...]]:
    """The LISTs of a pass."""
    lists: list[tuple[Any, ...]] = []
    send = transport.request

    def request(method: str, path: str, *args: Any, **options: Any) -> Any:
        answer = send(method, path, *args, **options)
        if method == "GET" and b'List"' in answer.data[:200]:
            args = tuple(tuple(a) if isinstance(a, list) else a for a in args)
            lists.append((path, args, options))
        return answer

    transport.request = request
    _pass(follower, client, clock, memo)
    transport.request = send
    return lists


def main() -> None:
    import orjson

    from reconciler.adapters.clock import SystemClock
    from reconciler.adapters.commit_follower import CommitFollower
    from reconciler.adapters.kubernetes.cluster import KubernetesCluster
    from reconciler.adapters.kubernetes.transport import Access, Allows, Transport
    from reconciler.cli import memory
    from reconciler.cli.options import CommonOptions
    from reconciler.engine.memo import Memo
    from reconciler.wiring import source

    parser = argparse.ArgumentParser()
    parser.add_argument("repo", type=Path)
    parser.add_argument("kubeconfig")
    parser.add_argument("--passes", type=int, default=5)
    given = parser.parse_args()
    memory.calm_collector()
    clock = SystemClock()
    transport = Transport(Access(given.kubeconfig, allows=Allows.WRITES), clock.sleep)
    client = KubernetesCluster(transport, "bench")
    memo = Memo(keeps=True)
    follower = CommitFollower(lambda: source.newest(CommonOptions(repo=str(given.repo))))
    lists = _recorded(follower, client, clock, memo, transport)
    passes, floors, size = [], [], 0
    sent = client.requests
    for _ in range(given.passes):
        start = time.perf_counter()
        _pass(follower, client, clock, memo)
        passes.append(time.perf_counter() - start)
    requests = (client.requests - sent) / given.passes
    for _ in range(given.passes):
        start, size = time.perf_counter(), 0
        for path, args, options in lists:
            answer = transport.request("GET", path, *args, **options)
            size += len(answer.data)
            orjson.loads(answer.data)
        floors.append(time.perf_counter() - start)
    print(json.dumps({"passes": passes, "lists": floors, "bytes": size, "requests": requests}))


if __name__ == "__main__":
    main()
