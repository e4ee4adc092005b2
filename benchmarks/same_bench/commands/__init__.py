"""One module a subcommand of ``same-bench``."""
