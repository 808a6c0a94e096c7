"""Serving backends, one per file."""
