"""What differs from user to user and day to day."""
