"""Reading anybody's motion capture: files, joint names, axes, into the T-pose's terms."""
