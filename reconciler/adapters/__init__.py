"""I/O. No library exception passes this room."""
