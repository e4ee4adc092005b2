"""Recorded sequences on disk: their format, EMHI's conversion, statistics and pictures."""
