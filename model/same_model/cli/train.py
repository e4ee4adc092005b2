"""``same-train``: train one stage of the network, all of them, or every row of the tables."""

import sys
from collections.abc import Callable
from typing import Any

from same_model.training.ablation_rows import RowsConfig, train_rows
from same_model.training.config import TrainConfig
from same_model.training.run import train
from same_model.training.whole_run.config import WholeRunConfig
from same_model.training.whole_run.pack import PackConfig, UnpackConfig, pack, unpack_result
from same_model.training.whole_run.run import train_all
from same_runtime.cli.command import run_command

_COMMANDS: dict[str, tuple[type[Any], Callable[[Any], None]]] = {
    "ablations": (RowsConfig, train_rows),
    "all": (WholeRunConfig, train_all),
    "pack": (PackConfig, pack),
    "unpack": (UnpackConfig, unpack_result),
}


def main() -> int:
    """Entry point of ``same-train``; ``same-train all`` goes from motion to a bundle, ``same-train
    ablations`` trains the rows of the tables."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in _COMMANDS:
        options, action = _COMMANDS[name]
        return run_command(f"same-train {name}", options, action, sys.argv[2:])
    return run_command("same-train", TrainConfig, train)
