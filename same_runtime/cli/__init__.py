"""The command `same-track`, and what every command of the SDK shares."""
