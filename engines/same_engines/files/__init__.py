"""Files that others wrote or could have put there."""
