"""`python -m tests.controlplane build|where|run`."""

import signal
import sys

from tests.controlplane import plane, programs


def main(arguments):
    match arguments:
        case ["build"]:
            print(programs.ensured().folder)
        case ["where"]:
            print(programs.found().folder)
        case ["run"]:
            running = plane.Plane(programs.ensured()).start()
            try:
                print(f"--kubeconfig {running.kubeconfig()}   (end with ^C)", flush=True)
                signal.sigwait({signal.SIGINT, signal.SIGTERM})
            finally:
                running.stop()
        case _:
            print(__doc__, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        sys.exit(main(sys.argv[1:]))
    except (programs.Missing, plane.Failed) as error:
        sys.exit(f"error: {error}")
