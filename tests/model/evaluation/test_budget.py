import json

import numpy as np
import pytest
import torch
from tiny_model import tiny_model
from tiny_sequence import write_sequence

from same_engines.errors import DataError, InvalidInputError
from same_model.checkpoint import save_checkpoint
from same_model.cli.evaluate import BudgetCommand, run_budget
from same_model.data.recorded_inputs import read_images, read_inputs
from same_model.evaluation.budget.figures import error_budget
from same_model.evaluation.evaluate import evaluate
from same_model.evaluation.metrics import MetricsConfig
from same_model.evaluation.predict import OfflinePredictor
from same_model.training.data.dataset import image_truth
from same_runtime.conventions import JOINT_NAMES

IN_ORDER = [
    "imu",
    "fusion_1",
    "fusion_2",
    "temporal",
    "fusion_true_2d",
    "fusion_true_start",
    "fusion_both_true",
    "temporal_true_local",
    "sensed_true_local",
]

SIGHT = {"seen": 1.0, "hidden": 0.5, "outside": 0.0}


@pytest.fixture(scope="module")
def sequences(tmp_path_factory, small_rig):
    root = tmp_path_factory.mktemp("sequences")
    return [
        write_sequence(root / "one", small_rig, 24, seed=1, split="protocol1"),
        write_sequence(root / "two", small_rig, 50, seed=2, split="protocol2"),
        write_sequence(root / "three", small_rig, 40, seed=3, split="protocol2"),
    ]


def rows_of(model, sequences, **options):
    (group,) = error_budget(model, sequences, **options).groups.values()
    return group.rows


@pytest.mark.parametrize("straps_measured", [False, True])
def test_the_last_row_is_what_evaluation_measures(sequences, straps_measured):
    """By another path: the whole network over the whole sequence."""
    model = tiny_model()
    budget = error_budget(model, sequences, straps_measured=straps_measured)
    predict = OfflinePredictor(model, straps_measured)
    evaluation = evaluate(predict, sequences, MetricsConfig(), losses=False)
    assert list(budget.groups) == ["protocol1", "protocol2"]
    for split, group in budget.groups.items():
        assert list(group.rows) == list(budget.titles) == IN_ORDER
        metrics = evaluation.protocols[split].metrics
        assert group.frames == evaluation.protocols[split].frames
        of_metrics = {"all": "mpjpe", "upper": "upper", "lower": "lower", "foot": "foot"}
        for name, value in group.rows["temporal"].groups.items():
            assert value == pytest.approx(metrics[of_metrics[name]], abs=1e-2), name
        for joint, degrees in group.degrees.joints.items():
            assert degrees == pytest.approx(evaluation.rotations[split][joint], abs=0.05), joint
        joints = [mean for mean, _ in evaluation.joints[split].values()]
        assert list(group.rows["temporal"].joints.values()) == pytest.approx(joints, abs=1e-2)


def test_a_stage_that_changes_nothing_shows_what_it_was_given(sequences):
    model = tiny_model()
    with torch.no_grad():
        for iteration in model.fusion.iterations:
            iteration.head[-1].weight.zero_()
            iteration.head[-1].bias.zero_()
            iteration.ray_trust.weight.zero_()
            iteration.ray_trust.bias.fill_(-40.0)
        model.temporal.head[-1].weight.zero_()
        model.temporal.head[-1].bias.zero_()
        model.temporal.joint_filter.weights.zero_()
        model.temporal.joint_filter.imu_weights.zero_()
    rows = rows_of(model, sequences[1:])
    for name in ("fusion_1", "fusion_2", "fusion_true_2d"):
        assert rows[name].joints == pytest.approx(rows["imu"].joints, abs=1e-3)
    for name in ("fusion_true_start", "fusion_both_true"):
        assert max(rows[name].joints.values()) < 1e-3
    # The sensors of these sequences are exact, and so is the calibration.
    assert max(rows["sensed_true_local"].joints.values()) < 0.1
    sensed = rows["sensed_true_local"].joints
    assert rows["temporal_true_local"].joints == pytest.approx(sensed, abs=1e-6)


def test_true_inputs_reach_the_stages_that_they_are_for(sequences):
    """No two rows of a network whose every part matters are the same."""
    # With the filter, a true pose does not shake and stays as it is: two rows are one.
    rows = rows_of(tiny_model(use_joint_filter=False), sequences[:1])
    errors = [rows[name].groups["all"] for name in IN_ORDER]
    assert len({round(error, 3) for error in errors}) == len(errors)


def test_pixels_are_counted_by_what_the_cameras_see(sequences):
    model, sequence = tiny_model(), sequences[0]
    (group,) = error_budget(model, [sequence]).groups.values()
    frames = read_inputs(sequence, model.config).frames
    with torch.inference_mode():
        images = torch.from_numpy(read_images(sequence, frames, model.config))
        found = model.find_joints(images).joints_2d.numpy()
    truth, visible = image_truth(sequence, frames, model.config)
    distance = 4 * np.linalg.norm(found - truth, axis=-1)
    for name, value in SIGHT.items():
        chosen = visible == value
        assert (name in group.pixels) == chosen.any()
        if chosen.any():
            figures = group.pixels[name]
            assert figures.mean == pytest.approx(distance[chosen].mean(), rel=1e-4)
            assert figures.median == pytest.approx(np.median(distance[chosen]), rel=1e-4)
            assert figures.share == pytest.approx(chosen.mean())
    assert sum(figures.share for figures in group.pixels.values()) == pytest.approx(1.0)
    assert "seen" in group.pixels
    assert len(group.degrees.joints) == 19 and min(group.degrees.joints.values()) > 0

    best = visible.max(axis=1)
    shares = {name: (best == value).mean() for name, value in SIGHT.items() if value in best}
    assert {name: found.share for name, found in group.sight.items()} == pytest.approx(shares)
    for means, of_all, of_each in (
        (group.rows["temporal"].joints, 22, [found.joints_mm for found in group.sight.values()]),
        (group.degrees.joints, 19, [found.joints_degrees for found in group.sight.values()]),
    ):
        for j, joint in enumerate(JOINT_NAMES):
            if joint in means:
                counted = [(best[:, j] == SIGHT[name]).mean() for name in group.sight]
                whole = sum(
                    share * each[joint]
                    for share, each in zip(counted, of_each, strict=True)
                    if joint in each
                )
                assert whole == pytest.approx(means[joint], rel=1e-5)
        assert len({joint for each in of_each for joint in each}) == of_all


def test_the_command_writes_and_prints_the_budget(sequences, tmp_path, capsys):
    save_checkpoint(tmp_path / "tiny.safetensors", tiny_model())
    root = sequences[0].path.parent
    command = BudgetCommand(tmp_path / "tiny.safetensors", root, tmp_path / "out", limit=2)
    run_budget(command)
    printed = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "budget.json").read_text())
    assert sum(group["sequences"] for group in content["groups"].values()) == 2
    text = (tmp_path / "out" / "budget.md").read_text()
    for title in content["titles"].values():
        assert title in printed and title in text
    assert (tmp_path / "out" / "budget.png").stat().st_size > 20000
    run_budget(BudgetCommand(command.checkpoint, root, tmp_path / "out", limit=2, json=True))
    assert json.loads(capsys.readouterr().out)["groups"] == content["groups"]


def test_motion_without_images_has_the_rows_that_need_none(tmp_path, small_rig):
    model = tiny_model(input_width=256, input_height=192)
    sequence = write_sequence(tmp_path / "motion", small_rig, 24, split="validation")
    with pytest.raises(DataError, match="images of 128x96 are smaller than the 256x192"):
        error_budget(model, [sequence])
    (group,) = error_budget(model, [sequence], with_images=False).groups.values()
    assert list(group.rows) == ["imu", "temporal_true_local", "sensed_true_local"]
    assert not group.pixels and not group.sight and group.degrees is None


def test_what_has_no_budget_is_refused(sequences):
    with pytest.raises(InvalidInputError, match="concat_lstm starts at no pose"):
        error_budget(tiny_model(fusion_kind="concat_lstm", use_ttn=False), sequences)
    with pytest.raises(DataError, match="no sequences"):
        error_budget(tiny_model(), [])
