"""Every row of the paper's Tables 1-4, trained on the same backbones, data and budget."""

import logging
from pathlib import Path
from typing import Any

from same_engines.atomic_files import told_disk
from same_engines.errors import DataError
from same_model.checkpoint import save_checkpoint
from same_model.same_network import SameModel
from same_model.training.config import ABLATIONS, TrainConfig
from same_model.training.prepare import BackboneCaches, backbone_caches, initial_model
from same_model.training.rows_config import RowsConfig
from same_model.training.run import train
from same_model.training.run_state import load_run

_LOG = logging.getLogger("same")


def fusion_row(row: str) -> str:
    """The row that has the same fusion network as ``row``, which is trained only once.

    Fusion trains before the temporal network, so switches of that and of its loss change nothing.
    """

    def without_ttn(name: str) -> dict[str, Any]:
        return {field: on for field, on in ABLATIONS[name].items() if field != "use_ttn"}

    return next(name for name in ABLATIONS if without_ttn(name) == without_ttn(row))


def train_rows(config: RowsConfig) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    shared: list[BackboneCaches] = []
    rows = config.rows or tuple(ABLATIONS)

    def caches(model: SameModel) -> BackboneCaches:
        if not shared:
            shared.append(backbone_caches(config.run("fusion", "full"), model))
        return shared[0]

    def finish(run: TrainConfig) -> Path:
        state, _ = load_run(run)
        if state is None or state["step"] < (run.steps or 0):
            _LOG.info("row %s: %s", run.ablation, run.stage)
            train(run, caches)
        return run.out / "model.safetensors"

    for row in rows:
        fusion = finish(config.run("fusion", fusion_row(row)))
        last = config.run("temporal", row, fusion)
        if ABLATIONS[row].get("use_ttn", True):
            finish(last)
            continue
        with told_disk(DataError, last.out):
            last.out.mkdir(parents=True, exist_ok=True)
        save_checkpoint(last.out / "model.safetensors", initial_model(last))
