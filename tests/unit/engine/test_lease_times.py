"""Times in a Lease."""

from reconciler.operate.leases import micro_time
from tests import support


def test_times_have_six_digits_and_no_zone_but_utc():
    assert micro_time(support.NOW) == "2026-11-23T12:00:00.000000Z"
