"""Laws run the same examples every time: what fails in CI fails here."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, database=None)
settings.register_profile("long", deadline=None, max_examples=2000, database=None)
settings.load_profile("ci")

pytest_plugins = ["tests.controlplane.fixtures"]
