"""The results of commands as typed data, which formats render."""
