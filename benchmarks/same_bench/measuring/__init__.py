"""What is fed to a tracker, how long each part takes, and what else ran."""
