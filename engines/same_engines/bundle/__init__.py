"""Bundles: what `same-export` writes and every engine opens, verified before it is parsed."""
