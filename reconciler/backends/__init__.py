"""Turns typed apps into drafts. One file per capability."""
