"""Builds the adapters that a command needs, and the surroundings of a run. Imports no click."""
