"""Training frameworks, one per file."""
