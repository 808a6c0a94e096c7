"""One orchestrator a file."""
