"""Data of one's own: written from arrays or recordings, and checked."""
