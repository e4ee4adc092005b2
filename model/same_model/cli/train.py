"""``same-train``: train one stage of the network, or every row of the ablation tables."""

import sys

from same_model.training.ablation_rows import RowsConfig, train_rows
from same_model.training.config import TrainConfig
from same_model.training.run import train
from same_runtime.cli.command import run_command


def main() -> int:
    """Entry point of ``same-train``; ``same-train ablations`` trains the rows of the tables."""
    if sys.argv[1:2] == ["ablations"]:
        return run_command("same-train ablations", RowsConfig, train_rows, sys.argv[2:])
    return run_command("same-train", TrainConfig, train)
