"""Synthetic egocentric recordings from real motion, and the conversion of EMHI."""
