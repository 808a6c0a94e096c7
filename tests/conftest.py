"""Laws run the same examples every time: what fails in CI fails here. What was left out is said in
a line for each reason."""

import collections
import os

from hypothesis import settings

# Texts are as wide as on a pipe, whatever the terminal is that the tests are started on.
os.environ.pop("COLUMNS", None)

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, database=None)
settings.register_profile("long", deadline=None, max_examples=2000, database=None)
settings.load_profile("ci")

pytest_plugins = ["tests.controlplane.fixtures"]


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = collections.Counter(report.longrepr[2] for report in skipped)
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"left out {count} tests: {reason.removeprefix('Skipped: ')}")
