"""The stages of one run, and the use cases that the commands call."""
