"""The protocol room: effects in a crash-safe order."""
