"""One training stage a file."""
