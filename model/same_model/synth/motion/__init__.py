"""Motion of 22 joints: captured clips read and cleaned, made from parameters, varied, split."""
