"""The merge room: layers of YAML folded into one tree with provenance (rules M1 to M8 and M10)."""
