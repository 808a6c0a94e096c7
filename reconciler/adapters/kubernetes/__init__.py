"""A real cluster behind the ports. The `kubernetes` package loads credentials and opens
connections."""
