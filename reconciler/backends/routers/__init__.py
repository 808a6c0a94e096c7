"""Routers, one per file."""
