"""What a command has to show, as typed data; formats render it."""
