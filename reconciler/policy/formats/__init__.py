"""Policy formats, one per file."""
