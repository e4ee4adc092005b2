"""A started tracker in real time."""
