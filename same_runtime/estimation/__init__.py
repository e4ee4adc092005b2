"""From device samples and images to a pose, and from the newest pose to the display time."""
