"""One serving backend a file."""
