"""Networks that only the comparison tables need."""
