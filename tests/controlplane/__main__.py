"""`python -m tests.controlplane prepare|build|where|cluster`."""

import os
import signal
import sys

from tests.controlplane import definitions, plane, programs


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _prepare():
    """Makes what `make test` can use: builds and fetches it where it is not there. What cannot be
    had is an error only where it is required; the tests name what they leave out."""
    wish = os.environ.get("RECONCILER_CLUSTER", "")
    if wish == "off":
        return
    try:
        programs.ensured(_say)
    except programs.Missing as missing:
        if wish == "required":
            raise
        _say(f"without a real API server: {missing}")
        return
    for why in definitions.fetch(_say):
        _say(f"without some CRDs: {why}")


def _cluster():
    """A cluster for a person, with the CRDs of what the sample config draws."""
    from tests.cluster.sample import custom_kinds
    from tests.controlplane import fixtures

    found = programs.ensured(_say)
    absent = {why: None for why in definitions.fetch(_say)}
    running = plane.Plane(found, plane.WORKLOAD_CONTROLLERS).start()
    try:
        _say("installing the CRDs of the sample's systems ...")
        client = fixtures.client(running)
        crds = definitions.found(custom_kinds())
        fixtures.install(client, crds)
        client.close()
        for why in absent:
            _say(f"without some CRDs: {why}")
        for kind in crds.absent:
            _say(f"a stand-in takes any {kind}")
        path = running.kubeconfig()
        print(f"export KUBECONFIG={path}")
        print(f"reconciler plan --kubeconfig {path}")
        _say("(end with ^C)")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        running.stop()


def main(arguments):
    match arguments:
        case ["prepare"]:
            _prepare()
        case ["build"]:
            print(programs.ensured(_say).folder)
        case ["where"]:
            print(programs.found().folder)
        case ["cluster"]:
            _cluster()
        case _:
            _say(__doc__)
            return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["cluster"]:  # the others may be interrupted at once
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        sys.exit(main(sys.argv[1:]))
    except (programs.Missing, plane.Failed) as error:
        sys.exit(f"error: {error}")
