"""The commands `same-data`, `same-train` and `same-eval`."""
