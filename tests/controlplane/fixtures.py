"""The control plane as fixtures, started once a session and only for tests that ask.

Where it is absent, those tests are skipped with the reason; RECONCILER_CLUSTER=required (CI, `make
test-cluster`) builds it, or fails.
"""

import os

import pytest

from tests.controlplane import plane, programs


@pytest.fixture(scope="session")
def control_plane():
    required = os.environ.get("RECONCILER_CLUSTER") == "required"
    try:
        wanted = programs.ensured() if required else programs.found()
    except programs.Missing as missing:
        if required:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(f"the real cluster is left out: {missing}")
    running = plane.Plane(wanted).start()
    yield running
    running.stop()
