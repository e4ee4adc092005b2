"""``same-train``: train one stage of the network, all of them, or every row of the tables."""

from collections.abc import Sequence
from typing import Final

from same_runtime.cli.command import Subcommand, run_subcommand

_ABOUT: Final = """
    Train the network: from motion clips to a bundle with `all`, or one stage at a time.

    $ same-train all --motion clips --out runs/mine
    """
_TRAINING: Final = "same_model.training"
_WHOLE_RUN: Final = f"{_TRAINING}.whole_run"


def _stage(summary: str) -> Subcommand:
    options, action = f"{_TRAINING}.config:TrainConfig", f"{_TRAINING}.run:train"
    return Subcommand(options, action, summary, is_argument=True)


_COMMANDS: Final = {
    "all": Subcommand(
        f"{_WHOLE_RUN}.config:WholeRunConfig",
        f"{_WHOLE_RUN}.run:train_all",
        "render, train every stage in order, export and evaluate",
    ),
    "visual": _stage("stage 1: images to features, 2D joints and visibility"),
    "inertial": _stage("stage 1: headset, controllers and leg IMUs to a first pose"),
    "joint": _stage("stage 2 of the paper: fusion and temporal network at once"),
    "fusion": _stage("stage 2, its first half: images and first pose to joints"),
    "temporal": _stage("stage 2, its second half: joints over time"),
    "ablations": Subcommand(
        f"{_TRAINING}.rows_config:RowsConfig",
        f"{_TRAINING}.ablation_rows:train_rows",
        "every row of the paper's Tables 1-4",
    ),
    "mean": Subcommand(
        f"{_TRAINING}.weights.mean_config:MeanConfig",
        f"{_TRAINING}.weights.mean_weights:mean_weights",
        "average the weights of checkpoints that began at the same ones",
    ),
    "round": Subcommand(
        f"{_TRAINING}.weights.round_config:RoundConfig",
        f"{_TRAINING}.weights.round_weights:round_weights",
        "round a checkpoint's weights, so that its bundle packs to half",
    ),
    "pack": Subcommand(
        f"{_WHOLE_RUN}.pack:PackConfig",
        f"{_WHOLE_RUN}.pack:pack",
        "pack a whole run for a machine without a package registry",
    ),
    "unpack": Subcommand(
        f"{_WHOLE_RUN}.pack:UnpackConfig",
        f"{_WHOLE_RUN}.pack:unpack_result",
        "unpack what came back from that machine",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``same-train``; returns the exit code."""
    return run_subcommand("same-train", _ABOUT, _COMMANDS, arguments, extra="train")


if __name__ == "__main__":
    raise SystemExit(main())
