"""Running again and again: passes, the loop, leases, back-off, status, metrics."""
