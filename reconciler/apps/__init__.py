"""Reads a config repo's files and makes typed applications of them."""
