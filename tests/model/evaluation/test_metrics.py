import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError
from same_model.evaluation.metrics import (
    MetricsConfig,
    confidence_intervals,
    frame_errors,
    joined,
    procrustes_aligned,
    summarise,
)
from same_runtime.conventions import LOWER_BODY_JOINTS, UPPER_BODY_JOINTS


def stamps(frames, fps=30.0):
    return np.round(1e9 + np.arange(frames) * 1e9 / fps).astype(np.int64)


def bodies(frames, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.4, (frames, 22, 3)) + (0.0, 3.0, 0.0)


def metrics(predicted, truth, config=None):
    errors = frame_errors(predicted, truth, stamps(len(truth)), config)
    return summarise(errors, config)


def test_perfect_poses_score_zero():
    truth = bodies(8)
    scores = metrics(truth, truth)
    for name in ("mpjpe", "mpjpe_head_aligned", "upper", "lower", "hand", "foot", "lowest_joint"):
        assert scores[name] == 0.0
    assert scores["pa_mpjpe"] < 1e-9
    assert scores["penetration"] == 0.0


def test_a_constant_offset_is_its_length_and_vanishes_when_aligned():
    truth = bodies(8)
    scores = metrics(truth + (0.03, 0.0, 0.04), truth)
    assert scores["mpjpe"] == pytest.approx(50.0)
    assert scores["hand"] == pytest.approx(50.0)
    assert scores["mpjpe_head_aligned"] == pytest.approx(0.0, abs=1e-9)
    assert scores["pa_mpjpe"] == pytest.approx(0.0, abs=1e-9)


def test_each_group_counts_its_own_joints():
    truth = bodies(4)
    for joint in range(22):
        predicted = truth.copy()
        predicted[:, joint, 0] += 0.022
        scores = metrics(predicted, truth)
        assert scores["mpjpe"] == pytest.approx(1.0)
        assert scores["upper"] == pytest.approx(22 / 13 if joint in UPPER_BODY_JOINTS else 0.0)
        assert scores["lower"] == pytest.approx(22 / 9 if joint in LOWER_BODY_JOINTS else 0.0)
        assert scores["hand"] == pytest.approx(11.0 if joint in (20, 21) else 0.0)
        assert scores["foot"] == pytest.approx(5.5 if joint in (7, 8, 10, 11) else 0.0)
        toes = metrics(predicted, truth, MetricsConfig(foot_joints=(10, 11)))
        assert toes["foot"] == pytest.approx(11.0 if joint in (10, 11) else 0.0)


def test_the_whole_body_is_the_weighted_mean_of_its_halves():
    scores = metrics(bodies(9, 1), bodies(9, 2))
    assert scores["mpjpe"] == pytest.approx((13 * scores["upper"] + 9 * scores["lower"]) / 22)


def test_ground_is_penetration_plus_floating():
    truth = bodies(2)
    predicted = truth.copy()
    predicted[0, :, 1] += 0.02 - predicted[0, :, 1].min()  # floats 20 mm
    predicted[1, :, 1] += -0.03 - predicted[1, :, 1].min()  # sinks 30 mm
    scores = metrics(predicted, truth)
    assert scores["ground"] == pytest.approx(25.0)
    assert scores["penetration"] == pytest.approx(15.0)
    raised = metrics(predicted + (0, 0.5, 0), truth, MetricsConfig(ground_y_m=0.5))
    assert raised["ground"] == pytest.approx(25.0)


def test_jitter_is_the_third_derivative():
    time = np.arange(40) / 30.0
    truth = np.zeros((40, 22, 3))
    truth[:, :, 0] = (time**3)[:, None]  # third derivative 6
    scores = metrics(truth, truth)
    assert scores["jitter"] == pytest.approx(6.0, rel=1e-4)
    still = metrics(np.zeros((3, 22, 3)), np.zeros((3, 22, 3)))
    assert still["jitter"] == 0.0


def test_a_gap_in_time_is_not_jitter():
    truth = np.zeros((20, 22, 3))
    truth[10:, :, 0] = 5.0
    times = stamps(20)
    times[10:] += 2_000_000_000
    assert summarise(frame_errors(truth, truth, times))["jitter"] == 0.0
    assert summarise(frame_errors(truth, truth, stamps(20)))["jitter"] > 1e4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_procrustes_agrees_with_scipy(seed):
    truth, predicted = bodies(1, seed), bodies(1, seed + 1)
    _, _, disparity = procrustes(truth[0], predicted[0])
    aligned = procrustes_aligned(predicted, truth)[0]
    centred = truth[0] - truth[0].mean(axis=0)
    ours = ((aligned - truth[0]) ** 2).sum() / (centred**2).sum()
    # SciPy also allows reflections, so it can only be better.
    assert ours >= disparity - 1e-9
    if np.linalg.det(np.swapaxes(predicted[0] - predicted[0].mean(0), 0, 1) @ centred) > 0:
        assert ours == pytest.approx(disparity, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    arrays(np.float64, 3, elements=st.floats(-3, 3)),
    arrays(np.float64, 3, elements=st.floats(-5, 5)),
    st.floats(0.2, 4.0),
)
def test_procrustes_undoes_any_similarity(seed, rotation_vector, shift, scale):
    truth = bodies(2, seed)
    moved = scale * Rotation.from_rotvec(rotation_vector).apply(truth.reshape(-1, 3)) + shift
    assert np.allclose(procrustes_aligned(moved.reshape(truth.shape), truth), truth, atol=1e-9)


def test_intervals_hold_the_mean_and_shrink_with_more_sequences():
    rng = np.random.default_rng(3)

    def sequence(seed):
        truth = bodies(6, seed)
        return frame_errors(truth + rng.normal(0, 0.03), truth, stamps(6))

    few, many = [sequence(i) for i in range(5)], [sequence(i) for i in range(60)]
    for parts in (few, many):
        low, high = confidence_intervals(parts)["mpjpe"]
        assert low <= summarise(joined(parts))["mpjpe"] <= high
    widths = [np.ptp(confidence_intervals(parts)["mpjpe"]) for parts in (few, many)]
    assert widths[1] < widths[0]
    assert np.ptp(confidence_intervals(few[:1])["mpjpe"]) == 0.0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda p: p[:, :21], "predicted"),
        (lambda p: np.where(np.arange(8)[:, None, None] == 5, np.nan, p), "frame 5"),
        (lambda p: p[:7], "as many"),
        (lambda p: p[0], "predicted"),
    ],
)
def test_bad_poses_are_named(change, named):
    with pytest.raises(InvalidInputError, match=named):
        frame_errors(change(bodies(8)), bodies(8), stamps(8))
