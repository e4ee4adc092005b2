"""What a preset takes of a device: `same-bench footprint`."""
