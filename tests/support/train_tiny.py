"""Trains the tiny inertial stage in one of several processes; test_train.py starts it."""

import sys
from pathlib import Path

import torch
from tiny_model import TINY

from same_model.training import prepare
from same_model.training.config import OptimConfig, TrainConfig
from same_model.training.loop import TrainingRun, batch_rng
from same_model.training.processes import join_processes, leave_processes

data, out = Path(sys.argv[1]), Path(sys.argv[2])
prepare.PRESETS = {"tiny": TINY}
config = TrainConfig(
    "inertial",
    data,
    out,
    preset="tiny",
    steps=3,
    batch=2,
    stretch=8,
    validation=("bob",),
    optim=OptimConfig(warmup_steps=1),
)
processes = join_processes("cpu", threads=1)
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(config.seed)
model = prepare.initial_model(config)
run = TrainingRun(config, model, prepare.make_stage(config, model), processes, {})
run.resume(None)
run.run()
batch = run.stage.make_batch(batch_rng(config.seed, 0, processes.rank))
torch.save(
    {"weights": model.inertial.state_dict(), "batch": batch["joints_local"][:, 0]},
    out / f"rank{processes.rank}.pt",
)
leave_processes()
