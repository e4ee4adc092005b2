"""Every stage in its order, from motion clips to a shipped bundle, as one run."""
