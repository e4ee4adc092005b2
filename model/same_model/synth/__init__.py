"""Synthetic egocentric recordings from real motion."""
