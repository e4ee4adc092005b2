"""EMHI, the paper's data set, as released: read without running its code, and converted."""
