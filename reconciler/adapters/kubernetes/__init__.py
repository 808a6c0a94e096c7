"""A real cluster behind the ports; the `kubernetes` package gives credentials and connections."""
