"""Repeated runs: passes, the loop, leases, back-off, status, metrics."""
