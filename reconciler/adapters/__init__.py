"""I/O behind the ports. No library's exception leaves this room."""
