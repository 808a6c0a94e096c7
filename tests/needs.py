"""What a test may need beside the extra `test`; without it the test is left out by name."""

from importlib.util import find_spec

import pytest

NO_KUBERNETES = "the package kubernetes is not installed (the extra `cluster` brings it)"
HAS_KUBERNETES = find_spec("kubernetes") is not None

#: Marks a test, or a module as `pytestmark`.
kubernetes = pytest.mark.skipif(not HAS_KUBERNETES, reason=NO_KUBERNETES)
