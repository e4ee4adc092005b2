"""Figures from samples, as tables, pages and conditions."""
