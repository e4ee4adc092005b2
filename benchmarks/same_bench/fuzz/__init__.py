"""Hostile and broken files by the hundred thousand, each to the reader that must survive it."""
