"""Decisions: pure functions of spec, facts, evidence and now."""
