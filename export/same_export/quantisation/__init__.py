"""What quantising for NPUs and CPUs shares: calibration, ranges, rounding, error in joints."""
