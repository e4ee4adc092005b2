"""``same-train all`` on the tiny network; tests start it, also under torchrun."""

import sys

from tiny_model import TINY

from same_model.training import prepare
from same_model.training.whole_run.config import WholeRunConfig
from same_model.training.whole_run.run import train_all
from same_runtime.cli.command import run_command

if __name__ == "__main__":  # not in the processes that render
    prepare.PRESETS = {"tiny": TINY}
    sys.exit(run_command("same-train all", WholeRunConfig, train_all, sys.argv[1:]))
