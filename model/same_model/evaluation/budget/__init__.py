"""The error budget of a checkpoint, stage by stage."""
