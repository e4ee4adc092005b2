"""What runs in threads of its own while a tracker is live."""
