"""From typed apps to drafts, one capability a file."""
