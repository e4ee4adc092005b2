"""Checkpoints made of checkpoints: their mean, and fewer bits."""
