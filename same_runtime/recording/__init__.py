"""Recordings: MCAP files, their replay, faults to inject, files of poses."""
