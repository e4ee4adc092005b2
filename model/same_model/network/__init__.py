"""The network of the paper, stage by stage."""
