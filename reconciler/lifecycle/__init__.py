"""Decides rollouts and reads schedules: pure functions of the spec, the cluster's facts, the stored
state and the time."""
