"""Builds the adapters that a command needs, and everything around a run. Imports no click."""
