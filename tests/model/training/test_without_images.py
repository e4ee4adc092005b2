"""Recordings without images are for the inertial stage; nothing takes their black for what was
seen."""

import numpy as np
import pytest
from tiny_model import TINY, tiny_model
from tiny_sequence import write_sequence

from same_engines.errors import DataError
from same_model.checkpoint import save_checkpoint
from same_model.cli.evaluate import BudgetCommand, EvalCommand, run, run_budget
from same_model.data.sequence import open_sequence
from same_model.evaluation.predict import StreamingPredictor
from same_model.training.config import OptimConfig, TrainConfig
from same_model.training.data.dataset import image_truth
from same_model.training.run import train

pytestmark = pytest.mark.usefixtures("tiny_preset")
REFUSED = r"blind: made without images \(--no-render\), for the inertial stage alone; make it"


@pytest.fixture(scope="module")
def data(tmp_path_factory, small_rig):
    """One recording with images, and one as of same-data synth --no-render."""
    root = tmp_path_factory.mktemp("sequences")
    write_sequence(root / "seen", small_rig, 40)
    write_sequence(root / "blind", small_rig, 40, seed=1, config={"render": False})
    return root


def run_stage(data, out, stage, **changes):
    config = TrainConfig(
        stage,
        data,
        out,
        preset="tiny",
        steps=1,
        batch=4,
        device="cpu",
        optim=OptimConfig(warmup_steps=1),
        allow_untrained=True,
        **changes,
    )
    train(config)


@pytest.mark.parametrize(
    ("stage", "end_to_end"),
    [("visual", False), ("fusion", False), ("fusion", True), ("joint", False), ("joint", True)],
)
def test_stages_that_look_at_images_refuse_recordings_without(data, tmp_path, stage, end_to_end):
    with pytest.raises(DataError, match=REFUSED):
        run_stage(data, tmp_path / "run", stage, end_to_end=end_to_end)
    assert not (tmp_path / "run").exists()


def test_what_needs_no_images_takes_them(data, tmp_path):
    run_stage(data, tmp_path / "inertial", "inertial")
    run_stage(data, tmp_path / "row", "fusion", ablation="imu_only")


def test_they_are_not_evaluated_on_and_measured_only_without_images(data, tmp_path, tiny_bundle):
    checkpoint = tmp_path / "tiny.safetensors"
    save_checkpoint(checkpoint, tiny_model())
    with pytest.raises(DataError, match=REFUSED):
        run(EvalCommand(data, checkpoint, out=tmp_path / "out"))
    with pytest.raises(DataError, match=REFUSED):
        StreamingPredictor(tiny_bundle)(open_sequence(data / "blind"))
    budget = BudgetCommand(checkpoint, data, tmp_path / "out")
    with pytest.raises(DataError, match=REFUSED):
        run_budget(budget)
    run_budget(BudgetCommand(checkpoint, data, tmp_path / "out", no_images=True))


def test_no_joint_of_theirs_is_in_an_image(data):
    seen, blind = (
        image_truth(open_sequence(data / name), np.arange(40), TINY)[1]
        for name in ("seen", "blind")
    )
    assert seen.any() and not blind.any()
