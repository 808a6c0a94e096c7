"""Renders reports in each output format. No command imports a format."""
