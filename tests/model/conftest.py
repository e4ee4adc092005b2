"""What the tests of the network, its training and the generator share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import TINY

from same_model.config import PRESETS
from same_model.synth.config import SynthConfig
from same_model.synth.plan import plan_jobs
from same_model.synth.synth import run_jobs
from same_model.training import prepare

_SMALL = SynthConfig(width=64, height=48, procedural=1, max_seconds=2.0, depth=True, seed=7)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Procedural sequences of every split: 64x48, a few seconds each. Do not change it."""
    out = tmp_path_factory.mktemp("dataset")
    jobs = [j for j in plan_jobs(_SMALL) if j.action in ("sit", "reach", "lunge")]
    for _ in run_jobs(_SMALL, jobs, out, workers=1):
        pass
    return out


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset ``tiny`` to train, for tests that ask for it."""
    monkeypatch.setattr(prepare, "PRESETS", {**PRESETS, "tiny": TINY})


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from a second thread, and wait for it on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
