"""A page in the browser that shows the tracked body live."""
