"""Fisheye images of a body in a room."""
