"""The tracker in C, as an app without Python runs it: `same-bench native`."""
