"""Errors against a recording's truth."""
