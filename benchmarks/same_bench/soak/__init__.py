"""Hours of running, and what a process holds before and after them."""
