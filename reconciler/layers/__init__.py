"""Reads layers of YAML and merges them into one tree, with the origin of every value (merge rules
M1 to M10)."""
