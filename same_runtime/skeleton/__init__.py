"""What is known of a body beside joint positions."""
