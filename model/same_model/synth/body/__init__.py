"""The parametric body that the project ships."""
